"""The affine coupling layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective
from darboux.bijections._coupling import Coupling
from darboux.bijections._coupling_law import CouplingLaw, LawPull
from darboux.bijections._partition import Halves, Partition
from darboux.structure import Claims
from darboux.structure._arguments import Count, Positive, checked

_HALVES = Halves()

_GAP = (
    "no global bi-Lipschitz bounds: the scale of the moved part varies with the kept part, so that "
    "∂y₂/∂x₁ grows with x₂"
)


@final
class AffineCoupling(Coupling):
    """y₁ = x₁, y₂ = x₂ e^s + t with (r, t) = f(x₁) and s = b tanh(r/b), so that |s| <= b.

    A sub-network whose output is zero gives the identity. log|det| is the sum of s.

    Shapes: x and y are (batch, channels, *space) with 0 to 3 spatial axes; a context is
    (batch, context_features), or has the space of x as well.

    Source: section 4.1.1, equations (42) and (43); Dinh et al. 2017, Density estimation using
    Real NVP.

    Args:
        network: f, (batch, kept channels + context_features, *space) -> (batch, 2 * moved
            channels, *space): first all r, then all t.
        swap: whether the first part moves given the second.
        partition: what the parts are.
        context_features: of the context, which f gets after the kept channels; None without.
        bound: b, of the logarithmic scale.

    Raises:
        TypeError: if the network is no module, or the partition is none.
        ValueError: if the bound is not positive; when called, if shapes do not fit.

    Example:
        >>> import torch
        >>> layer, x = AffineCoupling(nn.Linear(2, 4)), torch.randn(3, 4)
        >>> y, log_det = layer.forward_and_log_det(x)
        >>> bool(torch.allclose(layer.inverse(y), x, atol=1e-5)), bool((log_det.abs() <= 4).all())
        (True, True)
    """

    @checked
    def __init__(
        self,
        network: nn.Module,
        *,
        swap: bool = False,
        partition: Partition = _HALVES,
        context_features: Count | None = None,
        bound: Positive = 2.0,
    ) -> None:
        super().__init__(
            network,
            AffineLaw(bound=bound),
            swap=swap,
            partition=partition,
            context_features=context_features,
        )

    def claims(self) -> Claims:
        """Return that the layer is invertible, and why there are no bounds."""
        return bijective("scales e^s are positive, and depend on the kept part only", gap=_GAP)


@final
@dataclass(frozen=True, kw_only=True)
class AffineLaw(CouplingLaw):
    """y = x e^s + t with s = b tanh(r/b), so that |s| <= b."""

    # Raw parameters are (r, t); zeros give the identity.
    # Dinh et al. 2017, Density estimation using Real NVP.

    parameters_per_feature: ClassVar[int] = 2  # r and t

    bound: float

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return x e^s + t and s."""
        s, t = self._parameters(raw)
        return torch.addcmul(t, x, s.exp()), s

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y - t) e^{-s} and -s."""
        s, t = self._parameters(raw)
        negative = -s
        return (y - t) * negative.exp(), negative

    def retrace(self, y: Tensor, raw: Tensor) -> tuple[Tensor, LawPull]:
        """Return (y - t) e^{-s}, with derivatives by hand."""
        s, t = self._parameters(raw)
        rest, scale = y - t, s.exp()  # x e^s, which is dy/ds

        def pull(gradient: Tensor, slope_gradient: Tensor | None) -> tuple[Tensor, Tensor]:
            towards_s = gradient * rest
            if slope_gradient is not None:
                towards_s = towards_s + slope_gradient
            inner = 1 - (s / self.bound).square()  # ds/dr
            return gradient * scale, torch.cat((towards_s * inner, gradient), 1)

        return rest / scale, pull

    def _parameters(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        r, t = raw.chunk(2, dim=1)
        return self.bound * torch.tanh(r / self.bound), t
