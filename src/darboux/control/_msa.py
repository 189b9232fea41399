"""The method of successive approximations, basic and extended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from torch import Tensor, nn

from darboux.control._successive import SuccessiveApproximations
from darboux.structure._arguments import Count, Positive, checked

_TIGHTER, _LOOSER = 4.0, 0.7  # what ρ is multiplied by

_ROUNDING = 1e-6  # of E, within which it does not rise


@final
class MSA(SuccessiveApproximations):
    """The basic method of successive approximations, for comparison: layers maximise Hamiltonians.

    With states x forward and costates p backward, and sums over the samples, one sweep is

        x_{n+1} = g_n(x_n, θ_n),   p_K = -∇Φ(x_K),   p_n = ∂_x H_n(x_n, p_{n+1}, θ_n),
        θ_n <- argmax_θ  H_n(x_n, p_{n+1}, θ) - R(θ),   H_n(x, p, θ) = Σ p · g_n(x, θ).

    A step along ∂_θ H instead of the maximum is a step of gradient descent. The maximum knows
    nothing of how the other layers change, so that sweeps rarely settle: take `ExtendedMSA`.

    Each maximum is sought by L-BFGS from the present θ_n. A Hamiltonian linear in θ_n has none
    without R. R may couple layers: each sees the present values of the others.

    Source: section 3.1.2, equations (31) to (34); Chernousko and Lyubushin 1982.

    Args:
        network: layers g_n of any shapes, one after another: a Sequential or a Flow with one
            field a step, also in each other. Layers that keep statistics do so once a sweep.
        loss: (x_K, *labels) -> Φ, (); without parameters.
        regularizer: network -> R, (): a `Regularizer`, or any function.
        iterations: of L-BFGS, at most.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, or the loss has parameters.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        >>> def size(net):
        ...     return 0.1 * sum(w.square().sum() for w in net.parameters())
        >>> msa = MSA(network, nn.functional.mse_loss, regularizer=size, iterations=2)
        >>> x = torch.linspace(-1, 1, 20)[:, None]
        >>> [*msa.step(x, x.square()).residuals]
        ['0', '2']
    """

    _rho = 0.0

    @checked
    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., Tensor],
        *,
        regularizer: Callable[[Any], Tensor] | None = None,
        iterations: Count = 10,
    ) -> None:
        super().__init__(network, loss, regularizer, iterations)

    def _accepts(self, before: float, after: Callable[[], float]) -> bool:
        del before, after
        return True


@final
class ExtendedMSA(SuccessiveApproximations):
    """Successive approximations that keep states and costates close to those of the sweep.

    After a sweep as in `MSA` each layer maximises the augmented Hamiltonian

        H_n(x_n, p_{n+1}, θ) - R(θ) - ρ/2 ‖x_{n+1} - g_n(x_n, θ)‖² - ρ/2 ‖p_n - ∂_x H_n‖².

    The change of E is at most Σ_n (C errors - gain of H_n), where the errors are the two squares
    and C is unknown, while the gain is at least ρ/2 errors: E falls where ρ is large enough. So
    where E of the same samples rises, changes are undone and tried with 4ρ; after a step that is
    kept, ρ goes back towards the one given, which a mini-batch needs so as not to be learned by
    heart. The source keeps ρ as it is.

    Each maximum is sought by L-BFGS from the present θ_n. A linear layer (`torch.nn.Linear`) has
    its maximum in closed form if there is no R. Each step may take another mini-batch.

    Source: sections 3.1.2 and 3.4.2; Li, Chen, Tai and E 2018, Maximum principle based algorithms
    for deep learning.

    Args:
        network: as for `MSA`; layers are differentiated twice.
        loss: as for `MSA`.
        rho: the smallest ρ; the attribute tells the present one. Norms are taken over all samples,
            and the costates of a mean over N of them are of size 1/N: a ρ of that size, or far
            less if all samples come at once.
        regularizer: as for `MSA`.
        iterations: of L-BFGS, at most.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, or the loss has parameters.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        >>> msa = ExtendedMSA(network, nn.functional.mse_loss, rho=0.1)
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> steps = [msa.step(x, x.square()) for _ in range(20)]
        >>> steps[-1].objective < 0.2 * steps[0].objective
        True
    """

    @checked
    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., Tensor],
        *,
        rho: Positive,
        regularizer: Callable[[Any], Tensor] | None = None,
        iterations: Count = 10,
    ) -> None:
        super().__init__(network, loss, regularizer, iterations)
        self.rho = rho
        self._least = rho

    @property
    def _rho(self) -> float:
        return self.rho

    def _accepts(self, before: float, after: Callable[[], float]) -> bool:
        if after() <= before + _ROUNDING * abs(before):
            self.rho = max(self._least, self.rho * _LOOSER)
            return True
        self.rho *= _TIGHTER
        return False
