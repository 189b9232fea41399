"""What fields commute with, from what their maps and activations commute with."""

from __future__ import annotations

from darboux.activations import Activation
from darboux.structure import Equivariant


def pulled_back(map: Equivariant | None, activation: Activation) -> Equivariant | None:
    """Return what A*σ(A z + b) commutes with: b is invariant, and A* commutes as A does."""
    # The outer map may be any diagonal that commutes with σ, too.
    if map is None or map.target is None or not activation.commutes(map.target):
        return None
    kept = map.translations if map.translations == (1, 1) else None
    return Equivariant(map.group, map.source, map.source, grid=map.grid, translations=kept)


def activated(map: Equivariant | None, activation: Activation) -> Equivariant | None:
    """Return what σ(A z + b) commutes with."""
    if map is None or map.target is None or not activation.commutes(map.target):
        return None
    return map


def endomorphism(found: Equivariant | None) -> Equivariant | None:
    """Return the symmetry of a field: it must take features to features of the same type."""
    return found if found is not None and found.source == found.target else None


def phase_space(drift: Equivariant | None, kick: Equivariant | None) -> Equivariant | None:
    """Return what (z, p) -> (drift(p), kick(z)) commutes with: both halves turn together."""
    if drift is None or kick is None or drift.source is None or kick.source is None:
        return None
    ends = {drift.source, drift.target, kick.source, kick.target}
    if len(ends) > 1 or drift.group != kick.group:
        return None
    both = drift.source.sum(kick.source)
    shifts = drift.translations if drift.translations == kick.translations else None
    grid = drift.grid or kick.grid
    return Equivariant(drift.group, both, both, grid=grid, translations=shifts)
