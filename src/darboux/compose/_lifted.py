"""A map between a lift and its adjoint."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.linear import LinearMap
from darboux.linear._symmetries import adjoint_symmetry, product_symmetry
from darboux.structure import (
    Averaged,
    Claim,
    Claims,
    Equivariant,
    Isometric,
    Kind,
    Lipschitz,
    Premise,
    adjoint_of,
    claims_of,
    isometry_of,
)
from darboux.structure._arguments import checked
from darboux.structure._module import Module


@final
class Lifted(Module):
    """The map x -> L* φ(L x) with a lift L, for instance into more channels.

    With an isometric lift, ``L*L = id``, constants and averagedness of φ carry over:
    ``L*((1-α) id + α N)L = (1-α) id + α L*NL``. Otherwise the Lipschitz constant takes a
    factor ‖L‖². A projection that is no adjoint of its lift would break both.

    Shapes: x is (batch, lift.in_features, *space), kept.

    Source: section 2.2.1.

    Args:
        lift: L.
        inner: φ, from lift.out_features to as many.

    Example:
        >>> import torch, darboux as dx
        >>> lift = dx.linear.Lift(1, 8, dim=2, shuffle=2)
        >>> dx.Lifted(lift, torch.nn.ReLU())(torch.ones(1, 1, 5, 5)).shape
        torch.Size([1, 1, 5, 5])
    """

    @checked
    def __init__(self, lift: LinearMap, inner: nn.Module) -> None:
        super().__init__()
        self.lift = lift
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Return L* φ(L x)."""
        z = self.inner(self.lift(x))
        return self.lift.restore(z, size=x.shape[2:])

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the lift and φ; the projection is the lift's adjoint, a premise."""
        return [("lift", self.lift), ("inner", self.inner)]

    def claims(self) -> Claims:
        """Return what carries over from φ."""
        inner = claims_of(self.inner)
        gaps = tuple(gap.under("inner") for gap in inner.gaps)
        isometric = claims_of(self.lift).find(Isometric)
        carried = self._scaled(inner) if isometric is None else self._carried(inner, isometric)
        return Claims((*carried, *self._symmetries(inner)), gaps)

    def _symmetries(self, inner: Claims) -> tuple[Claim, ...]:
        """Return what L*φL commutes with, where L and φ commute with one group."""
        claim, lift = inner.find(Equivariant), self.lift.equivariant()
        if claim is None or not isinstance(claim.structure, Equivariant):
            return ()
        whole = product_symmetry([adjoint_symmetry(lift), claim.structure, lift])
        if whole is None:
            return ()
        reason = f"L, φ and L* commute with the group: {claim.reason}"
        return (Claim(whole, claim.kind, reason, claim.premises),)

    def _carried(self, inner: Claims, isometric: Claim) -> list[Claim]:
        premises = (adjoint_of(self.lift), isometry_of(self.lift), *isometric.premises)
        carried: list[Claim] = []
        for family in (Averaged, Lipschitz):
            claim = inner.find(family)
            if claim is None or any(c.structure.at_least(claim.structure) for c in carried):
                continue
            kind = min(claim.kind, isometric.kind)
            reason = f"between an isometric lift and its adjoint: {claim.reason}"
            carried.append(Claim(claim.structure, kind, reason, _once(premises, claim.premises)))
        return carried

    def _scaled(self, inner: Claims) -> list[Claim]:
        claim = inner.find(Lipschitz)
        if claim is None or not isinstance(claim.structure, Lipschitz):
            return []
        norm = float(self.lift.norm_bound().detach())
        reason = f"‖L‖² = {norm**2:.6g} times: {claim.reason}"
        bound = Lipschitz(claim.structure.constant * norm**2)
        kind = min(claim.kind, Kind.BOUND)
        return [Claim(bound, kind, reason, _once((adjoint_of(self.lift),), claim.premises))]


def _once(first: tuple[Premise, ...], rest: tuple[Premise, ...]) -> tuple[Premise, ...]:
    return tuple({premise.key(): premise for premise in (*first, *rest)}.values())
