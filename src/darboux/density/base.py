"""The abstract base distribution of a normalising flow."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Base(nn.Module, ABC):
    """A simple density q(z) on features of one shape, of which samples can be drawn.

    Shapes: z is (batch, *shape), log-densities are (batch,).

    Source: section 4.2.3.

    Args:
        shape: the shape of one z.

    Raises:
        ValueError: if the shape is empty or has sizes < 1.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        if not shape or any(isinstance(n, bool) or n < 1 for n in shape):
            msg = (
                f"{type(self).__name__}: expected sizes >= 1, one for each axis of a sample; got "
                f"{shape}. Use {type(self).__name__}(2) for two features."
            )
            raise ValueError(msg)
        self.shape = torch.Size(shape)

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z), (batch,)."""

    @abstractmethod
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples, (n, *shape), differentiable in the parameters.

        Args:
            n: how many.
            generator: the source of random numbers; torch's global one if None.
        """

    def forward(self, z: Tensor) -> Tensor:
        """Return log q(z), (batch,)."""
        return self.log_prob(z)

    def extra_repr(self) -> str:
        """Return the shape."""
        return ", ".join(map(str, self.shape))


def standard_log_prob(z: Tensor) -> Tensor:
    """Return the log-density of independent standard normal entries, (batch,).

    Half precision is evaluated in float32, because a sum of many squares is not accurate in it.

    Example:
        >>> standard_log_prob(torch.zeros(1, 2))  # -log 2π
        tensor([-1.8379])
    """
    with torch.autocast(z.device.type, enabled=False):
        wide = z.float() if z.dtype in (torch.float16, torch.bfloat16) else z
        size = math.prod(z.shape[1:])
        return -0.5 * wide.square().flatten(1).sum(dim=1) - 0.5 * size * math.log(2 * math.pi)


def check_shape(name: str, z: Tensor, shape: torch.Size) -> None:
    """Refuse features of another shape than (batch, *shape).

    Raises:
        ValueError: if the shape differs.

    Example:
        >>> check_shape("StandardNormal", torch.ones(3, 2), torch.Size([2]))
    """
    if z.shape[1:] != shape or z.ndim != 1 + len(shape):
        msg = (
            f"{name}: expected z of shape (batch, {', '.join(map(str, shape))}); got "
            f"{tuple(z.shape)}. Use a base of the shape of φ(x)."
        )
        raise ValueError(msg)
