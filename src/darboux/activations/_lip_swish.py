"""The Lipschitz swish, smooth and with slopes below 1."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.activations._activation import Activation
from darboux.activations._softplus import negative_dilogarithm, softplus
from darboux.activations._swish import SCALE, swish
from darboux.structure._arguments import Within, checked

_Sharpness = Annotated[float, Within("a number from -40 to 10000", least=-40, most=1e4)]

_STEEPEST = 1.0998393202  # above the largest slope of u sigmoid(u), 1.09983932012..., at u = 2.3994

_TERMS = 18


# B_2, B_4, ...; ½ t tanh(t/2) = Σ_k (4^k - 1) B_2k t^2k/(2k)!, which converges for |t| < π.
def _bernoulli(count: int) -> list[Fraction]:
    found = [Fraction(1)]
    for m in range(1, 2 * count + 1):
        total = sum(math.comb(m + 1, k) * value for k, value in enumerate(found))
        found.append(-total / Fraction(m + 1))
    return found[2::2]


_SERIES = tuple(
    float((4**k - 1) * value / (math.factorial(2 * k) * (2 * k + 1)))
    for k, value in enumerate(_bernoulli(_TERMS), start=1)
)


@final
class LipSwish(Activation):
    """The swish with a learned sharpness, divided by 1.1.

    σ(x) = x sigmoid(s x)/1.1 with s = log(1 + e^β) > 0. Slopes lie in [-0.0908, 0.99986] for
    every β, because s stretches the argument only; with u = s x,
    γ(x) = (u log(1 + e^u) + Li2(-e^u) + π²/12)/(1.1 s²).

    Shape: (batch, channels, *space) -> the same; any other shape is accepted too.

    Source: section 4.2.3; Chen, Behrmann, Duvenaud and Jacobsen 2019, Residual Flows.

    Args:
        beta: β at the start, from -40 to 10⁴, a parameter.

    Raises:
        ValueError: if β is out of range.

    Example:
        >>> import torch
        >>> LipSwish()(torch.tensor([-1.0, 0.0, 1.0])).detach()
        tensor([-0.2492,  0.0000,  0.6599])
    """

    @checked
    def __init__(self, *, beta: _Sharpness = 0.5) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, x: Tensor) -> Tensor:
        """Return x sigmoid(s x)/1.1."""
        return swish(x, self._sharpness(x))

    def slopes(self) -> tuple[float, float]:
        """Return (-0.0908, 0.99986): those of u sigmoid(u) at u and -u add up to 1."""
        return ((1 - _STEEPEST) / SCALE, _STEEPEST / SCALE)

    def antiderivative(self, x: Tensor) -> Tensor:
        """Return γ(x), which is 0 at 0, without overflow for |s x| <= 1e4."""
        s = self._sharpness(x)
        return _integral(s * x) / (SCALE * s * s)

    def _sharpness(self, x: Tensor) -> Tensor:
        return softplus(self.beta.to(x.dtype))


def _integral(u: Tensor) -> Tensor:
    """Return ∫ t sigmoid(t) dt from 0 to u; near 0 by a series, for full relative accuracy."""
    near = u.abs() < 1
    inner = torch.where(near, u, torch.zeros_like(u))
    outer = torch.where(near, torch.ones_like(u), u)
    square = inner.square()
    tail = torch.full_like(u, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        tail = tail * square + coefficient
    series = square * (0.25 + inner * tail)
    closed = outer * softplus(outer) - negative_dilogarithm(outer) + math.pi**2 / 12
    return torch.where(near, series, closed)
