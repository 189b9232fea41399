"""A prior by an input-convex network: convex in the image for all parameters."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from darboux.imaging._prior import Prior, Sigma
from darboux.linear import Conv
from darboux.linear._sizes import Axes, Taps
from darboux.linear._spectral import kernel_bound
from darboux.linear._stencil import Stencil
from darboux.structure import Claim, Claims, Convex, Kind, Smooth, gradient_of_values
from darboux.structure._arguments import Count, Positive, Within, checked

Layers = Annotated[int, Within("an integer from 1 to 64", least=1, most=64)]


@final
class InputConvexPrior(Prior):
    """A convex prior by a network, g(x) = Σ_p ⟨c, z_K(p)⟩, z_k = s(B_k z_{k-1} + A_k x + b_k).

    The kernels B_k and c are positive, and s is the convex and nondecreasing function
    s(t) = 0, t²/2δ, t - δ/2 for t below 0, to δ, and above. So g is convex and >= 0 for all
    parameters, and its gradient is Lipschitz: with a_k a bound of the derivative of what s gets,
    a_k = ‖B_k‖ a_{k-1} + ‖A_k‖, and h_K = max c, h_{k-1} = h_k max_j Σ_i (B_k)_ij, the constant is
    Σ_k h_k a_k² / δ. It holds for every image size, and is often far from tight; a ridge
    regulariser has the better constant. g does not depend on σ.

    Shapes: x is (batch, channels, *space), g(x) is (batch,).

    Source: section 3.2; Amos, Xu and Kolter 2017; Mukherjee et al. 2024 for priors.

    Args:
        channels: channels of an image.
        features: of each z_k.
        depth: K.
        kernel_size: taps of a kernel along each axis.
        dim: spatial axes, 1 to 3.
        smoothing: δ > 0, in units of the image.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> import torch
        >>> prior = InputConvexPrior(features=8, depth=2)
        >>> x, y = torch.rand(2, 1, 1, 12, 12)
        >>> bool(prior((x + y) / 2) <= (prior(x) + prior(y)) / 2), prior.weak_convexity()
        (True, 0.0)
    """

    @checked
    def __init__(
        self,
        channels: Count = 1,
        *,
        features: Count = 32,
        depth: Layers = 3,
        kernel_size: Taps = 5,
        dim: Axes = 2,
        smoothing: Positive = 0.1,
    ) -> None:
        super().__init__()
        self.channels, self.dim = channels, dim
        self.smoothing = float(smoothing)
        self.maps = nn.ModuleList(
            Conv(channels, features, kernel_size=kernel_size, dim=dim, padding_mode="zeros")
            for _ in range(depth)
        )
        self.biases = nn.ParameterList(torch.zeros(features, *(1,) * dim) for _ in range(depth))
        shape = (features, features, *(kernel_size,) * dim)
        mean = -math.log(math.prod(shape[1:]))  # so that B_k begins as an average, about
        self.log_kernels = nn.ParameterList(
            mean + 0.1 * torch.randn(shape) for _ in range(depth - 1)
        )
        self.log_readout = nn.Parameter(torch.full((features,), -math.log(features)))

    def g(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return the values, (batch,)."""
        del sigma
        return (self._values(x) * self._readout(x)).flatten(1).sum(dim=1)

    def grad(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return ∇g(x)."""
        return self.value_and_grad(x, sigma)[1]

    def value_and_grad(self, x: Tensor, sigma: Sigma = None) -> tuple[Tensor, Tensor]:
        """Return g(x) as float64, and ∇g(x)."""
        del sigma

        def total(image: Tensor) -> tuple[Tensor, Tensor]:
            terms = (self._values(image) * self._readout(image)).flatten(1)
            return terms.sum(), terms.sum(dim=1, dtype=torch.float64)

        gradient, values = torch.func.grad(total, has_aux=True)(x)
        return values, gradient

    def lipschitz(self) -> float:
        """Return the constant of ∇g, a bound for the present parameters."""
        with torch.no_grad():
            kernels = [log.double().exp() for log in self.log_kernels]
            slopes: list[float] = []
            for k, map in enumerate(self._convs()):
                passed = float(kernel_bound(kernels[k - 1])) * slopes[-1] if k else 0.0
                slopes.append(passed + float(map.norm_bound()))
            height, total = float(self.log_readout.double().exp().max()), 0.0
            for k in reversed(range(len(slopes))):
                total += height * slopes[k] ** 2 / self.smoothing
                if k:  # ‖B* v‖_∞ <= max_j Σ_i B_ij for entries of v up to 1
                    height *= float(kernels[k - 1].transpose(0, 1).flatten(1).sum(dim=1).max())
            return total

    def weak_convexity(self) -> float:
        """Return 0: g is convex."""
        return 0.0

    def claims(self) -> Claims:
        """Return that g is convex for all parameters, and smooth."""
        why = "nonnegative sums of convex nondecreasing functions of convex ones"
        bound, premises = self.lipschitz(), (gradient_of_values(self),)
        smooth = Claim(Smooth(bound), Kind.BOUND, f"lipschitz() = {bound:.6g}", premises)
        return Claims((Claim(Convex(), Kind.CONSTRUCTION, why, premises), smooth))

    def extra_repr(self) -> str:
        """Return δ."""
        return f"smoothing={self.smoothing:g}"

    def _values(self, x: Tensor) -> Tensor:
        """Return z_K."""
        z = self._bent(self.maps[0](x) + self.biases[0])
        for k, log in enumerate(self.log_kernels, start=1):
            origin = tuple(-((taps - 1) // 2) for taps in log.shape[2:])
            passed = Stencil(log.exp(), origin, "zeros").apply(z)
            z = self._bent(passed + self.maps[k](x) + self.biases[k])
        return z

    def _convs(self) -> list[Conv]:
        return [map for map in self.maps if isinstance(map, Conv)]

    def _bent(self, t: Tensor) -> Tensor:
        near = functional.hardtanh(t, 0.0, self.smoothing)
        return near * (t - near / 2) / self.smoothing

    def _readout(self, like: Tensor) -> Tensor:
        return self.log_readout.exp().to(like.dtype).reshape(-1, *(1,) * self.dim)
