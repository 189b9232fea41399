"""The softplus, a smooth positive part."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from darboux.activations._activation import Activation
from darboux.structure._arguments import Positive, checked

# Beyond βx = 20, its default, torch.nn.functional.softplus returns x: a jump down by
# 2e-9, that is, unbounded negative slopes in float64. At 40 the jump e^-40 = 4e-18 is
# far below the rounding of 40, so it vanishes in every dtype.
_THRESHOLD = 40.0


# B_2k/(2k+1)! for k = 1 ... 9, B the Bernoulli numbers: with y = log(1 + v),
# -Li2(-v) = y + y²/4 + Σ_k B_2k y^(2k+1)/(2k+1)!. It converges for y < 2π; here
# y <= log 2, so a term is 82 times smaller than the one before.
_BERNOULLI = (
    (1, 6),
    (-1, 30),
    (1, 42),
    (-1, 30),
    (5, 66),
    (-691, 2730),
    (7, 6),
    (-3617, 510),
    (43867, 798),
)

_SERIES = tuple(p / (q * math.factorial(2 * k + 3)) for k, (p, q) in enumerate(_BERNOULLI))


def softplus(x: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return log(1 + e^(βx))/β, whose slopes stay in [0, 1] in every dtype."""
    return functional.softplus(x, beta, _THRESHOLD)


def negative_dilogarithm(u: Tensor) -> Tensor:
    """Return -Li2(-e^u), the antiderivative of log(1 + e^u) that vanishes at -∞."""
    # -Li2(-e^u) - Li2(-e^(-u)) = π²/6 + u²/2 leaves u <= 0, where the Bernoulli series in
    # y = log(1 + e^u) <= log 2 is accurate to rounding. It is a composition of smooth
    # operations, so all its derivatives are exact too.
    # Lewin, Polylogarithms and Associated Functions, sections 1.2 and 1.3.
    positive = u > 0
    # not -|u|, whose derivative at 0 would be 0
    y = torch.log1p(torch.exp(torch.where(positive, -u, u)))
    square = y.square()
    tail = torch.full_like(y, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        tail = tail * square + coefficient
    series = y * (1 + y * (0.25 + y * tail))
    return torch.where(positive, math.pi**2 / 6 + 0.5 * u.square() - series, series)


@final
class Softplus(Activation):
    """A smooth positive part.

    σ(x) = log(1 + e^(βx))/β, slopes in [0, 1], γ(x) = -Li2(-e^(βx))/β².

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 2.1.

    Args:
        beta: β > 0; as β grows, σ approaches the positive part.

    Raises:
        ValueError: if β is not positive and finite.

    Example:
        >>> import torch
        >>> Softplus(beta=2.0)(torch.tensor([0.0]))
        tensor([0.3466])
    """

    nonnegative = True

    @checked
    def __init__(self, *, beta: Positive = 1.0) -> None:
        super().__init__()
        self.beta = float(beta)

    def forward(self, x: Tensor) -> Tensor:
        """Return log(1 + e^(βx))/β."""
        return softplus(x, beta=self.beta)

    def slopes(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return (0.0, 1.0)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return -Li2(-e^(βx))/β², without overflow for |βx| <= 1e4."""
        return negative_dilogarithm(self.beta * x) / self.beta**2

    def extra_repr(self) -> str:
        """Return the options, for `repr`."""
        return f"beta={self.beta:g}"
