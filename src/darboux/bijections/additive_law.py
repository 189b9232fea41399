"""The additive law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from darboux.bijections.coupling_law import CouplingLaw, LawPull


@final
@dataclass(frozen=True)
class AdditiveLaw(CouplingLaw):
    """The shear y = x + t with slope 1.

    Shapes: x, y and the raw parameters t are (batch, channels, *space).

    Source: section 4.1.1.

    Example:
        >>> import torch
        >>> AdditiveLaw().inverse(torch.tensor([[3.0]]), torch.tensor([[1.0]]))
        (tensor([[2.]]), None)
    """

    volume_preserving: ClassVar[bool] = True

    @property
    def parameters_per_feature(self) -> int:
        """One: t."""
        return 1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, None]:
        """Return x + t."""
        return x + raw, None

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, None]:
        """Return y - t."""
        return y - raw, None

    def push(self, x: Tensor, raw: Tensor) -> tuple[Tensor, None]:
        """Return x + t in the memory of x."""
        return x.add_(raw), None

    def retrace(self, y: Tensor, raw: Tensor) -> tuple[Tensor, LawPull]:
        """Return y - t in the memory of y; gradients pass through."""
        return y.sub_(raw), _passed


def _passed(gradient: Tensor, slope_gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    del slope_gradient
    return gradient, gradient
