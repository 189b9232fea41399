"""The additive coupling layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective
from darboux.bijections._coupling import Coupling
from darboux.bijections._coupling_law import CouplingLaw, LawPull
from darboux.bijections._partition import Halves, Partition
from darboux.structure import BiLipschitz, Claim, Claims, Equivariant, Gap, Lipschitz, claims_of
from darboux.structure._arguments import Count

_HALVES = Halves()

_REASON = "a shear: one part is kept, and moves the other by adding to it"


@final
class AdditiveCoupling(Coupling):
    """y₁ = x₁, y₂ = x₂ + f(x₁): a shear, of determinant 1, for any sub-network f.

    On phase space x = (z, p) it is one step of size 1 of a splitting method: the kick
    p' = p + h kick(z) of a separable field.

    Where f has a Lipschitz constant L, both the layer and its inverse have the constant
    s = (L + √(L² + 4))/2, the largest singular value of [[1, 0], [L, 1]].

    Shapes: x and y are (batch, channels, *space) with 0 to 3 spatial axes; a context is
    (batch, context_features), or has the space of x as well.

    Source: section 4.1.1, equations (42) and (43); section 2.2.3 for shears; Dinh et al. 2015,
    NICE.

    Args:
        network: f, (batch, kept channels + context_features, *space) -> (batch, moved
            channels, *space).
        swap: whether the first part moves given the second.
        partition: what the parts are.
        context_features: of the context, which f gets after the kept channels; None without.

    Raises:
        TypeError: if the network is no module, or the partition is none.
        ValueError: when called, if shapes do not fit.

    Example:
        >>> import darboux as dx
        >>> class Kicked(dx.fields.SeparablePhaseField):
        ...     def __init__(self, network):
        ...         super().__init__()
        ...         self.network = network
        ...
        ...     def drift(self, t, z, p):
        ...         return torch.zeros_like(z)
        ...
        ...     def kick(self, t, z, p):
        ...         return self.network(z)
        >>> network, x = (
        ...     nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)),
        ...     torch.ones(3, 4),
        ... )
        >>> step = dx.integrators.SymplecticEuler().step(Kicked(network), 0.0, 1.0, x)
        >>> torch.equal(AdditiveCoupling(network)(x), step)
        True
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        swap: bool = False,
        partition: Partition = _HALVES,
        context_features: Count | None = None,
    ) -> None:
        super().__init__(
            network,
            AdditiveLaw(),
            swap=swap,
            partition=partition,
            context_features=context_features,
        )

    def inversion(self) -> Claims:
        """Return that the layer is a shear."""
        return bijective(_REASON, volume=True)

    def claims(self) -> Claims:
        """Return that the layer is a shear, and how stable where f is Lipschitz."""
        known = self.inversion()
        network = claims_of(self.network)
        claim = network.find(Lipschitz)
        constant = claim.structure.constant if claim is not None else math.inf  # type: ignore[attr-defined]
        if claim is None or not math.isfinite(constant):
            why = (
                "; ".join(f"{gap.path}: {gap.reason}" for gap in network.gaps) or "none is claimed"
            )
            reason = (
                f"no bi-Lipschitz bounds without a Lipschitz constant of the sub-network ({why})"
            )
            return Claims((*known.claims, *self._symmetries(network)), (Gap("network", reason),))
        stretch = (
            0.5 * (constant + math.hypot(constant, 2)) * (1 + 4 * torch.finfo(torch.float64).eps)
        )
        reason = f"{_REASON}, with Lip(f) <= L = {constant:.6g}: {claim.reason}"
        bounds = Claim(BiLipschitz(1 / stretch, stretch), claim.kind, reason, claim.premises)
        return Claims((*known.claims, bounds, *self._symmetries(network)))

    def _symmetries(self, network: Claims) -> tuple[Claim, ...]:
        """Return what the layer commutes with: both parts turn as f says that they do."""
        claim = network.find(Equivariant)
        plain = isinstance(self.partition, Halves) and self.context_features is None
        if claim is None or not isinstance(claim.structure, Equivariant) or not plain:
            return ()
        f = claim.structure
        if f.source is None or f.target is None or f.translations not in (None, (1, 1)):
            return ()
        whole = f.target.sum(f.source) if self.swap else f.source.sum(f.target)
        found = Equivariant(f.group, whole, whole, grid=f.grid, translations=f.translations)
        reason = f"x₂ + f(x₁) commutes where f does: {claim.reason}"
        return (Claim(found, claim.kind, reason, claim.premises),)


@final
@dataclass(frozen=True)
class AdditiveLaw(CouplingLaw):
    """The shear y = x + t with slope 1."""

    parameters_per_feature: ClassVar[int] = 1  # t

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, None]:
        """Return x + t."""
        return x + raw, None

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, None]:
        """Return y - t."""
        return y - raw, None

    def push(self, x: Tensor, raw: Tensor) -> tuple[Tensor, None]:
        """Return x + t in the memory of x."""
        return x.add_(raw), None

    def retrace(self, y: Tensor, raw: Tensor) -> tuple[Tensor, LawPull]:
        """Return y - t in the memory of y; gradients pass through."""
        return y.sub_(raw), _passed


def _passed(gradient: Tensor, slope_gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    del slope_gradient
    return gradient, gradient
