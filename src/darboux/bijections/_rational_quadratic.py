"""Monotone rational-quadratic splines: their bins, and their evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.solvers._transforms import nesting


class Place(NamedTuple):
    """The bin of each entry: its size, where it starts, and the slopes at its ends."""

    width: Tensor
    height: Tensor
    left: Tensor
    bottom: Tensor
    first: Tensor
    last: Tensor


class Piece(NamedTuple):
    """Where each entry lies. Sizes and places are in units of the interval, [0, 1]."""

    # The first axis of `sizes`, `size` and `start` tells widths (0) from heights (1).

    sizes: Tensor
    steps: Tensor
    number: Tensor
    size: Tensor
    start: Tensor
    slopes: Tensor

    def place(self) -> Place:
        """Return the bin of each entry."""
        return Place(*self.size.unbind(0), *self.start.unbind(0), *self.slopes.unbind(0))


@final
@dataclass(frozen=True, kw_only=True)
class Bins:
    """K bins of [-tail, tail], with widths, heights and slopes that are bounded below."""

    # Of 3K - 1 raw parameters, K give the widths and K the heights, by softmax, and K - 1 the
    # slopes at the inner knots, by softplus. Zeros give equal bins and slope 1.

    count: int = 8
    tail: float = 3.0
    min_width: float = 1e-3
    min_height: float = 1e-3
    min_slope: float = 1e-3

    def __post_init__(self) -> None:
        if max(self.smallest()) * self.count < 1:
            return
        msg = (
            "SplineCoupling: expected min_width and min_height below 1/bins, so that all bins fit; "
            f"got bins={self.count}, min_width={self.min_width}, min_height={self.min_height}. "
            "Use fewer bins, or smaller minima."
        )
        raise ValueError(msg)

    @property
    def parameters(self) -> int:
        """3K - 1."""
        return 3 * self.count - 1

    def rows(self, raw: Tensor) -> Tensor:
        """Return parameters along axis 0: sums over bins then run over whole rows of memory."""
        return raw.unflatten(1, (self.parameters, -1)).movedim(1, 0).contiguous()

    def columns(self, rows: Tensor) -> Tensor:
        """Return parameters along the channel axis, as they came."""
        return rows.movedim(0, 1).flatten(1, 2)

    def locate(self, u: Tensor, rows: Tensor, *, axis: int) -> Piece:
        """Return the bin of each entry."""
        last = self.count - 1
        sizes = self._sizes(rows[: 2 * self.count].unflatten(0, (2, self.count)))
        steps = _steps(sizes[axis].detach(), u.detach())
        number = steps.sum(0, keepdim=True).long()
        size = sizes.gather(1, number.expand(2, *number.shape)).squeeze(1)
        start = (sizes[:, :last] * steps).sum(1)
        knots = torch.cat((number - 1, number)).clamp(0, last - 1)
        inner = torch.stack((steps[0], 1 - steps[-1]))  # the slopes at both tails are 1
        slopes = rows[2 * self.count :].gather(0, knots) * inner
        return Piece(sizes, steps, number, size, start, self._slopes(slopes))

    def select(self, u: Tensor, rows: Tensor, *, axis: int) -> Place:
        """Return the bin of each entry, found by elementwise operations, which compilers fuse."""
        raw = rows.unbind(0)
        widths = _shares(raw[: self.count], self.min_width)
        heights = _shares(raw[self.count : 2 * self.count], self.min_height)
        zero = torch.zeros_like(raw[0])
        slopes = (zero, *raw[2 * self.count :], zero)
        left, bottom = widths[0], heights[0]
        place = Place(left, bottom, zero, zero, *slopes[:2])
        for k in range(1, self.count):
            after = (left, bottom)[axis].detach() <= u.detach()
            following = Place(widths[k], heights[k], left, bottom, *slopes[k : k + 2])
            pairs = zip(following, place, strict=True)
            place = Place(*(torch.where(after, new, old) for new, old in pairs))
            left, bottom = left + widths[k], bottom + heights[k]
        return Place(*place[:4], self._slopes(place.first), self._slopes(place.last))

    def _slopes(self, raw: Tensor) -> Tensor:
        return F.softplus(raw + self.offset) + self.min_slope

    @property
    def offset(self) -> float:
        """What makes softplus(offset) + min_slope = 1."""
        return math.log(math.expm1(1 - self.min_slope))

    def smallest(self) -> tuple[float, float]:
        """Return the smallest width and height, as shares of the interval."""
        return self.min_width, self.min_height

    def _sizes(self, raw: Tensor) -> Tensor:
        """Return widths and heights that sum to 1: m + (1 - K m) softmax(raw)."""
        powers = (raw - raw.detach().amax(1, keepdim=True)).exp_()
        scale = powers.sum(1, keepdim=True).reciprocal_()
        free = [1 - self.count * m for m in self.smallest()]
        if self.min_width != self.min_height:
            pairs = zip(powers, scale, free, self.smallest(), strict=True)
            return torch.stack([p * (s * a) + m for p, s, a, m in pairs])
        scale = scale * free[0]
        # without a graph, no copy is needed
        shares = powers * scale if torch.is_grad_enabled() else powers.mul_(scale)
        return shares.add_(self.min_width)


def _shares(raw: Sequence[Tensor], least: float) -> list[Tensor]:
    """Return the sizes of all bins along one axis, one by one."""
    top = reduce(torch.maximum, raw).detach()
    powers = [(r - top).exp() for r in raw]
    scale = (1 - len(raw) * least) / reduce(torch.add, powers)
    return [power * scale + least for power in powers]


def _steps(sizes: Tensor, u: Tensor) -> Tensor:
    """Return 1 where u lies at or above an inner knot, else 0."""
    first, *others = sizes.unbind(0)[:-1]
    knots = [first]
    for size in others:
        knots.append(knots[-1] + size)
    places = torch.stack(knots)
    if torch.compiler.is_compiling() or nesting():
        return (places <= u).to(u.dtype)
    return places.le_(u)  # several times faster, but vmap has no rule for it


class Evaluated(NamedTuple):
    """A spline at each entry."""

    value: Tensor
    log_slope: Tensor
    inside: Tensor
    theta: Tensor
    piece: Piece


def evaluate(bins: Bins, x: Tensor, rows: Tensor, *, inverse: bool) -> Evaluated:
    """Return the spline, or its inverse; the identity outside of [-tail, tail]."""
    near, inside, u = _clamped(bins, x)
    piece = bins.locate(u, rows, axis=int(inverse))
    moved, log_slope, theta = _follow(u, piece.place(), inverse=inverse)
    value = x + inside * ((2 * bins.tail) * (moved - 0.5) - near)
    return Evaluated(value, log_slope * inside, inside, theta, piece)


def evaluate_fused(bins: Bins, x: Tensor, rows: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """Return value and log-slope of `evaluate`, by what a compiler makes one kernel of."""
    near, inside, u = _clamped(bins, x)
    moved, log_slope, _ = _follow(u, bins.select(u, rows, axis=int(inverse)), inverse=inverse)
    return x + inside * ((2 * bins.tail) * (moved - 0.5) - near), log_slope * inside


def _clamped(bins: Bins, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x in [-tail, tail], where it was there, and the same in [0, 1]."""
    # Entries outside are moved to the border before, so that nothing overflows, also in
    # derivatives.
    near = x.clamp(-bins.tail, bins.tail)
    return near, (near == x).to(x.dtype), near * (0.5 / bins.tail) + 0.5


