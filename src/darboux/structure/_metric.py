"""Structures about distances: Lipschitz, averaged, isometric, linear growth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from darboux.structure._arguments import Within, checked
from darboux.structure._claim import Structure

Bound = Annotated[float, Within("a number of 0 or more, or ∞", least=0, infinite=True)]


@checked
@dataclass(frozen=True)
class Lipschitz(Structure):
    """Lipschitz in the Euclidean norm: ‖φ(x) - φ(y)‖ <= c ‖x - y‖ for all x, y.

    Source: section 2.1, equation (13).

    Args:
        constant: c >= 0; c = 1 is called nonexpansive.

    Raises:
        ValueError: if the constant is negative or NaN.

    Example:
        >>> Lipschitz(2.0).after(Lipschitz(0.5))
        Lipschitz(constant=1.0)
    """

    constant: Bound

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"Lipschitz: ‖φ(x) - φ(y)‖ <= {self.constant:.6g} ‖x - y‖"

    def after(self, first: Lipschitz) -> Lipschitz:
        """Multiply the constants."""
        if 0.0 in (self.constant, first.constant):  # 0 · inf: a constant map stays constant
            return Lipschitz(0.0)
        return Lipschitz(self.constant * first.constant)

    def at_least(self, other: Structure) -> bool:
        """Every smaller constant implies the larger ones."""
        return isinstance(other, Lipschitz) and self.constant <= other.constant


@checked
@dataclass(frozen=True)
class Averaged(Structure):
    """α-averaged: φ = (1 - α) id + α N with a nonexpansive N.

    Equivalently ‖φx - φy‖² + (1-α)/α ‖(id-φ)x - (id-φ)y‖² <= ‖x - y‖².
    Compositions follow α/(1-α) = Σ α_k/(1-α_k). Plug-and-play iterations with an
    averaged denoiser converge; α = 1/2 is firmly nonexpansive, α = 0 the identity.

    Source: section 2.2.1; Bauschke and Combettes, Convex Analysis and Monotone
    Operator Theory, section 4.5; Combettes and Yamada 2015 for compositions.

    Args:
        alpha: α in [0, 1).

    Raises:
        ValueError: if α lies outside [0, 1).

    Example:
        >>> round(Averaged(0.5).after(Averaged(0.5)).alpha, 4)
        0.6667
    """

    alpha: Annotated[
        float, Within("a number in [0, 1) (1 is only Lipschitz(1.0))", least=0, below=1)
    ]

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"averaged: φ = (1-α) id + α N, N nonexpansive, α = {self.alpha:.6g}"

    def after(self, first: Averaged) -> Averaged | None:
        """Add α/(1-α)."""
        total = self.alpha / (1 - self.alpha) + first.alpha / (1 - first.alpha)
        alpha = 1.0 if math.isinf(total) else total / (1 + total)
        return Averaged(alpha) if alpha < 1 else None

    def implies(self) -> tuple[Structure, ...]:
        """An averaged map is nonexpansive."""
        return (Lipschitz(1.0),)

    def at_least(self, other: Structure) -> bool:
        """Every smaller α implies the larger ones, and nonexpansiveness."""
        if isinstance(other, Averaged):
            return self.alpha <= other.alpha
        return other == self or any(weaker.at_least(other) for weaker in self.implies())


@dataclass(frozen=True)
class Isometric(Structure):
    """Isometric: ‖φ(x) - φ(y)‖ = ‖x - y‖ for all x, y.

    Example:
        >>> Isometric().at_least(Lipschitz(1.0))
        True
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "isometric: ‖φ(x) - φ(y)‖ = ‖x - y‖"

    def after(self, first: Isometric) -> Isometric:
        """Isometries compose."""
        del first
        return self

    def implies(self) -> tuple[Structure, ...]:
        """An isometry is nonexpansive."""
        return (Lipschitz(1.0),)


@checked
@dataclass(frozen=True)
class LinearGrowth(Structure):
    """Growth by a constant: 0 <= φ(z) and ‖φ(z)‖ <= ‖z‖ + c √P for every z >= 0.

    P is the number of points of the image, product of *space; 1 for dense features.
    What Zhang and Schaeffer's post-activation step promises where A2 has
    nonnegative entries: over K steps the norm grows linearly, not exponentially.

    Source: section 2.1.1, equation (15); Zhang and Schaeffer 2020.

    Args:
        increment: c >= 0.

    Raises:
        ValueError: if c is negative or NaN.

    Example:
        >>> LinearGrowth(1.0).after(LinearGrowth(0.5))
        LinearGrowth(increment=1.5)
    """

    increment: Bound

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"linear growth: 0 <= φ(z), ‖φ(z)‖ <= ‖z‖ + {self.increment:.6g} √P for z >= 0"

    def after(self, first: LinearGrowth) -> LinearGrowth:
        """Add the increments."""
        return LinearGrowth(self.increment + first.increment)

    def at_least(self, other: Structure) -> bool:
        """Every smaller increment implies the larger ones."""
        return isinstance(other, LinearGrowth) and self.increment <= other.increment
