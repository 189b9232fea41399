"""A number between two bounds."""

from __future__ import annotations

from typing import NamedTuple


class Bracket(NamedTuple):
    """A number that is known to lie in [lower, upper].

    Args:
        lower: attained at a sample.
        upper: a true bound.

    Example:
        >>> Bracket(1.0, 1.1).upper
        1.1
    """

    lower: float
    upper: float
