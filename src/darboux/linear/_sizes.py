"""Checks of the sizes that maps are built with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from darboux.structure._arguments import Within

Taps = Annotated[int, Within("an integer from 1 to 255, as kernels have taps", least=1, most=255)]

Axes = Annotated[int, Within("1, 2 or 3 spatial axes", least=1, most=3)]

MOST_WEIGHTS = 2**31  # 8 GiB in single precision


def affordable(owner: str, what: str, entries: int, advice: str, *, most: int = 2**26) -> None:
    """Refuse an array that would not fit, before it is allocated."""
    if entries > most:
        power = most.bit_length() - 1
        msg = f"{owner}: expected {what} of at most 2^{power} numbers; got {entries:.3g}. {advice}"
        raise ValueError(msg)


def kernel_sizes(kernel_size: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """Return one number of taps per axis, or refuse."""
    taps = (kernel_size,) * dim if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(taps) != dim:
        msg = (
            f"Expected kernel_size to be one number or {dim} of them; got {kernel_size!r}. "
            f"Use {dim}."
        )
        raise ValueError(msg)
    return taps
