"""The feature type: which representation acts on the channels of a plain tensor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, NoReturn, final

import torch
from torch import Tensor

from darboux.structure import Law, Symmetry
from darboux.structure._arguments import Natural, checked, shown
from darboux.symmetry._groups.group import Element, Group
from darboux.symmetry._limits import MOST_FIELDS, FieldCount
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import named, restrict

_EXACT = 1e-9


@final
class Feature(Law):
    """The declared type of a plain tensor: its channels are fields, one representation each.

    A field of size d takes d consecutive channels. An element g acts on features by
    x -> ρ(g) x(g⁻¹ p): it mixes channels by ρ = ρ₁ ⊕ ... ⊕ ρ_m, and moves the pixels about the
    centre of the image.

    Shapes: x is (batch, channels, *space), with as many spatial axes as the group acts on, or
    none.

    Source: section 5.1.2.

    Args:
        group: the group.
        fields: representations, or names: "trivial", "regular", or an irreducible one.

    Raises:
        ValueError: if there is no field, or more than 65536, or a name is unknown.
        TypeError: if something else than names and representations of the group is given.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> Feature(Cyclic(4), ["trivial", "regular", "regular"]).channels
        9
    """

    @checked
    def __init__(self, group: Group, fields: Sequence[str | Natural | Representation]) -> None:
        _check_count(len(fields))
        self.group = group
        kinds = {field: named(group, field) for field in dict.fromkeys(fields)}
        self.fields = tuple(kinds[field] for field in fields)

    @classmethod
    def from_argument(cls, value: object) -> NoReturn:
        """Refuse what is no feature, with an example of one."""
        msg = "Make one, for instance Feature(Cyclic(4), ['regular'])."
        raise TypeError(msg)

    @cached_property
    def channels(self) -> int:
        """The number of channels."""
        return sum(field.size for field in self.fields)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The channels of each field."""
        return tuple(field.size for field in self.fields)

    @cached_property
    def permutes(self) -> bool:
        """Whether pointwise activations commute."""
        return all(field.permutes for field in self.fields)

    @cached_property
    def signs(self) -> bool:
        """Whether odd pointwise activations commute."""
        return all(field.signs for field in self.fields)

    def describe(self) -> str:
        """Return the fields, equal neighbours counted."""
        runs = [(name, len(list(run))) for name, run in groupby(f.name for f in self.fields)]
        return " + ".join(f"{count} × {name}" if count > 1 else name for name, count in runs)

    def matrix(self, g: Element) -> Tensor:
        """Return ρ(g), (channels, channels), float64.

        Raises:
            ValueError: if g is no element of the group.
        """
        if not self.group.contains(g):
            msg = (
                f"Expected an element of {self.group.describe()}, such as "
                f"{self.group.generators()[0]}; got {shown(g)}."
            )
            raise ValueError(msg)
        return torch.block_diag(*(field.matrix(g) for field in self.fields))

    def invariants(self) -> Tensor:
        """Return an orthonormal basis of the channel vectors that g leaves: (channels, count)."""
        return torch.block_diag(*(field.invariants() for field in self.fields))

    def restricted(self, group: Symmetry) -> Feature | None:
        """Return the same fields under a subgroup, None where the group is no subgroup.

        Example:
            >>> from darboux.symmetry import SO2, Cyclic
            >>> Feature(SO2(), ["1"]).restricted(Cyclic(4)) == Feature(Cyclic(4), ["1"])
            True
        """
        if not isinstance(group, Group):
            return None
        try:
            return Feature(group, [restrict(field, group) for field in self.fields])
        except ValueError:
            return None

    def tie(self, rows: Tensor) -> Tensor:
        """Return for every channel the maximum over its field."""
        runs = [(size, len(list(run))) for size, run in groupby(self.sizes)]
        parts = rows.split([size * count for size, count in runs])
        tied = [
            part.reshape(count, size).amax(dim=1, keepdim=True).expand(count, size).flatten()
            for part, (size, count) in zip(parts, runs, strict=True)
        ]
        return tied[0] if len(tied) == 1 else torch.cat(tied)

    def runs(self) -> list[tuple[Representation, int]]:
        """Return runs of equal neighbouring fields as (representation, count)."""
        return [(kind, len(list(run))) for kind, run in groupby(self.fields)]

    def elements(self, x: Tensor, *, grid: bool, count: int, seed: int) -> Sequence[Any]:
        """Return elements to try: those of the grid, or any."""
        if grid and x.ndim > 2:
            found = self.group.grid_elements()
            if len(found) <= count:
                return found
            generator = torch.Generator().manual_seed(seed)
            return [found[k] for k in torch.randperm(len(found), generator=generator)[:count]]
        return self.group.sample(count, seed=seed)

    def act(self, g: Element, x: Tensor) -> Tensor:
        """Return π(g) x."""
        self.check(x)
        mixing = self.matrix(g).to(x)
        moved = move(self.group.action(g), x) if x.ndim > 2 else x
        return torch.einsum("oi,bi...->bo...", mixing, moved)

    def check(self, x: Tensor) -> None:
        """Refuse a tensor that cannot have this type.

        Raises:
            TypeError: if its numbers are not real floating point numbers.
            ValueError: if channels or spatial axes do not fit.
        """
        if not x.is_floating_point():
            msg = (
                f"Expected real floating point numbers as features {self.describe()} of "
                f"{self.group.describe()}; got {x.dtype}. Use x.float() where that is meant."
            )
            raise TypeError(msg)
        if x.ndim < 2 or x.shape[1] != self.channels:
            msg = (
                f"Expected {self.channels} channels on axis 1, features {self.describe()} of "
                f"{self.group.describe()}; got shape {tuple(x.shape)}."
            )
            raise ValueError(msg)
        if x.ndim > 2 and self.group.dim not in (0, x.ndim - 2):
            msg = (
                f"Expected {self.group.dim} spatial axes, on which {self.group.describe()} acts; "
                f"got shape {tuple(x.shape)}."
            )
            raise ValueError(msg)

    def sum(self, other: Law) -> Feature:
        """Return the type of both, stacked along the channels."""
        if not isinstance(other, Feature) or other.group != self.group:
            msg = (
                f"Expected features of one group; got {self.group.describe()} and "
                f"{other.describe()}."
            )
            raise ValueError(msg)
        return Feature(self.group, [*self.fields, *other.fields])

    @checked
    def __mul__(self, count: FieldCount) -> Feature:
        """Return the type of `count` copies of this feature, stacked along the channels."""
        _check_count(len(self.fields) * count)
        return Feature(self.group, self.fields * count)

    __rmul__ = __mul__

    def __add__(self, other: Feature) -> Feature:
        """Return the type of both, stacked along the channels."""
        return self.sum(other)

    def key(self) -> Hashable:
        """Return group and fields."""
        return (self.group, self.fields)

    def __repr__(self) -> str:
        """Return the type in words."""
        return f"Feature({self.group.describe()}: {self.describe()})"


