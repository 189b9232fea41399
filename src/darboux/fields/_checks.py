"""Checks that several fields make at construction."""

from __future__ import annotations

from darboux.activations import Activation
from darboux.linear import LinearMap
from darboux.structure import Premise, SlopesWithin


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
    return (SlopesWithin(activation, *activation.slopes()),)
