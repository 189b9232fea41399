"""Steps along the level sets of ‖u‖² - ‖c‖², as one-parameter groups of boosts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_NEAR = 1e-2  # where six terms of a series are exact to rounding


def boosted(
    points: Sequence[Tensor], velocities: Sequence[Tensor], first: Sequence[bool], h: float
) -> list[Tensor]:
    """Return exp(hA) θ for each row, A in so(p, q) with A θ = v, v tangent to a level set.

    The form is B(x, y) = ⟨u_x, u_y⟩ - ⟨c_x, c_y⟩, with u the parts that are `first`. What v
    lacks to be tangent is added as h times itself.

    Args:
        points: parts of the rows θ, each (J, entries).
        velocities: those of v.
        first: whether they belong to u.
        h: the step.
    """
    sizes = [part.shape[1] for part in points]
    theta, v = torch.cat(list(points), dim=1), torch.cat(list(velocities), dim=1)
    signs = torch.cat(
        [theta.new_full((n,), 1.0 if u else -1.0) for n, u in zip(sizes, first, strict=True)]
    )

    def form(x: Tensor, y: Tensor) -> Tensor:
        return (signs * x * y).sum(dim=1, keepdim=True)

    size = theta.square().sum(dim=1, keepdim=True)
    other = signs * theta / torch.where(size > 0, size, 1)  # B(other, θ) = 1
    across = form(v, theta) * other
    v = v - across
    # A = v B(other, ·) - other B(v, ·) maps the span of v and other into itself, with the
    # square d = p² - q r there: exp(hA) θ = θ + S v + K A v, with S and K functions of h² d
    p, q, r = form(other, v), form(other, other), form(v, v)
    sinh, cosh = _functions(h * h * (p * p - q * r))
    turned = theta + h * sinh * v + h * h * cosh * (p * v - r * other)
    return list((turned + h * across).split(sizes, dim=1))


def _functions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return sinh(√x)/√x and (cosh(√x) - 1)/x, by sin and cos for x < 0."""
    root = torch.where(x.abs() < _NEAR, 1.0, x.abs()).sqrt()
    sinh = torch.where(x > 0, root.sinh(), root.sin()) / root
    half = 0.5 * root
    cosh = torch.where(x > 0, half.sinh(), half.sin()).square() / (0.5 * root.square())
    near = x.abs() < _NEAR
    small = torch.where(near, x, 0.0)
    return (
        torch.where(near, _horner(small, (1, 6, 120, 5040, 362880, 39916800)), sinh),
        torch.where(near, _horner(small, (2, 24, 720, 40320, 3628800, 479001600)), cosh),
    )


def _horner(x: Tensor, inverse: Sequence[int]) -> Tensor:
    """Return Σ x^k / n_k."""
    total = torch.zeros_like(x)
    for n in reversed(inverse):
        total = total * x + 1 / n
    return total
