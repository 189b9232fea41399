"""The symmetry of combined maps, from those of their parts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from darboux.structure import Equivariant, Law


def tied(rows: Tensor, symmetry: Equivariant | None) -> Tensor:
    """Return a diagonal >= rows that commutes with the channels of a target."""
    return rows if symmetry is None or symmetry.target is None else symmetry.target.tie(rows)


def shifted(bias: Tensor, symmetry: Equivariant, dim: int) -> Tensor:
    """Return the shift (features, 1, ..., 1) with one number per invariant vector of a target."""
    if symmetry.target is None:
        return bias
    return (symmetry.target.invariants().to(bias) @ bias).reshape(-1, *(1,) * dim)


def adjoint_symmetry(part: Equivariant | None) -> Equivariant | None:
    """Return what A* commutes with: ρ₂ A = A ρ₁ is A* ρ₂ = ρ₁ A* for orthogonal ρ."""
    if part is None:
        return None
    shifts = None if part.translations is None else part.translations[::-1]
    return Equivariant(part.group, part.target, part.source, grid=part.grid, translations=shifts)


def square_symmetry(part: Equivariant | None) -> Equivariant | None:
    """Return what A - A* commutes with: A from features to features of the same type."""
    return part if part is not None and part.source == part.target else None


def product_symmetry(parts: Sequence[Equivariant | None]) -> Equivariant | None:
    """Return what A₁ A₂ ... commutes with; the first is applied last."""
    whole = parts[-1]
    for part in reversed(parts[:-1]):
        whole = None if whole is None or part is None else part.after(whole)
    return whole


def stacked_symmetry(parts: Sequence[Equivariant | None]) -> Equivariant | None:
    """Return what x -> (A₁ x, A₂ x, ...) commutes with."""
    known = [part for part in parts if part is not None]
    first = known[0] if len(known) == len(parts) else None
    if first is None or any(
        (part.group, part.source, part.translations)
        != (first.group, first.source, first.translations)
        for part in known
    ):
        return None
    targets = [part.target for part in known if part.target is not None]
    if len(targets) < len(parts):
        return None
    target: Law = targets[0]
    for law in targets[1:]:
        target = target.sum(law)
    grid = any(part.grid for part in known)
    return Equivariant(
        first.group, first.source, target, grid=grid, translations=first.translations
    )
