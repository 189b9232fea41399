"""Equivariance: a map that commutes with the actions of a group."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from torch import Tensor

from darboux.structure._arguments import Count, checked
from darboux.structure._claim import Structure

Translations = tuple[int, int]


class Symmetry(ABC):
    """A group, as far as claims need it: its name and its order.

    Source: section 5, equation (50).
    """

    @property
    @abstractmethod
    def order(self) -> int | None:
        """The number of elements, None where there are infinitely many."""

    @abstractmethod
    def describe(self) -> str:
        """Return the name of the group, for tables."""

    @classmethod
    def from_argument(cls, value: object) -> NoReturn:
        """Refuse what is no group, naming the one that a text means."""
        msg = f"Write {_GROUPS.get(_plain(value)) or _family(value)}."
        raise TypeError(msg)


_GROUPS = {
    "so2": "SO2()",
    "o2": "O2()",
    "so3": "SO3()",
    "o3": "O3()",
    "o": "Octahedral()",
    "octahedral": "Octahedral()",
    "i": "Icosahedral()",
    "icosahedral": "Icosahedral()",
}

_FAMILIES = {"c": "Cyclic", "z": "Cyclic", "d": "Dihedral", "s": "Permutations"}


def _plain(value: object) -> str:
    """Return a text without brackets: "SO(2)" is "so2"."""
    return re.sub(r"[\s()_]", "", value).lower() if isinstance(value, str) else ""


def _family(value: object) -> str:
    """Return the call that "C4" or "dihedral 6" stands for, or an example."""
    found = re.fullmatch(r"([czds])[a-z]*(\d+)", _plain(value))
    if found is None:
        return "a group of darboux.symmetry, for instance Cyclic(4)"
    return f"{_FAMILIES[found[1]]}({found[2]})"


class Law(ABC):
    """The transformation law of features, x -> π(g) x: the declared type of a plain tensor.

    Laws are immutable data, and equal where the transformations are.

    Source: section 5.1.2.
    """

    @property
    @abstractmethod
    def channels(self) -> int:
        """The number of channels."""

    @property
    @abstractmethod
    def permutes(self) -> bool:
        """Whether every ρ(g) permutes the channels."""

    @property
    @abstractmethod
    def signs(self) -> bool:
        """Whether every ρ(g) permutes the channels up to signs."""

    @abstractmethod
    def describe(self) -> str:
        """Return the feature type in words, for tables and errors."""

    @abstractmethod
    def elements(self, x: Tensor, *, grid: bool, count: int, seed: int) -> Sequence[Any]:
        """Return elements of the group to try, at most `count`.

        Args:
            x: features (batch, channels, *space).
            grid: whether to keep to those that map the grid of x to itself.
            count: how many at most; all of a small group come first.
            seed: picks the random ones.
        """

    @abstractmethod
    def act(self, g: Any, x: Tensor) -> Tensor:
        """Return π(g) x, exactly: channels mix by ρ(g), the grid is permuted.

        Raises:
            ValueError: if g does not map the grid of x to itself.
        """

    @abstractmethod
    def sum(self, other: Law) -> Law:
        """Return the law of both features, stacked along the channels.

        Raises:
            ValueError: if the groups differ.
        """

    def restricted(self, group: Symmetry) -> Law | None:
        """Return the law under a subgroup, None where the group is no subgroup."""
        del group
        return None

    @abstractmethod
    def invariants(self) -> Tensor:
        """Return an orthonormal basis of the channel vectors that no g moves: (channels, count)."""

    @abstractmethod
    def tie(self, rows: Tensor) -> Tensor:
        """Return the smallest diagonal >= rows, (channels,), that surely commutes with every ρ(g).

        Entries of one field become their maximum.
        """

    @abstractmethod
    def key(self) -> Hashable:
        """Return what makes two laws equal."""

    def __eq__(self, other: object) -> bool:
        """Return whether both are one transformation."""
        return isinstance(other, Law) and self.key() == other.key()

    def __hash__(self) -> int:
        """Return a hash of the key."""
        return hash(self.key())


@checked
@dataclass(frozen=True)
class Equivariant(Structure):
    """Equivariant: φ(π(g) x) = π'(g) φ(x) for every g of a group.

    On images g also moves the pixels, x -> ρ(g) x(g⁻¹ p), about the centre of the image. That
    is exact for those g that map the grid of pixels to itself, and only they are promised
    where ``grid`` says so; `NearlyEquivariant` is about the others. ``translations=(a, b)``
    promises in addition that a periodic shift of x by a pixels along an axis shifts φ(x) by b.

    Source: section 5, equation (50).

    Args:
        group: the group.
        source: how x transforms; None means that every channel is a scalar.
        target: how φ(x) transforms; None means that every channel is a scalar.
        grid: whether only elements that map the grid to itself are meant.
        translations: (a, b), or None where nothing is said about shifts.

    Example:
        >>> import darboux as dx
        >>> dx.Equivariant(dx.symmetry.Cyclic(4)).describe()
        'equivariant: φ(π(g) x) = π(g) φ(x), g in C4; scalars -> scalars'
    """

    group: Symmetry
    source: Law | None = None
    target: Law | None = None
    grid: bool = field(default=False, kw_only=True)
    translations: tuple[Count, Count] | None = None

    def describe(self) -> str:
        """Return the promise in a formula."""
        kinds = [law.describe() if law else "scalars" for law in (self.source, self.target)]
        where = " that map the grid to itself" if self.grid else ""
        same = "π(g)" if kinds[0] == kinds[1] else "π'(g)"
        shifts = "; shifts by {} -> {}".format(*self.translations) if self.translations else ""
        return (
            f"equivariant: φ(π(g) x) = {same} φ(x), g in {self.group.describe()}{where}; "
            f"{kinds[0]} -> {kinds[1]}{shifts}"
        )

    def after(self, first: Equivariant) -> Equivariant | None:
        """Conclude where the features between are of one type, for the smaller of two groups."""
        second, first = _common(self, first)
        if second.group != first.group or second.source != first.target:
            return None
        return Equivariant(
            second.group,
            first.source,
            second.target,
            grid=second.grid or first.grid,
            translations=_translations(second.translations, first.translations),
        )

    def why_not(self, first: Equivariant) -> str:
        """Return what does not fit."""
        if self.group != first.group:
            names = (first.group.describe(), self.group.describe())
            return "the groups are {} before and {} here".format(*names)
        kinds = [law.describe() if law else "scalars" for law in (first.target, self.source)]
        return "it takes features {1}, and gets {0}".format(*kinds)

    def restricted(self, group: Symmetry) -> Equivariant | None:
        """Return the same promise for a subgroup only, None where it is none."""
        source, target = (
            None if law is None else law.restricted(group) for law in (self.source, self.target)
        )
        if (source is None) != (self.source is None) or (target is None) != (self.target is None):
            return None
        return Equivariant(group, source, target, grid=self.grid, translations=self.translations)

    def at_least(self, other: Structure) -> bool:
        """A promise for all elements, or with shifts, implies the one without."""
        return (
            isinstance(other, Equivariant)
            and (self.group, self.source, self.target) == (other.group, other.source, other.target)
            and (other.grid or not self.grid)
            and other.translations in (None, self.translations)
        )


def _common(second: Equivariant, first: Equivariant) -> tuple[Equivariant, Equivariant]:
    """Return both promises for one group, where one is a subgroup of the other."""
    if second.group != first.group:
        first_smaller = first.restricted(second.group)
        if first_smaller is not None:
            return second, first_smaller
        second_smaller = second.restricted(first.group)
        if second_smaller is not None:
            return second_smaller, first
    return second, first


def _translations(second: Translations | None, first: Translations | None) -> Translations | None:
    """Return the shifts of a composition: those that both maps pass on."""
    if first is None or second is None:
        return None
    common = math.lcm(first[1], second[0])
    return (first[0] * common // first[1], second[1] * common // second[0])
