"""Structures of functions with one number for each sample: convex, weakly convex, smooth."""

from __future__ import annotations

from dataclasses import dataclass

from darboux.structure._arguments import checked
from darboux.structure._claim import Structure
from darboux.structure._metric import Bound


@dataclass(frozen=True)
class Convex(Structure):
    """Convex: g((1 - t) x + t y) <= (1 - t) g(x) + t g(y) for 0 <= t <= 1.

    g returns one number for each sample, (batch,).

    Source: section 3.2.

    Example:
        >>> Convex().at_least(WeaklyConvex(0.5))
        True
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "convex: g((1-t) x + t y) <= (1-t) g(x) + t g(y)"

    def after(self, first: Convex) -> None:
        """Conclude nothing: convex functions of convex functions need not be convex."""
        del first

    def implies(self) -> tuple[Structure, ...]:
        """A convex function is weakly convex with ρ = 0."""
        return (WeaklyConvex(0.0),)


@checked
@dataclass(frozen=True)
class WeaklyConvex(Structure):
    """ρ-weakly convex: x -> g(x) + ρ ‖x‖² / 2 is convex.

    g returns one number for each sample, (batch,). A quadratic data term, whose curvature is ρ at
    least, makes it a convex problem.

    Source: section 3.2.

    Args:
        rho: ρ >= 0.

    Raises:
        ValueError: if ρ is negative or NaN.

    Example:
        >>> WeaklyConvex(0.5).at_least(WeaklyConvex(1.0))
        True
    """

    rho: Bound

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"weakly convex: g(x) + {self.rho:.6g} ‖x‖² / 2 is convex"

    def after(self, first: WeaklyConvex) -> None:
        """Conclude nothing: functions of functions have no constant of their own."""
        del first

    def at_least(self, other: Structure) -> bool:
        """Every smaller ρ implies the larger ones."""
        return isinstance(other, WeaklyConvex) and self.rho <= other.rho


@checked
@dataclass(frozen=True)
class Smooth(Structure):
    """Smooth: ‖∇g(x) - ∇g(y)‖ <= L ‖x - y‖ for all x, y.

    g returns one number for each sample, (batch,).

    Source: section 3.2; Nesterov 2018, section 1.2.2.

    Args:
        bound: L >= 0.

    Raises:
        ValueError: if L is negative or NaN.

    Example:
        >>> Smooth(2.0).at_least(Smooth(3.0))
        True
    """

    bound: Bound

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"smooth: ‖∇g(x) - ∇g(y)‖ <= {self.bound:.6g} ‖x - y‖"

    def after(self, first: Smooth) -> None:
        """Conclude nothing: functions of functions have no constant of their own."""
        del first

    def at_least(self, other: Structure) -> bool:
        """Every smaller L implies the larger ones."""
        return isinstance(other, Smooth) and self.bound <= other.bound
