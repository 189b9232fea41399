"""Base distributions of normalising flows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from darboux.structure._arguments import Count, checked
from darboux.structure._module import Module, check_features


class Base(Module, ABC):
    """A simple density q(z) on features of one shape, of which samples can be drawn.

    Shapes: z is (batch, *shape), log-densities are (batch,).

    Source: section 4.2.3.

    Args:
        shape: the shape of one z.

    Raises:
        ValueError: if the shape is empty or has sizes < 1.
    """

    @checked
    def __init__(self, *shape: Count) -> None:
        super().__init__()
        if not shape:
            name = type(self).__name__
            msg = f"{name}: expected a size for each axis of a sample; got none. Use {name}(2)."
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

    def __init__(self, *shape: Count) -> None:
        super().__init__(*shape)
        # knows dtype and device; nothing that a saved state should hold
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z), (batch,)."""
        _check_shape("StandardNormal", z, self.shape)
        return _standard_log_prob(z)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples, (n, *shape)."""
        like = self.zero
        return torch.randn(
            (n, *self.shape), generator=generator, dtype=like.dtype, device=like.device
        )


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

    def __init__(self, *shape: Count) -> None:
        super().__init__(*shape)
        self.mean = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log q(z), (batch,)."""
        _check_shape("DiagonalNormal", z, self.shape)
        noise = (z - self.mean) * (-self.log_scale).exp()
        return _standard_log_prob(noise) - self.log_scale.sum()

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples, (n, *shape), differentiable in μ and s."""
        mean = self.mean
        noise = torch.randn(
            (n, *self.shape), generator=generator, dtype=mean.dtype, device=mean.device
        )
        return mean + self.log_scale.exp() * noise


def _standard_log_prob(z: Tensor) -> Tensor:
    """Return the log-density of independent standard normal entries, (batch,)."""
    # Half precision is evaluated in float32, because a sum of many squares is not accurate in it.
    with torch.autocast(z.device.type, enabled=False):
        wide = z.float() if z.dtype in (torch.float16, torch.bfloat16) else z
        size = math.prod(z.shape[1:])
        return -0.5 * wide.square().flatten(1).sum(dim=1) - 0.5 * size * math.log(2 * math.pi)


def _check_shape(name: str, z: Tensor, shape: torch.Size) -> None:
    """Refuse features of another shape than (batch, *shape)."""
    check_features(name, z)
    if z.shape[1:] != shape or z.ndim != 1 + len(shape):
        msg = (
            f"{name}: expected z of shape (batch, {', '.join(map(str, shape))}); got "
            f"{tuple(z.shape)}. Use a base of the shape of φ(x)."
        )
        raise ValueError(msg)
