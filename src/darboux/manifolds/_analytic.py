"""Functions of one variable with their divided differences, finite where arguments meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked

# The spread of arguments, relative to the radius, below which a series is summed, and its terms.
_SERIES = {torch.float64: (0.1, 14), torch.float32: (0.25, 8)}


@final
@checked
@dataclass(frozen=True)
class Analytic:
    """A function f of one variable that symmetric matrices can be put into.

    Args:
        name: its name, for messages.
        value: x -> f(x).
        taylor: (x, k) -> f^(k)(x) / k!, for k = 0, 1, ...
        pair: (a, b) -> (f(b) - f(a)) / (b - a) for a <= b, and f'(a) where they are equal.
        positive: whether f is defined for positive numbers only, and then its series about x
            converges in (0, 2x); otherwise in (x - 1, x + 1) at least.

    Raises:
        TypeError: if an argument is of another type.

    Example:
        >>> import torch, darboux as dx
        >>> square = dx.manifolds.Analytic(
        ...     "square",
        ...     value=torch.square,
        ...     taylor=lambda x, k: (x**2, 2 * x, torch.ones_like(x), 0 * x)[min(k, 3)],
        ...     pair=torch.add,
        ... )
        >>> dx.manifolds.sym_funcm(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), square)
        tensor([[4., 0.],
                [0., 9.]])
    """

    name: str
    value: Callable[[Tensor], Tensor]
    taylor: Callable[[Tensor, int], Tensor]
    pair: Callable[[Tensor, Tensor], Tensor]
    positive: bool = False


def divided_difference(f: Analytic, points: Sequence[Tensor]) -> Tensor:
    """Return f[x₀, ..., x_n] for x₀ <= ... <= x_n, tensors of one shape."""
    if len(points) == 1:
        return f.value(points[0])
    level = [f.pair(a, b) for a, b in pairwise(points)]
    for order in range(2, len(points)):
        level = [
            _blend(f, points[i : i + order + 1], level[i + 1] - level[i])
            for i in range(len(level) - 1)
        ]
    return level[0]


def _blend(f: Analytic, points: Sequence[Tensor], difference: Tensor) -> Tensor:
    """Return the difference over the gap, or a Taylor series where the gap is small."""
    limit, terms = _SERIES[difference.dtype]
    mean = torch.stack(list(points)).mean(0)
    gap = points[-1] - points[0]
    near = (gap <= limit * (mean if f.positive else 1.0)).to(gap.dtype)
    # arithmetic with masks: torch.where is several times slower
    far = difference / (gap + near)
    return far + near * (_series(f, mean, [near * (x - mean) for x in points], terms) - far)


def _series(f: Analytic, mean: Tensor, offsets: Sequence[Tensor], terms: int) -> Tensor:
    """Return Σ_k f^(n+k)(m)/(n+k)! h_k(y₀, ..., y_n), complete homogeneous polynomials h_k."""
    order = len(offsets) - 1
    complete = [torch.ones_like(mean)] * (order + 1)  # h_k of the first 1, 2, ... offsets
    total = f.taylor(mean, order)
    for k in range(1, terms):
        previous, complete = complete, []
        for y, h in zip(offsets, previous, strict=True):
            complete.append(y * h + complete[-1] if complete else y * h)
        total = total + f.taylor(mean, order + k) * complete[-1]
    return total


def power(p: float) -> Analytic:
    """Return x -> x^p of positive numbers."""
    p = float(p)

    def taylor(x: Tensor, k: int) -> Tensor:
        return x ** (p - k) * math.prod((p - i) / (i + 1) for i in range(k))

    def pair(a: Tensor, b: Tensor) -> Tensor:
        if p == 0.5:
            return 1 / (a.sqrt() + b.sqrt())
        if p == -0.5:
            low, high = a.sqrt(), b.sqrt()
            return -1 / (low * high * (low + high))
        if p == -1:
            return -1 / (a * b)
        ratio = (b - a) / a
        equal = (ratio == 0).to(a.dtype)
        slope = torch.expm1(p * torch.log1p(ratio)) / (ratio + equal)
        return a ** (p - 1) * (slope + equal * p)

    value = {0.5: torch.sqrt, -0.5: torch.rsqrt, -1.0: torch.reciprocal}.get(p, lambda x: x**p)
    return Analytic(f"power {p:g}", value, taylor, pair, positive=True)


def _log_pair(a: Tensor, b: Tensor) -> Tensor:
    ratio = (b - a) / a
    equal = (ratio == 0).to(a.dtype)
    return (torch.log1p(ratio) / (ratio + equal) + equal) / a


def _exp_pair(a: Tensor, b: Tensor) -> Tensor:
    gap = b - a
    equal = (gap == 0).to(a.dtype)
    return b.exp() * (equal - torch.expm1(-gap) / (gap + equal))


LOG = Analytic(
    "logarithm",
    torch.log,
    lambda x, k: x.log() if k == 0 else -1 / (k * (-x) ** k),
    _log_pair,
    positive=True,
)
"""The logarithm of positive numbers, for `sym_funcm`."""

EXP = Analytic("exponential", torch.exp, lambda x, k: x.exp() / math.factorial(k), _exp_pair)
"""The exponential, for `sym_funcm`."""

SQRT = power(0.5)
"""The square root of positive numbers, for `sym_funcm`."""

INV_SQRT = power(-0.5)
"""The inverse square root of positive numbers, for `sym_funcm`."""
