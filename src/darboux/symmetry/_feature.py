"""The feature type: which representation acts on the channels of a plain tensor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, final

import torch
from torch import Tensor

from darboux.structure import Law, Symmetry
from darboux.symmetry._groups.group import Element, Group
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import named, restrict


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
        ValueError: if there is no field, or a name is unknown.
        TypeError: if something else than names and representations of the group is given.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> Feature(Cyclic(4), ["trivial", "regular", "regular"]).channels
        9
    """

    def __init__(self, group: Group, fields: Sequence[str | int | Representation]) -> None:
        _check_arguments(group, fields)
        self.group = group
        self.fields = tuple(named(group, field) for field in fields)
        if not self.fields:
            msg = "Feature: expected at least one field; got an empty list."
            raise ValueError(msg)

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
        """Return ρ(g), (channels, channels), float64."""
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
        moved = move(self.group.action(g), x) if x.ndim > 2 else x
        mixing = self.matrix(g).to(x)
        return torch.einsum("oi,bi...->bo...", mixing, moved)

    def check(self, x: Tensor) -> None:
        """Refuse a tensor that cannot have this type.

        Raises:
            ValueError: if channels or spatial axes do not fit.
        """
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

    def __mul__(self, count: int) -> Feature:
        """Return the type of `count` copies of this feature, stacked along the channels."""
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


def scalars(group: Symmetry, channels: int) -> Feature:
    """Return how arrays of scalars transform: a feature of trivial fields.

    Args:
        group: the group.
        channels: how many scalars.

    Raises:
        TypeError: if something else than a `Group` is given.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> scalars(Cyclic(4), 3)
        Feature(C4: 3 × trivial)
    """
    if not isinstance(group, Group):
        msg = f"Expected a group such as Cyclic(4); got {group!r}."
        raise TypeError(msg)
    return Feature(group, ["trivial"] * channels)


def _check_arguments(group: object, fields: object) -> None:
    """Refuse what is no group, or a single field."""
    if not isinstance(group, Group):
        msg = f"Feature: expected a group such as Cyclic(4); got {group!r}."
        raise TypeError(msg)
    if isinstance(fields, (str, int, Representation)):
        msg = f"Feature: expected a list of fields; got {fields!r}. Write [{fields!r}]."
        raise TypeError(msg)


def move(matrix: Tensor, x: Tensor) -> Tensor:
    """Return x(g⁻¹ p) for an element that maps the grid to itself: axes swapped and flipped.

    Args:
        matrix: the action of g, a permutation of the axes up to signs.
        x: (batch, channels, *space).

    Raises:
        ValueError: if the matrix is anything else.

    Example:
        >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> move(quarter, torch.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[[[1., 3.],
                  [0., 2.]]]])
    """
    if not len(matrix):
        return x
    whole = matrix.round()
    if float((matrix - whole).abs().max()) > 1e-9:
        msg = (
            "Expected an element that maps the grid of pixels to itself; got one that moves "
            f"points by {matrix.tolist()}. Only such elements act exactly on images."
        )
        raise ValueError(msg)
    # Axis j goes to axis i where |M_ij| = 1, turned round where it is -1.
    origin = whole.abs().argmax(dim=1).tolist()
    turned = [i + 2 for i, row in enumerate(whole) if float(row.sum()) < 0]
    moved = x.permute(0, 1, *(j + 2 for j in origin))
    return moved.flip(turned) if turned else moved
