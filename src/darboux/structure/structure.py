"""The abstract structure: what a map may promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

Self = TypeVar("Self", bound="Structure")


class Structure(ABC):
    """What a map z -> φ(z) may promise, as immutable data.

    A structure knows three things: its name in words, what it implies, and what
    two of its kind become when their maps are composed. It holds no numbers about
    how the promise is known; that is `Claim`.
    """

    @abstractmethod
    def describe(self) -> str:
        """Return the promise as a short formula, for tables."""

    @abstractmethod
    def after(self: Self, first: Self) -> Self | None:
        """Return what `self` ∘ `first` promises, or None where nothing can be concluded.

        Args:
            first: the structure, of the same class, of the map that is applied first.
        """

    def why_not(self: Self, first: Self) -> str:
        """Return why nothing can be concluded about `self` ∘ `first`, "" where that is usual."""
        del first
        return ""

    def implies(self) -> tuple[Structure, ...]:
        """Return weaker structures that follow from this one."""
        return ()

    def at_least(self, other: Structure) -> bool:
        """Return whether a map with this structure also has `other`."""
        return self == other or any(weaker.at_least(other) for weaker in self.implies())
