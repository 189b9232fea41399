"""The equation (I - g'(x)) u = r at a fixed point x: solved, and differentiated in r."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

Map = Callable[[Tensor], Tensor]


class Linearised(ABC):
    """The inverse M = (I - g'(x))⁻¹ with x, and everything else that g knows, held fixed.

    Source: the implicit function theorem.
    """

    gain: Tensor | float  # ‖g'(x)‖ of each sample, or what is known of it

    @abstractmethod
    def correction(self, r: Tensor) -> Tensor:
        """Return M r up to what one iteration of Newton's method needs; no derivatives."""

    @abstractmethod
    def level(self, r: Tensor) -> Tensor:
        """Return how large the residuals r count when steps are damped, (batch,)."""

    @abstractmethod
    def moved(self, r: Tensor) -> Tensor:
        """Return 0 with the derivatives of M r, of the shape of r."""
