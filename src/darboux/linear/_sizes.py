"""Checks of the sizes that maps are built with."""

from __future__ import annotations

import math
from collections.abc import Sequence


def positive(name: str, value: int) -> int:
    """Return a positive integer, or refuse."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        msg = f"Expected {name} to be a positive integer; got {value!r}. Use 1 or more."
        raise ValueError(msg)
    return value


def dimension(value: int) -> int:
    """Return a number of spatial axes from 1 to 3, or refuse."""
    if value not in (1, 2, 3):
        msg = f"Expected dim to be 1, 2 or 3 spatial axes; got {value!r}. Use Dense for none."
        raise ValueError(msg)
    return value


def kernel_sizes(kernel_size: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """Return one positive number of taps per axis, or refuse."""
    taps = (kernel_size,) * dim if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(taps) != dim:
        msg = (
            f"Expected kernel_size to be one number or {dim} of them; got {kernel_size!r}. "
            f"Use {dim}."
        )
        raise ValueError(msg)
    return tuple(positive("kernel_size", k) for k in taps)


def finite(name: str, value: float) -> float:
    """Return a finite number, or refuse."""
    if not math.isfinite(value):
        msg = f"Expected {name} to be finite; got {value!r}. Use a real number."
        raise ValueError(msg)
    return float(value)
