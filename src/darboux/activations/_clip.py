"""A clip with learnable thresholds: the derivative of Huber's function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from darboux.activations._activation import Activation
from darboux.solvers._transforms import are_constant
from darboux.structure._arguments import Count, Positive, Within, checked
from darboux.structure._rules import departure

_Axes = Annotated[int, Within("an integer from 0 to 60", least=0, most=60)]


@final
class Clip(Activation):
    """A clip at a learnable threshold ℓ > 0, one for all channels or one for each.

    σ(x) = min(max(x, -ℓ), ℓ) = ℓ hardtanh(x/ℓ), slopes in [0, 1]; γ is Huber's function,
    γ(x) = x²/2 for |x| <= ℓ, ℓ|x| - ℓ²/2 beyond. The parameter is log ℓ, so that ℓ
    stays positive whatever an optimiser does; |log ℓ| counts up to 9.6 in float16, 43 in float32
    and 354 in float64.

    Sharing one instance between fields shares its thresholds.

    Shape: (batch, channels, *space) with `dim` spatial axes -> the same; the batch may be
    missing. Without `channels`, any shape.

    Source: section 2.1; Huber 1964 for γ.

    Args:
        channels: number of thresholds, along axis 1; None for a single one.
        dim: number of spatial axes, 0 for (batch, channels); unused without `channels`.
        threshold: ℓ at the start, in the units of x.

    Raises:
        ValueError: if an argument is out of range, or x has other channels than stated.

    Example:
        >>> import torch
        >>> Clip(threshold=0.5)(torch.tensor([-2.0, 0.25]))
        tensor([-0.5000,  0.2500], grad_fn=<MulBackward0>)
    """

    odd = True

    @checked
    def __init__(
        self, channels: Count | None = None, *, dim: _Axes = 2, threshold: Positive = 1.0
    ) -> None:
        super().__init__()
        self.channels = channels
        self.dim = dim
        shape = () if channels is None else (channels, *(1,) * dim)
        self.log_threshold = nn.Parameter(torch.full(shape, math.log(threshold)))

    @property
    def threshold(self) -> Tensor:
        """The thresholds ℓ: (), or (channels, 1, ..., 1) with `dim` ones."""
        return self._threshold(self.log_threshold.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, clipped to [-ℓ, ℓ]."""
        self._check_input(x)
        threshold = self._threshold(x.dtype).to(x.dtype)
        if are_constant(x, threshold):
            return _between(-threshold, x, threshold)
        # Several times faster than max(min()), and its gradient with respect to ℓ is
        # hardtanh(x/ℓ) - x/ℓ = 0 inside, ±1 outside, as it should be. Dividing x itself
        # would make the gradient twice as expensive.
        return threshold * functional.hardtanh(x * threshold.reciprocal())

    def prepare(self) -> Callable[[Tensor], Tensor]:
        """Return σ with ℓ computed once, where nobody asks for derivatives."""
        if departure(self, type(self)) or not are_constant(self.log_threshold):
            return self
        threshold = self.threshold
        least = -threshold

        def clip(x: Tensor) -> Tensor:
            if x.dtype != threshold.dtype or not are_constant(x):
                return self.forward(x)
            self._check_input(x)
            return _between(least, x, threshold)

        return clip

    @property
    def uniform(self) -> bool:
        """Whether all channels share one threshold."""
        return self.channels is None

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return Huber's function of x, as σ(x) (x - σ(x)/2)."""
        clipped = self.forward(x)
        return clipped * (x - 0.5 * clipped)

    def extra_repr(self) -> str:
        """Return the options, for `repr`."""
        return "" if self.channels is None else f"{self.channels}, dim={self.dim}"

    def _threshold(self, dtype: torch.dtype) -> Tensor:
        """Return ℓ, such that neither ℓ nor 1/ℓ overflows in a type."""
        # x/ℓ is no subnormal number then either, but in float16, of which half the range is little.
        tiny = max(torch.finfo(kind).tiny for kind in (dtype, self.log_threshold.dtype))
        limit = max(9.6, -0.5 * math.log(tiny))
        return torch.exp(functional.hardtanh(self.log_threshold, -limit, limit))

    def _check_input(self, x: Tensor) -> None:
        if self.channels is None:
            return
        axis = -1 - self.dim
        if x.dim() < -axis or x.shape[axis] != self.channels:
            msg = (
                f"Expected {self.channels} channels before {self.dim} spatial axes; got shape "
                f"{tuple(x.shape)}. Use Clip(channels, dim=...) with the channels and axes of x."
            )
            raise ValueError(msg)


def _between(least: Tensor, x: Tensor, most: Tensor) -> Tensor:
    """Return max(min(x, most), least), the second pass in memory that the first one has filled."""
    clipped = torch.minimum(x, most)
    return torch.maximum(clipped, least, out=clipped)
