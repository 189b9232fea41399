"""The abstract compact group."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor

from darboux.structure import Symmetry

if TYPE_CHECKING:
    from darboux.symmetry._feature import Feature

Element = Any  # an int for finite groups; see each continuous one


class Group(Symmetry):
    """A compact group with an orthogonal action on R^dim and known irreducible representations.

    Groups are immutable data and equal where their classes and arguments are. Real irreducible
    representations are known by name; matrices are float64.

    Source: section 5.1.
    """

    dim: int  # of the space that it acts on; 0 for a group that acts on features only

    @property
    def order(self) -> int | None:
        """The number of elements; None where there are infinitely many."""
        return None

    @abstractmethod
    def generators(self) -> tuple[Element, ...]:
        """Return elements whose products are dense in the group."""

    @abstractmethod
    def compose(self, a: Element, b: Element) -> Element:
        """Return the product a b: first b, then a."""

    @abstractmethod
    def inverse(self, a: Element) -> Element:
        """Return a⁻¹."""

    @abstractmethod
    def action(self, a: Element) -> Tensor:
        """Return the orthogonal matrix by which a moves points, (dim, dim)."""

    @abstractmethod
    def locate(self, matrix: Tensor) -> Element:
        """Return the element that moves points by a matrix (dim, dim).

        Raises:
            ValueError: if there is none.
        """

    @abstractmethod
    def sample(self, count: int, *, seed: int) -> tuple[Element, ...]:
        """Return random elements, uniformly distributed; of a small finite group, all."""

    @abstractmethod
    def grid_elements(self) -> tuple[Element, ...]:
        """Return the elements that map the lattice Z^dim to itself, the identity first."""

    @abstractmethod
    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return the names of the real irreducible representations, the trivial one first.

        Args:
            degree: the largest frequency or degree; needed where there are infinitely many.
        """

    @abstractmethod
    def irrep(self, name: str, a: Element) -> Tensor:
        """Return the orthogonal matrix ψ(a) of an irreducible representation.

        Raises:
            ValueError: if there is none of that name.
        """

    @abstractmethod
    def commutant(self, name: str) -> int:
        """Return how many independent matrices commute with an irreducible representation.

        1, 2 or 4: it is of real, complex or quaternionic type.
        """

    def size(self, name: str) -> int:
        """Return the dimension of an irreducible representation."""
        return len(self.irrep(name, self.generators()[0]))

    def describe(self) -> str:
        """Return the name of the group."""
        return repr(self)

    def scalars(self, channels: int) -> Feature:
        """Return how arrays of scalars transform: a feature of trivial fields."""
        from darboux.symmetry._feature import Feature  # features are made of groups

        return Feature(self, ["trivial"] * channels)
