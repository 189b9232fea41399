"""Sums of plane waves, and bounds of their largest singular value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from darboux.structure._arguments import checked, shown
from darboux.symmetry._limits import Band

_ENTRIES = 2**20  # of all matrices that are held at a time

_FIRST = 8  # matrices whose singular values are computed before the others are looked at

_EPS = torch.finfo(torch.float64).eps

_SHARE = 0.003  # of the supremum, that the neglected part of the series may have

_SAME = 1e-12  # points closer than that are one

# 1/cos(π/rate) per axis keeps the product over 1, 2, 3, 4 axes below 1.054.
_RATE = {1: 10, 2: 14, 3: 17, 4: 20}


class Bracket(NamedTuple):
    """A number that is known to lie in [lower, upper].

    Args:
        lower: attained at a sample.
        upper: a true bound.

    Example:
        >>> Bracket(1.0, 1.1).upper
        1.1
    """

    lower: float
    upper: float


def largest_singular_value(points: Tensor, matrices: Tensor, frequencies: Tensor) -> float:
    """Return max_j ‖Σ_s C_s e^{iξ_j·s}‖₂."""
    # Most frequencies are ruled out by ‖D‖₂ <= ‖D‖_F and ‖D‖₂² <= ‖D*D‖_F.
    best = 0.0
    size = matrices[0].numel()
    for part in frequencies.split(max(1, _ENTRIES // max(size, len(points)))):
        best = max(best, _largest(evaluate(points, matrices, part), best))
    return best


def evaluate(points: Tensor, matrices: Tensor, frequencies: Tensor) -> Tensor:
    """Return D(ξ_j) = Σ_s C_s e^{iξ_j·s}, (J, out, in), complex128."""
    angle = frequencies @ points.T
    flat = matrices.flatten(1)
    real, imaginary = angle.cos() @ flat, angle.sin() @ flat
    return torch.complex(real, imaginary).unflatten(1, matrices.shape[1:])


def _largest(values: Tensor, best: float) -> float:
    """Return the largest singular value of all matrices, or less than `best` if none is above."""
    size = values.flatten(1).norm(dim=1)
    if min(values.shape[1:]) == 1:
        return float(size.max())
    values = values[size > best]
    if not len(values):
        return 0.0
    gram = values.mH @ values if values.shape[2] <= values.shape[1] else values @ values.mH
    bound = gram.flatten(1).norm(dim=1)
    order = bound.argsort(descending=True)
    first = float(_top(gram[order[:_FIRST]]).max())
    rest = order[_FIRST:]
    rest = rest[bound[rest] > max(first, best**2)]
    return max(first, float(_top(gram[rest]).max()) if len(rest) else 0.0) ** 0.5


def _top(gram: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(gram)[:, -1].clamp(min=0.0)


def ball_samples(dim: int, n: int) -> Tensor:
    """Return cos ψ · d for n equispaced values of ψ and of every polar angle of d."""
    # One of every pair ±ξ is kept, and the outermost come first; all lie in the closed ball.
    turn = torch.arange(n, dtype=torch.float64, device="cpu") * (2 * math.pi / n)
    radius = turn[: n // 4 + 1].cos()
    radius[-1] = 0.0
    return (radius[:, None, None] * _directions(dim, turn)).flatten(0, 1)


def _directions(dim: int, turn: Tensor) -> Tensor:
    """Return unit vectors, (count, dim), one of every pair ±d."""
    half = turn[: len(turn) // 2]
    if dim == 1:
        return torch.ones(1, 1, dtype=torch.float64, device="cpu")
    if dim == 2:
        return torch.stack([half.cos(), half.sin()], dim=1)
    if dim == 3:
        polar, azimuth = torch.cartesian_prod(turn[: len(turn) // 2 + 1], half).unbind(1)
        sine = polar.sin()
        return torch.stack([sine * azimuth.cos(), sine * azimuth.sin(), polar.cos()], dim=1)
    msg = f"Expected 1, 2 or 3 spatial axes; got {dim}. Use a convolution of images or volumes."
    raise ValueError(msg)


@final
@checked
@dataclass(frozen=True)
class ExponentialSum:
    """The function D(ξ) = Σ_s C_s e^{iξ·s} with real matrices C_s.

    Shapes: points are (count, dim), matrices (count, out, in), float64.

    Args:
        points: s.
        matrices: C_s.

    Raises:
        TypeError: if something else than tensors is given.
        ValueError: if the shapes do not fit.

    Example:
        >>> points = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        >>> cosine = ExponentialSum(points, torch.full((2, 1, 1), 0.5, dtype=torch.float64))
        >>> found = cosine.supremum(band=1.0)
        >>> found.lower == 1.0, found.upper < 1.1
        (True, True)
    """

    points: Tensor
    matrices: Tensor

    def __post_init__(self) -> None:
        given = (self.points, self.matrices)
        ranks = (self.points.ndim, self.matrices.ndim) == (2, 3)
        real = all(part.dtype == torch.float64 for part in given)
        if not (ranks and real and len(self.points) == len(self.matrices) > 0):
            msg = (
                "ExponentialSum: expected points (count, dim) and matrices (count, out, in) in "
                f"float64; got {shown(self.points)} and {shown(self.matrices)}."
            )
            raise ValueError(msg)

    def plus(self, other: ExponentialSum) -> ExponentialSum:
        """Return the sum of both, matrices of equal points added.

        What cancels then cancels exactly, and not only to rounding in every sample.
        """
        points = torch.cat([self.points, other.points])
        matrices = torch.cat([self.matrices, other.matrices])
        cells = (points / _SAME).round()
        unique, place = cells.unique(dim=0, return_inverse=True)
        merged = matrices.new_zeros(len(unique), *matrices.shape[1:])
        merged.index_add_(0, place, matrices)
        kept = points.new_zeros(len(unique), points.shape[1])
        kept[place] = points
        return ExponentialSum(kept, merged)

    def triangle(self) -> float:
        """Return Σ_s ‖C_s‖, at least the supremum over the whole plane."""
        return float(self.matrices.flatten(1).norm(dim=1).sum())

    @checked
    def supremum(self, *, band: Band, axes: int = 0) -> Bracket:
        """Return bounds of sup ‖D(ξ)‖₂ over |ξ| <= band, within about 10 % of each other.

        With ξ = ω cos ψ · d, d a unit vector in polar angles, ξ·s is along each angle of the
        form a cos(x - x₀) + b with |a| <= ω|s|, and e^{ia cos x} = Σ_n iⁿ J_n(a) e^{inx}: up to a
        rest τ_N = Σ_s ‖C_s‖ Σ_{|n|>N} |J_n(ω|s|)| every entry is a trigonometric polynomial of
        degree N in each angle. Where such a one has its supremum, one of n > 2N equispaced
        samples has at least cos(πN/n) times its value (M. Riesz), also for the largest
        singular value, since that is the supremum of Re u*Dv. So, angle by angle,
        sup <= (max over samples + τ_N)/cos(πN/n) + τ_N.

        Args:
            band: ω, above 0, up to 8.
            axes: how many angles are sampled besides, to which the caller applies the same.

        Raises:
            ValueError: if the band is out of range, or a number is NaN or infinite.
        """
        total = self.triangle()
        if not math.isfinite(total + self._radius()):
            msg = "ExponentialSum: expected finite numbers; got NaN or infinity. Check the weights."
            raise ValueError(msg)
        if total == 0.0:
            return Bracket(0.0, 0.0)
        rounding = (8 * _EPS * (1 + band * self._radius()) + _SAME * band) * total
        lower = self._sampled(band, max(2, math.ceil(band * self._radius())), rate=3)
        dim = self.points.shape[1]
        rate = _RATE[min(4, dim + axes)]
        degree, rest = self.degree(band, share=max(_SHARE * lower, rounding))
        lower = max(lower, self._sampled(band, degree, rate=rate))
        upper = lower + rounding
        for _ in range(dim):
            upper = with_slack(upper, rest, degree / _samples(degree, rate))
        return Bracket(lower, upper)

    def degree(self, band: float, *, share: float) -> tuple[int, float]:
        """Return (N, τ_N) with τ_N <= share, N as small as possible.

        Σ_{|n|>N} |J_n(a)| <= 2 Σ_{n>N} (a/2)ⁿ/n! <= 2 (a/2)ᴺ⁺¹/(N+1)! / (1 - a/(2N+4)).
        """
        weights = self.matrices.flatten(1).norm(dim=1)
        half = band * self.points.norm(dim=1) / 2
        degree = max(1, math.ceil(float(half.max())))
        while True:
            term = torch.exp((degree + 1) * half.clamp(min=1e-300).log() - math.lgamma(degree + 2))
            rest = float((weights * 2 * term / (1 - half / (degree + 2))).sum())
            if rest <= share:
                return degree, rest
            degree += 1

    def _radius(self) -> float:
        return float(self.points.norm(dim=1).max())

    def _sampled(self, band: float, degree: int, *, rate: int) -> float:
        samples = ball_samples(self.points.shape[1], _samples(degree, rate)) * band
        return largest_singular_value(self.points, self.matrices, samples)


def with_slack(sampled: float, rest: float, ratio: float) -> float:
    """Return (sampled + rest)/cos(π ratio) + rest: a supremum from samples along one angle."""
    return (sampled + rest) / math.cos(math.pi * ratio) + rest


def rate_for(axes: int) -> int:
    """Return how many samples per degree determine a supremum over some angles within 6 %."""
    return _RATE[min(4, axes)]


def _samples(degree: int, rate: int) -> int:
    """Return the number of samples, a multiple of four."""
    return 4 * math.ceil(rate * degree / 4)
