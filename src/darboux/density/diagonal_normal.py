"""The normal base with a diagonal covariance."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.density.base import Base, check_shape, standard_log_prob


@final
class DiagonalNormal(Base):
    """A normal density with independent entries, z = μ + exp(s) ε, ε standard normal.

    μ and s are learned and begin with zeros, the standard normal density.

    Shapes: z, μ and s are (batch, *shape), shape and shape.

    Source: section 4.2.3.

    Args:
        shape: the shape of one z.

    Raises:
        ValueError: if the shape is empty or has sizes < 1.

    Example:
        >>> base = DiagonalNormal(2)
        >>> base.log_prob(torch.zeros(1, 2)).detach(), base.sample(5).requires_grad
        (tensor([-1.8379]), True)
    """

    def __init__(self, *shape: int) -> None:
        super().__init__(*shape)
        self.mean = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z), (batch,)."""
        check_shape("DiagonalNormal", z, self.shape)
        noise = (z - self.mean) * (-self.log_scale).exp()
        return standard_log_prob(noise) - self.log_scale.sum()

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples, (n, *shape), differentiable in μ and s."""
        mean = self.mean
        noise = torch.randn(
            (n, *self.shape), generator=generator, dtype=mean.dtype, device=mean.device
        )
        return mean + self.log_scale.exp() * noise
