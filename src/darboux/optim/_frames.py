"""One step along orthonormal columns: a tangent vector, added, and the polar factor of the sum."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.manifolds._orthonormal import gram_defect

# r of (1 + t)^(-1/2) = 1 + r + O(3e-8) for 0 <= t <= a, as a -> (c1, c2, ...), r = Σ cₖ tᵏ: the
# polynomials of degree 1, 2, 4 and 6 nearest to it in the maximum norm, which take 0, 1, 2 and 3
# products of matrices. Tests check that they equioscillate.
SERIES = {
    4e-4: (-0.4998757737715342,),
    0.0125: (-0.49997932758073976, 0.36962938113890764),
    0.15: (
        *(-0.499993913391929, 0.3745941105120238),
        *(-0.30398149032335264, 0.20048091344939484),
    ),
    0.45: (
        *(-0.4999963698480779, 0.37483399169879555, -0.30994036874415465),
        *(0.25479813914775123, -0.17341919012373352, 0.06555800136446732),
    ),
}
_TINY, _SMALL, _MIDDLE, _LARGE = SERIES
_LONGEST = 0.4  # of ‖Y* Y - 1‖₂, by which a step may leave the frames before it is cut short

NOT_FINITE = (
    "Expected finite gradients; got NaN or ∞, or a momentum of them. No parameter has been changed: "
    "leave the step out, as torch.amp.GradScaler does, or find the cause by "
    "torch.autograd.detect_anomaly()."
)


def horizontal(x: Tensor, u: Tensor, out: Tensor | None = None) -> Tensor:
    """Return U - X X* U, orthogonal to all frames of the same subspace; `out` may be U."""
    return _plus(u, x, x.mH @ u, -1.0, out)


def tangent(x: Tensor, u: Tensor, out: Tensor | None = None) -> Tensor:
    """Return U - X (X* U + U* X)/2, the nearest vector with X* V skew; `out` may be U."""
    a = x.mH @ u
    return _plus(u, x, a + a.mH, -0.5, out)


def moved(x: Tensor, v: Tensor, h: float) -> Tensor:
    """Return the orthonormal columns nearest to X - h V, for a tangent V of any length.

    As V is tangent, E = Y* Y - 1 = h² V* V >= 0 for Y = X - h V, and the polar factor is
    Y (1 + E)^(-1/2) = Y + Y r(E), a polynomial in E: the difference rounds better than the
    product. Where a step is so long that ‖E‖₂ > 0.4 it is cut short, matrix by matrix.

    Raises:
        FloatingPointError: if V is not finite.
    """
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
        unit = e / norm
        square = unit @ unit
        bound = norm * _frobenius(square).sqrt()
        size = float(bound.amax())
        if size <= 1.05 * _LONGEST:
            return y, e, square * norm * norm, size
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
    low, high = (
        (a * e).add_(square, alpha=b).add_(cube, alpha=c) for a, b, c in ((a, b, c), rest)
    )
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
