"""The proximal map of the total variation, exact, for many signals at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def denoised(y: Tensor, weight: float) -> Tensor:
    """Return argmin_x ½‖x - y‖² + weight · Σ |x_{k+1} - x_k|, column by column, (K, signals)."""
    # Dynamic programming (Johnson 2013). What is paid until x_k = b, the best x_0, ..., x_{k-1}
    # given, has an increasing piecewise linear derivative in b. Its minimum over b, given x_{k+1},
    # is at x_{k+1}, clamped to where that derivative lies within ±weight.
    derivative, bounds = _Piecewise(y[:1].T, torch.ones_like(y[:1]).T), []
    for row in y[1:]:
        first, last = derivative.root(-weight), derivative.root(weight)
        bounds.append((first, last))
        derivative = derivative.clipped(first, last, weight, row)
    found = [derivative.root(0.0)]
    for first, last in reversed(bounds):
        found.append(found[-1].clamp(first, last))
    return torch.stack(found[::-1])


class _Piecewise:
    """Increasing piecewise linear functions, one a row, of slope 1 before the first knot."""

    def __init__(self, knots: Tensor, slopes: Tensor, first: Tensor | float = 0.0) -> None:
        self.knots = knots  # (signals, m), sorted
        self.slopes = slopes  # (signals, m), to the right of each
        rises = slopes[:, :-1] * knots.diff(dim=1)
        self.values = pad(rises.cumsum(dim=1), (1, 0)) + first  # at the knots

    def root(self, value: float) -> Tensor:
        """Return where the functions have a value, (signals,)."""
        piece = (self.values < value).sum(dim=1, keepdim=True)
        at = (piece - 1).clamp(min=0)
        missing = value - self.values.gather(1, at)
        return (self.knots.gather(1, at) + missing / self._slope(piece))[:, 0]

    def clipped(self, first: Tensor, last: Tensor, weight: float, y: Tensor) -> _Piecewise:
        """Return the functions clipped to ±weight, from `first` to `last`, plus b - y."""
        low, high = first[:, None], last[:, None]
        distinct = self.knots < pad(self.knots[:, 1:], (0, 1), value=torch.inf)
        inside = (low < self.knots) & (self.knots < high) & distinct
        counts = inside.sum(dim=1, keepdim=True)
        # the knots inside come first, as many columns as the fullest row has
        order = inside.int().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
        unused = torch.arange(order.shape[1], device=order.device) >= counts
        knots = torch.where(unused, high, self.knots.gather(1, order))
        slopes = self.slopes.gather(1, order).masked_fill(unused, 0)
        start = self._slope((self.knots <= low).sum(dim=1, keepdim=True))
        slopes = torch.cat([start, slopes, torch.zeros_like(start)], dim=1) + 1
        return _Piecewise(torch.cat([low, knots, high], dim=1), slopes, low - y[:, None] - weight)

    def _slope(self, piece: Tensor) -> Tensor:
        """Return the slope after so many knots, (signals, 1)."""
        return pad(self.slopes, (1, 0), value=1.0).gather(1, piece)
