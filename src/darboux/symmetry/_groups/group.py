"""The abstract compact group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor

from darboux.structure import Symmetry

T = TypeVar("T", bound=Hashable)

Element = Any
"""An element: an int for finite groups; see each continuous one."""


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
    def contains(self, a: Element) -> bool:
        """Return whether something is an element."""

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


def degree_of(group: Group, name: object, known: Mapping[str, int]) -> int:
    """Return the degree of an irreducible representation by its name, or refuse it."""
    if isinstance(name, str) and name in known:
        return known[name]
    raise unknown_irrep(group, name, list(known)[-1])


def unknown_irrep(group: Group, name: object, last: str = "") -> ValueError:
    """Return the error about a name that no irreducible representation has."""
    known = ", ".join(repr(known) for known in group.irreps(3))
    more = ", ..." if group.order is None or len(group.irreps(4)) > len(group.irreps(3)) else ""
    more += f", {last!r}" if last else ""
    msg = (
        f"{group.describe()}: expected an irreducible representation among {known}{more}; got "
        f"{name!r}."
    )
    return ValueError(msg)


def closure(
    generators: Sequence[T], compose: Callable[[T, T], T], identity: T, *, limit: int
) -> tuple[T, ...]:
    """Return the finite group that elements generate: the identity first, then by word length."""
    found = {identity: None}  # a dictionary keeps the order
    newest = [identity]
    while newest:
        products = dict.fromkeys(compose(g, a) for a in newest for g in generators)
        newest = [product for product in products if product not in found]
        found.update(dict.fromkeys(newest))
        if len(found) > limit:
            msg = f"Expected a group of at most {limit} elements; its generators give more."
            raise ValueError(msg)
    return tuple(found)
