"""The abstract fixed orthogonal map: its inverse is its adjoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from darboux.bijections.bijection import Bijection, Pull, Pulled
from darboux.bijections.log_dets import zeros


class OrthogonalBijection(Bijection, ABC):
    """A fixed orthogonal map without parameters: gradients go back by the inverse.

    Source: section 4.1.3.
    """

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ(x)."""

    @abstractmethod
    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ⁻¹(y), which is the adjoint applied to y."""

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return y and zeros."""
        return self.forward(x, context), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x and zeros."""
        return self.inverse(y, context), zeros(y)

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Return x; gradients go the same way: the inverse is the adjoint."""

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            del weight
            return self.inverse(gradient, context), tuple(None for _ in wanted)

        return self.inverse(y, context), pull
