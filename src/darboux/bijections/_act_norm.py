"""Activation normalisation: a shift and a scale for each channel."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, bijective
from darboux.bijections._matrices import check_channels, result_dtype
from darboux.structure import BiLipschitz, Claims
from darboux.structure._arguments import Count, checked


@final
class ActNorm(Bijection):
    """y = (x + b) e^s with a shift b and a logarithmic scale s for each channel.

    Starts as the identity. `initialise` sets b and s from a batch, once, when it is asked to;
    a forward pass never changes them, and train() and eval() are the same.

    Shapes: x and y are (batch, channels, *space); log|det| = P Σ s on P points.

    Source: section 4.1.3; Kingma and Dhariwal 2018, Glow.

    Args:
        channels: channels of x.

    Raises:
        ValueError: if the number is not positive.

    Example:
        >>> layer, x = ActNorm(2), 5 + 3 * torch.randn(100, 2)
        >>> layer.initialise(x)
        >>> bool(layer(x).mean().abs() < 1e-4)
        True
    """

    @checked
    def __init__(self, channels: Count) -> None:
        super().__init__()
        self.channels = channels
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set b and s so that every channel of φ(x) has mean 0 and variance 1.

        Args:
            x: a batch, (batch, channels, *space).

        Raises:
            ValueError: if the shape is another one, the batch is empty, or a channel is constant or
                not finite.
            TypeError: if the dtype is another one, without autocast.
        """
        self._checked(x)
        if x.numel() == 0:
            msg = f"ActNorm: expected a batch of data; got an empty one of shape {tuple(x.shape)}."
            raise ValueError(msg)
        rows = x.detach().transpose(0, 1).flatten(1).double()
        mean, std = rows.mean(dim=1), rows.std(dim=1, correction=0)
        resolution = torch.finfo(x.dtype).eps * rows.abs().amax(dim=1)
        bad = [
            i
            for i, ok in enumerate((std > resolution) & std.isfinite() & mean.isfinite())
            if not ok
        ]
        if bad:
            msg = (
                f"ActNorm: expected a batch whose channels vary and are finite; channels {bad} "
                "are constant, NaN or infinite. Use a larger batch of data as in training."
            )
            raise ValueError(msg)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-std.log())

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return (x + b) e^s."""
        del context
        dtype = self._checked(x)
        shift, log_scale = self._columns(x.ndim)
        return ((x.to(dtype) + shift) * log_scale.exp()).to(dtype)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return y e^{-s} - b."""
        del context
        dtype = self._checked(y)
        shift, log_scale = self._columns(y.ndim)
        return (y.to(dtype) * (-log_scale).exp() - shift).to(dtype)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (x + b) e^s and P Σ s."""
        y = self.forward(x, context)
        return y, (self.log_scale.sum() * math.prod(x.shape[2:])).to(y.dtype).expand(len(x))

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return y e^{-s} - b and -P Σ s."""
        x = self.inverse(y, context)
        return x, (-self.log_scale.sum() * math.prod(y.shape[2:])).to(x.dtype).expand(len(y))

    def claims(self) -> Claims:
        """Return that scales are positive, and the smallest and the largest of them."""
        reason = "every channel is scaled by a positive number, e^s"
        sizes = self.log_scale.detach().double()
        if sizes.is_meta or not bool(sizes.isfinite().all()):
            return bijective(reason, gap="the scales are not finite")
        low, high = (float(f(sizes).exp()) for f in (torch.amin, torch.amax))
        margin = 4 * torch.finfo(torch.float64).eps
        return bijective(reason, bounds=BiLipschitz(low * (1 - margin), high * (1 + margin)))

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return f"{self.channels}"

    def _checked(self, x: Tensor) -> torch.dtype:
        check_channels("ActNorm", x, self.channels)
        return result_dtype("ActNorm", x, self.shift)

    def _columns(self, axes: int) -> tuple[Tensor, Tensor]:
        shape = (-1, *(1,) * (axes - 2))
        return self.shift.reshape(shape), self.log_scale.reshape(shape)
