"""The standard normal base."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.density.base import Base, check_shape, standard_log_prob


@final
class StandardNormal(Base):
    """The standard normal density q(z) = (2π)^(-D/2) exp(-‖z‖²/2), without parameters.

    Samples have the dtype and device that ``to()`` gave the module.

    Shapes: z is (batch, *shape), D its number of entries.

    Source: section 4.2.3.

    Args:
        shape: the shape of one z.

    Raises:
        ValueError: if the shape is empty or has sizes < 1.

    Example:
        >>> base = StandardNormal(2)
        >>> base.log_prob(torch.zeros(1, 2)), base.sample(5).shape
        (tensor([-1.8379]), torch.Size([5, 2]))
    """

    zero: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__(*shape)
        # knows dtype and device; nothing that a saved state should hold
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z), (batch,)."""
        check_shape("StandardNormal", z, self.shape)
        return standard_log_prob(z)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples, (n, *shape)."""
        like = self.zero
        return torch.randn(
            (n, *self.shape), generator=generator, dtype=like.dtype, device=like.device
        )
