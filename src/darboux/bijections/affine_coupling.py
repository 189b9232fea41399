"""The affine coupling layer."""

from __future__ import annotations

from typing import final

from torch import nn

from darboux.bijections.affine_law import AffineLaw
from darboux.bijections.claims import bijective
from darboux.bijections.coupling import Coupling
from darboux.bijections.halves import Halves
from darboux.bijections.partition import Partition
from darboux.structure import Claims

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

    def __init__(
        self,
        network: nn.Module,
        *,
        swap: bool = False,
        partition: Partition = _HALVES,
        context_features: int | None = None,
        bound: float = 2.0,
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
