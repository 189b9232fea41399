"""The abstract log-determinant of x + f(x), exact or estimated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

Map = Callable[[Tensor], Tensor]


class LogDetEstimator(ABC):
    """How log|det(I + f'(x))| is computed for a map f with a Lipschitz constant below 1.

    Then every eigenvalue of f' is smaller than 1 in absolute value, the determinant is positive,
    and log det(I + J) = Σ_{k>=1} (-1)^{k+1} tr(J^k)/k.

    Source: section 4.2.3.
    """

    exact: ClassVar[bool]

    @abstractmethod
    def evaluate(self, f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(x) and the log-determinants at x, (batch,)."""

    @abstractmethod
    def describe(self) -> str:
        """Return in words what the number is."""
