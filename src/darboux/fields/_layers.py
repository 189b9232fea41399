"""Checks, slopes and symmetries of the fields that are made of linear maps and activations."""

from __future__ import annotations

from darboux.activations import Activation
from darboux.linear import LinearMap
from darboux.structure import Equivariant, Premise, slopes_within


def require_square(name: str, linear: LinearMap) -> None:
    """Refuse a map whose output is no tangent vector at its input."""
    if linear.in_features != linear.out_features:
        msg = (
            f"{name}: expected a map from features to the same number of features; got "
            f"{linear.in_features} -> {linear.out_features}. Use GradientField for "
            "rectangular maps, or a map with equal numbers."
        )
        raise ValueError(msg)


def require_separable(name: str, activation: Activation) -> None:
    """Refuse an activation that is no function of one real variable."""
    if not activation.separable:
        kind = type(activation).__name__
        msg = (
            f"{name}: expected an activation that acts on every entry alone; got {kind}, which "
            "mixes channels, so that σ is not the derivative of a potential Σ γ(x_i) and "
            "-A*σ(Az+b) is no gradient field: the theorems about it do not hold. Use an "
            "elementwise activation (ReLU, Tanh, Clip, ...)."
        )
        raise TypeError(msg)


def require_conservative(name: str, activation: Activation) -> None:
    """Refuse an activation that is no gradient of a potential."""
    if not activation.conservative:
        require_separable(name, activation)


def largest_slope(activation: Activation) -> float:
    """Return max |σ'|, the Lipschitz constant of the activation."""
    lower, upper = activation.slopes()
    return max(abs(lower), abs(upper))


def slope_premises(activation: Activation) -> tuple[Premise, ...]:
    """Return the condition on the slopes of an elementwise activation."""
    if not activation.separable:
        return ()
    lower, upper = activation.slopes()
    return (slopes_within(activation, lower=lower, upper=upper),)


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
