"""One step along orthonormal columns: a tangent vector, added, and the polar factor of the sum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darboux.linear._orthonormal import gram_defect
from darboux.optim._base import NOT_FINITE as NOT_FINITE

# (1 + t)^(-1/2) = 1 + r + O(4e-8) for |t| <= a, as a -> (c1, c2, ...), r = Σ cₖ tᵏ: polynomials of
# degree 1, 2, 4 and 6, which take 0, 1, 2 and 3 products of matrices and agree at the zeros of a
# Chebyshev polynomial, 0 among them.
SERIES = {
    2.5e-4: (-0.5,),
    0.007: (-0.5000114847073754, 0.37501004913280267),
    0.075: (-0.4999975520639643, 0.374997755752803, -0.3142386703519583, 0.2750314550531336),
    0.19: (
        *(-0.500001140724283, 0.37500107023658513, -0.3122482193151097),
        *(0.2732012897773185, -0.25987563671125136, 0.2385134803872804),
    ),
}
_TINY, _SMALL, _MIDDLE, _LARGE = SERIES
_LONGEST = 0.18  # of ‖Y* Y - 1‖₂, by which a step may leave the frames before it is cut short


def horizontal(x: Tensor, u: Tensor, out: Tensor | None = None) -> Tensor:
    """Return U - X X* U, orthogonal to all frames of the same subspace; `out` may be U."""
    return _plus(u, x, x.mH @ u, -1.0, out)


def tangent(x: Tensor, u: Tensor, out: Tensor | None = None) -> Tensor:
    """Return U - X (X* U + U* X)/2, the nearest vector with X* V skew; `out` may be U."""
    a = x.mH @ u
    return _plus(u, x, a + a.mH, -0.5, out)


def moved(x: Tensor, v: Tensor, h: float) -> Tensor:
    """Return the orthonormal columns nearest to X - h V, for a tangent V of any length.

    As V is tangent, E = Y* Y - 1 = h² V* V for Y = X - h V but for rounding, which long steps
    magnify to both signs. The polar factor is Y (1 + E)^(-1/2) = Y + Y r(E), r being a polynomial:
    so it rounds better than as a product. Where a step is so long that ‖E‖₂ > 0.18 it is cut
    short, matrix by matrix.

    Raises:
        FloatingPointError: if V is not finite.
    """
    if x.numel() == 0:
        return x.clone()
    y = torch.add(x, v, alpha=-h)
    e = gram_defect(y)
    size = float(_frobenius(e).amax() if e.ndim > 2 else torch.linalg.vector_norm(e))
    if size <= _TINY:
        y = _plus(y, y, e, SERIES[_TINY][0])
    elif size <= _SMALL:
        first, second = SERIES[_SMALL]
        y = _plus(y, y, _plus(first * e, e, e, second), 1.0)
    else:
        y, e, square, size = _cut(x, v, h, y, e, size)
        y = _plus(y, y, _series(e, square, size), 1.0)
    if torch.finfo(x.dtype).eps > 1e-8 or size <= 1e-8:
        return y
    return _plus(y, y, gram_defect(y), -0.5)


def _cut(
    x: Tensor, v: Tensor, h: float, y: Tensor, e: Tensor, size: float
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return (Y, E, E², a bound of ‖E‖₂) of the longest step that the series can take back."""
    t: Tensor | None = None
    if not size < 1e6:  # E² would overflow, or E is NaN
        largest = v.abs().amax((-2, -1), keepdim=True)
        if not largest.isfinite().all():
            raise FloatingPointError(NOT_FINITE)
        t = (100 / largest).clamp(max=h)
        y = x - t * v
        e = gram_defect(y)
    while True:
        norm = _frobenius(e)
        unit = e / torch.where(norm > 0, norm, 1.0)  # 0 where a matrix rests
        square = unit @ unit
        bound = norm * _frobenius(square).sqrt()
        size = float(bound.amax())
        if size <= 1.05 * _LONGEST:
            return y, e, square * norm * norm, size
        if math.isnan(size):
            raise FloatingPointError(NOT_FINITE)
        t = (_LONGEST / bound).sqrt().clamp(max=1) * (h if t is None else t)
        y = x - t * v
        e = gram_defect(y)


def _series(e: Tensor, square: Tensor, size: float) -> Tensor:
    """Return r(E), from E² by at most two products."""
    if size <= _SMALL:
        a, b = SERIES[_SMALL]
        return (a * e).add_(square, alpha=b)
    if size <= _MIDDLE:
        a, b, c, d = SERIES[_MIDDLE]
        low, high = (a * e).add_(square, alpha=b), (c * e).add_(square, alpha=d)
        return _plus(low, square, high, 1.0)
    a, b, c, *rest = SERIES[_LARGE]
    cube = square @ e
    low, high = ((a * e).add_(square, alpha=b).add_(cube, alpha=c) for a, b, c in ((a, b, c), rest))
    return _plus(low, cube, high, 1.0)


def _frobenius(e: Tensor) -> Tensor:
    return torch.linalg.vector_norm(e, dim=(-2, -1), keepdim=True)


def _plus(c: Tensor, a: Tensor, b: Tensor, factor: float, out: Tensor | None = None) -> Tensor:
    """Return C + factor A B in one pass where torch has it."""
    if c.ndim == 2:
        return torch.addmm(c, a, b, alpha=factor, out=out)
    if c.ndim == 3:
        return torch.baddbmm(c, a, b, alpha=factor, out=out)
    return torch.add(c, a @ b, alpha=factor, out=out)
