"""Checks of the options of log-determinant estimators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from darboux.bijections.jacobian_products import ProbeDistribution, SeriesGradient


def check_estimator(name: str, counts: Mapping[str, int], distribution: str, gradient: str) -> None:
    """Refuse options that make no sense.

    Raises:
        ValueError: naming the option.

    Example:
        >>> check_estimator("TruncatedSeries", {"terms": 3}, "normal", "neumann")
    """
    for what, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            msg = f"{name}: expected {what} to be an integer >= 1; got {count!r}. Use 1 or more."
            raise ValueError(msg)
    for what, value, known in (
        ("distribution", distribution, get_args(ProbeDistribution)),
        ("gradient", gradient, get_args(SeriesGradient)),
    ):
        if value not in known:
            msg = f"{name}: expected {what} among {', '.join(known)}; got {value!r}. Use one."
            raise ValueError(msg)