@checked
def scalars(group: Symmetry, channels: FieldCount) -> Feature:
    """Return how arrays of scalars transform: a feature of trivial fields.

    Args:
        group: the group.
        channels: how many scalars, 1 to 65536.

    Raises:
        TypeError: if something else than a `Group` and a number is given.
        ValueError: if the number is out of range.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> scalars(Cyclic(4), 3)
        Feature(C4: 3 × trivial)
    """
    if not isinstance(group, Group):
        msg = f"scalars: expected a group such as Cyclic(4); got {group!r}."
        raise TypeError(msg)
    return Feature(group, ["trivial"] * channels)


def _check_count(count: int) -> None:
    """Refuse no field, and so many that listing them takes long."""
    if not 1 <= count <= MOST_FIELDS:
        msg = f"Feature: expected 1 to {MOST_FIELDS} fields; got {count}."
        raise ValueError(msg)


@checked
def move(matrix: Tensor, x: Tensor) -> Tensor:
    """Return x(g⁻¹ p) for an element that maps the grid to itself: axes swapped and flipped.

    Args:
        matrix: the action of g, a permutation of the axes up to signs.
        x: (batch, channels, *space).

    Raises:
        TypeError: if something else than tensors is given.
        ValueError: if the matrix is anything else, or does not fit the axes.

    Example:
        >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> move(quarter, torch.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[[[1., 3.],
                  [0., 2.]]]])
    """
    if not matrix.numel():
        return x
    if matrix.shape != (x.ndim - 2, x.ndim - 2):
        msg = f"move: expected a matrix ({x.ndim - 2}, {x.ndim - 2}); got {shown(matrix)}."
        raise ValueError(msg)
    # Axis j goes to axis i where |M_ij| = 1, turned round where it is -1.
    rows = matrix.tolist()
    origin = [max((abs(entry), j) for j, entry in enumerate(row))[1] for row in rows]
    off = [
        abs(abs(v) - (j == o))
        for row, o in zip(rows, origin, strict=True)
        for j, v in enumerate(row)
    ]
    if not all(each <= _EXACT for each in off) or len(set(origin)) < len(rows):
        msg = (
            "Expected an element that maps the grid of pixels to itself; got one that moves "
            f"points by {matrix.tolist()}. Only such elements act exactly on images."
        )
        raise ValueError(msg)
    turned = [i + 2 for i, row in enumerate(rows) if sum(row) < 0]
    moved = x.permute(0, 1, *(j + 2 for j in origin))
    return moved.flip(turned) if turned else moved
