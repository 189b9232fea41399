"""The potential of a response: quadratic near 0, linear from there on, in the end flat."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor
from torch.nn import functional

from darboux.structure._arguments import Within, checked
from darboux.structure._module import Module

Weak = Annotated[float, Within("a number from 0 to 1", least=0, most=1)]
Sharpness = Annotated[float, Within("a finite number of 1 or more", least=1)]


@final
class ClipDifference(Module):
    """The slope ψ'(u) = clip(β u) - w clip(u) of an even potential ψ >= 0, clips at ±1.

    Its slopes are β - w, -w and 0. For w = 0 the potential is Huber's function, which is convex;
    for w = 1 it is constant from |u| = 1 on.

    Args:
        sharpness: β >= 1.
        weak: w in [0, 1].
    """

    @checked
    def __init__(self, *, sharpness: Sharpness, weak: Weak) -> None:
        super().__init__()
        self.sharpness, self.weak = float(sharpness), float(weak)

    @property
    def sharpness(self) -> float:
        """β, which may be changed."""
        return self._sharpness

    @sharpness.setter
    def sharpness(self, value: float) -> None:
        if not 1 <= value < math.inf:
            msg = f"ClipDifference: expected sharpness to be finite, 1 or more; got {value}."
            raise ValueError(msg)
        self._sharpness = float(value)

    @property
    def lower(self) -> float:
        """The least slope of ψ'."""
        return 0.0 - self.weak

    @property
    def upper(self) -> float:
        """The largest slope of ψ'."""
        return self.sharpness - self.weak

    def forward(self, u: Tensor) -> Tensor:
        """Return ψ'(u)."""
        return self.totals_and_slope(u, totals=False)[1]

    def totals_and_slope(self, u: Tensor, *, totals: bool) -> tuple[Tensor | None, Tensor]:
        """Return sums of ψ(u) over all axes but two, if they are asked for, and ψ'(u)."""
        # With c = clip(u, ±a) Huber's function is c u - c²/2 on both sides of a: inner products
        # make no tensors on the way.
        near = functional.hardtanh(u, -1 / self.sharpness, 1 / self.sharpness)
        slope, far = near * self.sharpness, near
        if self.weak:
            far = functional.hardtanh(u)
            slope = torch.sub(slope, far, alpha=self.weak)
        if not totals:
            return None, slope
        squares = self.sharpness * _inner(near, near) - self.weak * _inner(far, far)
        return _inner(slope, u) - squares / 2, slope

    def curvature(self, u: Tensor) -> Tensor:
        """Return ψ''(u), at kinks that of the outer side."""
        size = u.abs()
        near, far = (size < bound for bound in (1 / self.sharpness, 1.0))
        return near * self.sharpness - far * self.weak

    def extra_repr(self) -> str:
        """Return β and w."""
        return f"sharpness={self.sharpness:g}, weak={self.weak:g}"


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Return inner products over all axes but two."""
    return torch.linalg.vecdot(a.flatten(2), b.flatten(2))
