"""Tolerances that follow from the number format and the size of a sum, not from taste."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darboux.structure._arguments import Count, NonNegative, Positive, checked


@checked
def tolerance(dtype: torch.dtype, size: Count, *, c: Positive = 8.0) -> float:
    """Return c · n · eps, the relative rounding error that a sum of n terms may have.

    A sum of n products computed in any order is off by at most n·eps/(1 - n·eps) times
    the sum of their moduli; c covers the few sums that follow one another.

    Source: Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1.

    Args:
        dtype: a floating or complex number format.
        size: n >= 1, the number of terms in the longest sum.
        c: how many such sums follow one another, about.

    Raises:
        ValueError: if the size is smaller than 1.

    Example:
        >>> tolerance(torch.float32, 9) < tolerance(torch.float32, 90) < 1e-3
        True
    """
    return c * size * torch.finfo(dtype).eps


@checked
def assert_close(
    actual: Tensor,
    expected: Tensor,
    *,
    size: Count | None = None,
    c: Positive = 8.0,
    scale: NonNegative | None = None,
    what: str = "values",
) -> None:
    """Raise unless max |actual - expected| <= c · n · eps · scale.

    eps belongs to the coarser of the two number formats.

    Args:
        actual: what was computed, of any shape.
        expected: what it should be, of the same shape.
        size: n, the number of terms in the longest sum; all entries of `expected` if None.
        c: the factor of `tolerance`.
        scale: the size of the terms; max |expected| if None.
        what: the name of what is compared, for the message.

    Raises:
        AssertionError: with the numbers, if they differ or the shapes do.

    Example:
        >>> assert_close(torch.ones(3) + 1e-7, torch.ones(3))
    """
    if actual.shape != expected.shape:
        msg = f"{what}: expected shape {tuple(expected.shape)}; got {tuple(actual.shape)}."
        raise AssertionError(msg)
    if expected.numel() == 0:
        return
    error = float((_wide(actual) - _wide(expected)).abs().max())
    terms = size or expected.numel()
    unit = float(_wide(expected).abs().max()) if scale is None else scale
    allowed = max(tolerance(t.dtype, terms, c=c) for t in (actual, expected)) * unit
    if not error <= allowed < math.inf:  # NaN is not close, nor anything to infinity
        msg = f"{what}: differ by {error:.3g}; at most {allowed:.3g} is rounding (n = {terms})."
        raise AssertionError(msg)


def _wide(tensor: Tensor) -> Tensor:
    """Return the values alone, in double precision."""
    return tensor.detach().to(torch.complex128 if tensor.is_complex() else torch.float64)
