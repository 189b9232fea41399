"""Monotone rational-quadratic splines: values, slopes and their derivatives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from darboux.bijections.spline_bins import Bins, Piece


class Evaluated(NamedTuple):
    """A spline at each entry.

    Args:
        value: y, or x for the inverse.
        log_slope: log(dy/dx), or log(dx/dy).
        inside: 1 in [-tail, tail], else 0.
        theta: place in the bin, in [0, 1].
        piece: the bin.
    """

    value: Tensor
    log_slope: Tensor
    inside: Tensor
    theta: Tensor
    piece: Piece


def evaluate(bins: Bins, x: Tensor, rows: Tensor, *, inverse: bool) -> Evaluated:
    """Return the spline, or its inverse; the identity outside of [-tail, tail].

    In a bin of width w, height h and slopes d₀, d₁, with δ = h/w and q = θ(1 - θ),

        v - v₀ = h (δ θ² + d₀ q) / (δ + (d₀ + d₁ - 2δ) q).

    Entries outside are moved to the border before, so that nothing overflows, also in
    derivatives.

    Shapes: x is (...), rows are (3K - 1, ...).

    Source: Durkan et al. 2019, neural spline flows; Gregory and Delbourgo 1982.

    Args:
        bins: K, the interval and the smallest sizes.
        x: where.
        rows: raw parameters.
        inverse: whether x is a value of the spline.

    Example:
        >>> evaluate(Bins(count=2), torch.tensor([9.0]), torch.ones(5, 1), inverse=False).value
        tensor([9.])
    """
    near = x.clamp(-bins.tail, bins.tail)
    inside = (near == x).to(x.dtype)
    u = near * (0.5 / bins.tail) + 0.5
    piece = bins.locate(u, rows, axis=int(inverse))
    width, height = piece.size.unbind(0)
    ratio, slopes = height / width, piece.slopes
    if inverse:
        theta = _solve((u - piece.start[1]) / height, ratio, slopes)
        moved = piece.start[0] + width * theta
    else:
        theta = (u - piece.start[0]) / width
    shape = Shape(theta, ratio, slopes)
    if not inverse:
        moved = piece.start[1] + height * shape.rise
    log_slope = (shape.above * (ratio / shape.below).square()).log() * inside
    value = x + inside * ((2 * bins.tail) * (moved - 0.5) - near)
    return Evaluated(value, -log_slope if inverse else log_slope, inside, theta, piece)


class Shape:
    """What the formulas of one bin share, with the letters of the field.

    R = A/D is the share of the height that is reached at θ, S = δ² B/D² the slope.

    Args:
        theta: θ.
        ratio: δ.
        slopes: d₀ and d₁.
    """

    def __init__(self, theta: Tensor, ratio: Tensor, slopes: Tensor) -> None:
        d0, d1 = slopes.unbind(0)
        rest = 1 - theta
        self.mixed = theta * rest  # q
        self.square, self.rest_square = theta.square(), rest.square()
        self.bend = torch.add(d0 + d1, ratio, alpha=-2)
        self.below = torch.addcmul(ratio, self.bend, self.mixed)  # D
        self.rise = torch.addcmul(d0 * self.mixed, ratio, self.square) / self.below  # R
        self.above = torch.addcmul(  # B
            torch.addcmul(d1 * self.square, d0, self.rest_square), ratio, self.mixed, value=2
        )


def _solve(rise: Tensor, ratio: Tensor, slopes: Tensor) -> Tensor:
    """Return θ with A(θ) = R D(θ), the root of a quadratic without cancellation."""
    d0, d1 = slopes.unbind(0)
    bend = (d0 + d1 - 2 * ratio) * rise
    linear = d0 - bend
    quadratic = ratio - linear
    constant = rise * ratio
    discriminant = torch.addcmul(linear.square(), quadratic, constant, value=4)
    return 2 * constant / (linear + discriminant.clamp(min=0).sqrt())