def _follow(u: Tensor, place: Place, *, inverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the spline at u, the logarithm of its slope, and θ."""
    # In a bin of width w, height h and slopes d₀, d₁, with δ = h/w and q = θ(1 - θ),
    #     v - v₀ = h (δ θ² + d₀ q) / (δ + (d₀ + d₁ - 2δ) q).
    # Durkan et al. 2019, neural spline flows; Gregory and Delbourgo 1982.
    ratio, ends = place.height / place.width, (place.first, place.last)
    if inverse:
        theta = _solve((u - place.bottom) / place.height, ratio, *ends)
        moved = place.left + place.width * theta
    else:
        theta = (u - place.left) / place.width
    shape = Shape(theta, ratio, *ends)
    if not inverse:
        moved = place.bottom + place.height * shape.rise
    log_slope = (shape.above * (ratio / shape.below).square()).log()
    return moved, -log_slope if inverse else log_slope, theta


class Shape:
    """What the formulas of one bin share, with the letters of the field."""

    # R = A/D is the share of the height that is reached at θ, S = δ² B/D² the slope.

    def __init__(self, theta: Tensor, ratio: Tensor, d0: Tensor, d1: Tensor) -> None:
        rest = 1 - theta
        self.mixed = theta * rest  # q
        self.square, self.rest_square = theta.square(), rest.square()
        self.bend = torch.add(d0 + d1, ratio, alpha=-2)
        self.below = torch.addcmul(ratio, self.bend, self.mixed)  # D
        self.rise = torch.addcmul(d0 * self.mixed, ratio, self.square) / self.below  # R
        self.above = torch.addcmul(  # B
            torch.addcmul(d1 * self.square, d0, self.rest_square), ratio, self.mixed, value=2
        )


def _solve(rise: Tensor, ratio: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    """Return θ with A(θ) = R D(θ), the root of a quadratic without cancellation."""
    bend = (d0 + d1 - 2 * ratio) * rise
    linear = d0 - bend
    quadratic = ratio - linear
    constant = rise * ratio
    discriminant = torch.addcmul(linear.square(), quadratic, constant, value=4)
    return 2 * constant / (linear + discriminant.clamp(min=0).sqrt())
