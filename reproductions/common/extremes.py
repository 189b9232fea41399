"""Extremes that statements are judged by: NaN where one of the values is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def maximum(values: Iterable[float]) -> float:
    """Return the largest value, or NaN, which no limit admits: Python's `max` may pass it over.

    Example:
        >>> max([1.0, float("nan")]) <= 2.0, maximum([1.0, float("nan")]) <= 2.0
        (True, False)
    """
    return float(np.max(list(values)))


def minimum(values: Iterable[float]) -> float:
    """Return the smallest value, or NaN."""
    return float(np.min(list(values)))
