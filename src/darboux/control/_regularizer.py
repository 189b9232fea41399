"""The abstract regulariser: a function of the parameters θ(t) of a flow as a function of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from darboux.flow import Flow


class Regularizer(ABC):
    """R(θ), a function of what the fields of a flow have for parameters along its time grid.

    Source: section 3.2, equation (37).
    """

    @abstractmethod
    def __call__(self, flow: Flow) -> Tensor:
        """Return R, (), differentiable in the parameters of the flow wherever R is."""
