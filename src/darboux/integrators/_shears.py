"""Symplectic methods as schedules of shears: drifts move z, kicks move p."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from darboux.integrators._tableau import EPS, in_float64

First = Literal["drift", "kick"]


class Shear(NamedTuple):
    """One shear: z += w h drift(t + c h, z, p), or p += w h kick(t + c h, z, p)."""

    moves: First
    node: float
    weight: float


@dataclass(frozen=True)
class Shears:
    """A method for fields on phase space, as the shears of one step."""

    # They come in pairs. Where the field is separable all of them are explicit, and neighbours
    # of one kind are one: they move the same half by what the other half says. Elsewhere the
    # first of each pair is implicit in the half that it moves and the second is explicit, which
    # makes each pair a symplectic Euler method.
    # Hairer, Lubich and Wanner, Geometric Numerical Integration, VI.3.

    pairs: tuple[Shear, ...]
    separable: tuple[Shear, ...] = field(init=False, repr=False, compare=False)
    autonomous: tuple[Shear, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        merged = _merged(self.pairs, lambda x, y: x.node == y.node)
        object.__setattr__(self, "separable", merged)
        object.__setattr__(self, "autonomous", _merged(merged, lambda x, y: True))

    def scaled(self, weights: tuple[float, ...]) -> Shears:
        """Return the steps of sizes w_1 h, w_2 h, ... one after the other; Σ w_i = 1."""
        ends = [sum(weights[:i]) for i in range(len(weights))] + [1.0]
        return Shears(
            tuple(
                # the nodes 0 and 1 are kept exactly, so that neighbours meet
                Shear(moves, ends[i + 1] if c == 1 else ends[i] + c * weight, w * weight)
                for i, weight in enumerate(weights)
                for moves, c, w in self.pairs
            )
        )

    def lipschitz_factor(self, h: float | Tensor, lipschitz: float | Tensor) -> Tensor:
        """Return a Lipschitz constant of one step along a separable field of constant L."""
        # A shear by w h g, g of constant L, has the norm s(|w h| L), s(x) = (x + √(x² + 4))/2:
        # that of [[1, x], [0, 1]].
        size = in_float64(h)
        size = torch.where(size < 0, -size, size)  # not abs: its derivative at 0 is 0
        reach = size * in_float64(lipschitz)
        factor = torch.ones_like(reach)
        for weight in _reaches(self.separable):
            x = weight * reach
            factor = factor * (0.5 * (x + (x.square() + 4).sqrt()))
        # every term is > 0, so the relative rounding error is a few eps per operation
        return factor * (1 + 8 * (len(self.separable) + 1) * EPS)


def symplectic_euler(first: First, *, node: float, weight: float) -> tuple[Shear, Shear]:
    """Return the two shears of a symplectic Euler step."""
    second: First = "drift" if first == "kick" else "kick"
    return Shear(first, node, weight), Shear(second, node, weight)


def _merged(
    shears: Iterable[Shear], compatible: Callable[[Shear, Shear], bool]
) -> tuple[Shear, ...]:
    """Return the shears with neighbours of one kind added up."""
    merged: list[Shear] = []
    for shear in shears:
        last = merged[-1] if merged else None
        if last is not None and last.moves == shear.moves and compatible(last, shear):
            merged[-1] = last._replace(weight=last.weight + shear.weight)
        else:
            merged.append(shear)
    return tuple(merged)


def _reaches(shears: Iterable[Shear]) -> list[float]:
    """Return Σ|w| of neighbours of one kind, which may look at different times."""
    sizes = (shear._replace(weight=abs(shear.weight)) for shear in shears)
    return [shear.weight for shear in _merged(sizes, lambda x, y: True)]
