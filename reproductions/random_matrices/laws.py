"""Laws of squared singular values that free probability gives for products of random layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_NEWTON = 30  # iterations at most
_DESCENT = 80  # heights above the real line, from far away down to it
_FAR, _NEAR = 1e4, 1e-7  # the first, relative to the edge, and the last, to the point


@dataclass(frozen=True)
class Slopes:
    """The law of squared slopes φ'(x)², x normal with variance q: values and their weights.

    What is left of the weights, 1 - Σ p, are slopes 0.
    """

    values: Tensor  # (n,), positive, float64
    weights: Tensor  # (n,)

    def moment(self, order: int) -> float:
        """Return E φ'^(2 order)."""
        return float((self.weights * self.values**order).sum())

    def series(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return M(w) = E d/(w - d) of d = φ'², and its derivative."""
        apart = w[..., None] - self.values
        found = self.weights * self.values / apart
        return found.sum(dim=-1), -(found / apart).sum(dim=-1)


@dataclass(frozen=True)
class Law:
    """The law of the eigenvalues λ of JJᵀ, J = D_L W_L ... D_1 W_1, for infinite width.

    Factors are free, so S-transforms multiply: S = (S_W S_D)^L with S_D(u) = (1 + u)/(u w) where
    M_D(w) = u, and S_W(u) = 1/(g(1 + u)) for Gaussian matrices with entries of variance g/N, 1/g
    for √g times orthogonal ones. With M(z) = (1 + u)/(u S(u)) inverted, this is

        z = g^L (1 + u)^e u^(L-1) w^L,    e = 1 (Gaussian), 1 - L (orthogonal),

    which is solved for w by Newton's method on the way from far above to the real line.

    Source: Pennington, Schoenholz, Ganguli 2017 and 2018.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> law = Law(Slopes(one, one), gain=1.0, layers=3, gaussian=True)
        >>> round(law.edge, 4)  # 4^4/3^3
        9.4815
    """

    slopes: Slopes
    gain: float  # g
    layers: int  # L
    gaussian: bool

    @property
    def _exponent(self) -> int:
        return 1 if self.gaussian else 1 - self.layers

    @property
    def mean(self) -> float:
        """E λ = (g E φ'²)^L."""
        return (self.gain * self.slopes.moment(1)) ** self.layers

    @property
    def second(self) -> float:
        """E λ² / (E λ)², which grows linearly with the depth."""
        spread = self.slopes.moment(2) / self.slopes.moment(1) ** 2 - 1
        return 1 + self.layers * (spread + (1 if self.gaussian else 0))

    @cached_property
    def edge(self) -> float:
        """The largest λ: the smallest z(w) on the real line to the right of all slopes."""
        start = float(self.slopes.values.max())
        apart = torch.logspace(-9, 6, 6001, dtype=torch.float64)
        return math.exp(float(self._log_point((start + apart).to(torch.complex128))[0].real.min()))

    def density(self, points: Tensor) -> Tensor:
        """Return the density of log λ at positive λ, (n,)."""
        far, near = torch.full_like(points, _FAR * self.edge).log(), (_NEAR * points).log()
        scale = self.gain**self.layers * self.slopes.moment(1) ** (self.layers - 1)
        v = (torch.complex(points, far.exp()) / scale).log()  # where w = z/scale but for O(1)
        for part in torch.linspace(0, 1, _DESCENT, dtype=torch.float64):
            z = torch.complex(points, torch.lerp(far, near, part).exp())
            v = self._solved(v, z.log())
        u = self.slopes.series(v.exp())[0]
        return (-((1 + u) / z).imag / math.pi * points).clamp_min(0.0)

    def _solved(self, v: Tensor, goal: Tensor) -> Tensor:
        """Return v = log w with z(w) as wanted, from one nearby."""
        for _ in range(_NEWTON):
            value, slope = self._log_point(v.exp())
            off = value - goal
            off = torch.complex(
                off.real, torch.remainder(off.imag + math.pi, 2 * math.pi) - math.pi
            )
            step = off / (slope * v.exp())
            v = v - step * (1 / step.abs().clamp_min(1.0))
            if float(step.abs().max()) < 1e-11:
                break
        return v

    def _log_point(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return log z(w) and its derivative in w."""
        u, du = self.slopes.series(w)
        e, n = self._exponent, self.layers
        value = e * (1 + u).log() + (n - 1) * (u * w).log() + w.log() + n * math.log(self.gain)
        return value, e * du / (1 + u) + (n - 1) * du / u + n / w
