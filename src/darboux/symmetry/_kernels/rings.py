"""Taps of a kernel: their permutations by a group, and radial profiles on them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.linear._sizes import Taps
from darboux.structure._arguments import NonNegative, Positive, Within, checked
from darboux.symmetry._groups.group import Element, Group

_Frequency = Annotated[int, Within("a frequency from 0 to 256", least=0, most=256)]

_PER_RADIUS = 2.0  # frequencies per unit of radius

_WIDTH = 0.45  # of 0.4 to 0.8, what keeps responses to turned waves of 5 pixels nearest

_ROUNDING = 1e-9


def taps(kernel_size: int, dim: int) -> Tensor:
    """Return the places of the taps about the centre of the kernel, (kernel^dim, dim), float64."""
    # Their order is that of a kernel's flattened axes. Dimension 0 has one tap.
    axis = [i - (kernel_size - 1) / 2 for i in range(kernel_size)]
    places = list(itertools.product(axis, repeat=dim))
    return torch.tensor(places, dtype=torch.float64, device="cpu").reshape(kernel_size**dim, dim)


def tap_permutations(
    group: Group, elements: Sequence[Element], *, kernel_size: int, dim: int
) -> Tensor:
    """Return where elements that map the grid to itself move taps: (elements, kernel^dim)."""
    # Entry (g, t) is the number of the tap g t. A group that acts on no points moves none.
    places = taps(kernel_size, dim)
    if not group.dim or not dim:
        return torch.arange(len(places), device="cpu").expand(len(elements), -1)
    actions = torch.stack([group.action(g) for g in elements])
    moved = torch.einsum("gij,tj->gti", actions, places) + (kernel_size - 1) / 2
    strides = torch.tensor([kernel_size**k for k in reversed(range(dim))], device="cpu")
    return (moved.round().to(torch.int64) * strides).sum(dim=2)


@final
@checked
@dataclass(frozen=True)
class Rings:
    """Gaussian rings φ_i(t) = exp(-(|t| - r_i)²/(2 w_i²)), each with its largest frequency.

    A kernel is k(t) = Σ_i Σ_{f <= F_i} φ_i(t) k_{if}(t/|t|), its angular parts k_{if} of
    frequency (in space, degree) f; the centre, which has no direction, carries f = 0 alone.
    All of that depends on |t| and on directions, so the taps of a kernel transform among each
    other exactly as the functions do, for every g that maps the grid to itself.

    The default of k taps has rings at 0, 1, ..., (k-1)/2, or 1/2, 3/2, ... for even k, with
    frequencies up to 2r: a circle of radius r passes about 2πr taps, which tell frequencies
    below πr apart. The corners beyond the last ring belong to its tail. On the grid these
    functions are linearly independent; there are as many as polynomials of degree below k.

    Source: section 5.1.2.

    Args:
        radii: r_i, in pixels.
        widths: w_i.
        frequencies: F_i, from 0 to 256.

    Raises:
        TypeError: if something else than sequences of numbers is given.
        ValueError: if the three have different lengths, or a number is out of range.

    Example:
        >>> Rings.default(3)
        Rings(radii=(0.0, 1.0), widths=(0.45, 0.45), frequencies=(0, 2))
    """

    radii: tuple[NonNegative, ...]
    widths: tuple[Positive, ...]
    frequencies: tuple[_Frequency, ...]

    def __post_init__(self) -> None:
        if not len(self.radii) == len(self.widths) == len(self.frequencies):
            msg = (
                f"Rings: expected a radius, a width and a frequency for each ring; got "
                f"{len(self.radii)}, {len(self.widths)} and {len(self.frequencies)}."
            )
            raise ValueError(msg)
        for name in ("radii", "widths", "frequencies"):  # lists too, as what can be hashed
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    @checked
    def default(cls, kernel_size: Taps) -> Rings:
        """Return rings one pixel apart, of width 0.45 and frequencies up to twice the radius.

        Args:
            kernel_size: taps per axis.

        Example:
            >>> Rings.default(4).frequencies
            (1, 3)
        """
        first = 0.0 if kernel_size % 2 else 0.5
        radii = tuple(first + ring for ring in range((kernel_size + 1) // 2))
        largest = tuple(int(_PER_RADIUS * radius + _ROUNDING) for radius in radii)
        return cls(radii, (_WIDTH,) * len(radii), largest)

    @property
    def largest(self) -> int:
        """The largest frequency of all."""
        return max(self.frequencies, default=0)

    def count(self, frequency: int) -> int:
        """Return how many rings carry a frequency."""
        return sum(frequency <= limit for limit in self.frequencies)

    def profiles(self, frequency: int, distances: Tensor) -> Tensor:
        """Return the radial functions that carry a frequency, (rings, taps).

        Args:
            frequency: of the angular part.
            distances: |t| of the taps, (taps,).

        Example:
            >>> Rings.default(3).profiles(2, torch.tensor([0.0, 1.0])).tolist()
            [[0.0, 1.0]]
        """
        seen = (distances > 0) | (frequency == 0)
        rows = [
            torch.exp(-((distances - radius) / width).square() / 2) * seen
            for radius, width, limit in zip(self.radii, self.widths, self.frequencies, strict=True)
            if frequency <= limit
        ]
        return torch.stack(rows) if rows else distances.new_zeros(0, len(distances))
