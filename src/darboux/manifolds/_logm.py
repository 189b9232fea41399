"""The principal logarithm of matrices, with derivatives of any order.

With one formula for all of them: log [[A, H], [0, A]] has the derivative of log at A in the
direction H in its corner, so that the derivative is a logarithm again.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from darboux.manifolds._orthonormal import polar
from darboux.solvers._nested import nested
from darboux.solvers._transforms import hidden, without_autocast

_NEAR = 0.3  # the norm of A - 1 below which the quadrature is exact to rounding in float64
# nodes and weights of Gauss and Legendre on [0, 1]
_GAUSS = tuple((float(s + 1) / 2, float(w) / 2) for s, w in zip(*leggauss(8), strict=True))
_ROOTS = 64


def logm(a: Tensor) -> Tensor:
    """Return the principal logarithm of real or complex matrices, (*batch, m, m).

    It is NaN where an eigenvalue is 0 or so near to the negative axis that half of the digits
    would be lost.
    """
    return hidden(_principal)(a)


def unitary_logm(a: Tensor) -> tuple[Tensor, Tensor]:
    """Return the skew logarithm of orthogonal or unitary matrices, and whether it is unique.

    It isn't where -1 is an eigenvalue, up to rounding; 0 stands there.
    """
    return hidden(_skew)(a)


def _principal(a: Tensor) -> Tensor:
    with without_autocast(a):
        finite, a = _finite(a)
        values = torch.linalg.eigvals(a.detach())
        away = math.pi - values.angle().abs() > torch.finfo(a.dtype).eps ** 0.25
        ok = finite & (away & (values != 0)).all(-1)[..., None, None]
        eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        return torch.where(ok, _Log.apply(torch.where(ok, a, eye)), torch.nan)


def _skew(a: Tensor) -> tuple[Tensor, Tensor]:
    with without_autocast(a):
        finite, a = _finite(a)
        eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        least = torch.linalg.svdvals((a + eye).detach())[..., -1]  # the angle that is left to π
        ok = least > 8 * a.shape[-1] * torch.finfo(a.dtype).eps
        root = polar(torch.where(ok[..., None, None], a, eye) + eye)
        log = _Log.apply(root)
        return torch.where(finite, log - log.mH, torch.nan), ok


def _finite(a: Tensor) -> tuple[Tensor, Tensor]:
    """Return which matrices are finite, and 1 in the place of others, which LAPACK refuses."""
    finite = a.detach().isfinite().all(-1).all(-1)[..., None, None]
    return finite, torch.where(finite, a, torch.eye(a.shape[-1], dtype=a.dtype, device=a.device))


class _Log(torch.autograd.Function):
    """A -> log A."""

    @staticmethod
    def forward(a: Tensor) -> Tensor:
        return _scaled_log(a)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        del output
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, k: Tensor) -> Tensor:
        return _derivative(ctx.saved_tensors[0].mH, k)

    @staticmethod
    def jvp(ctx: Any, da: Tensor) -> Tensor:
        return nested(_derivative, ctx.saved_tensors[0], da)

    @staticmethod
    def vmap(info: Any, dims: tuple[int], a: Tensor) -> tuple[Tensor, int]:
        del info
        return _Log.apply(a.movedim(dims[0], 0)), 0


def _derivative(a: Tensor, h: Tensor) -> Tensor:
    # It is linear in h: a large one would only cost roots and their digits.
    size = torch.linalg.matrix_norm(h.detach(), keepdim=True)
    size = torch.where(size > 0, size, 1.0)
    above = torch.cat([a, h / size], dim=-1)
    below = torch.cat([torch.zeros_like(a), a], dim=-1)
    columns = a.shape[-1]
    return size * _Log.apply(torch.cat([above, below], dim=-2))[..., :columns, columns:]


def _scaled_log(a: Tensor) -> Tensor:
    """Return 2^k log A^(1/2^k), k for each matrix alone."""
    shape, a = a.shape, a.reshape(-1, *a.shape[-2:])
    factor = torch.ones(len(a), 1, 1, dtype=a.real.dtype, device=a.device)
    eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    for _ in range(_ROOTS):
        far = torch.linalg.matrix_norm(a - eye, 1) > _NEAR
        if a.is_meta or not bool(far.any()):
            break
        a = a.index_put((far,), _root(a[far]))
        factor = torch.where(far[:, None, None], 2 * factor, factor)
    return (factor * _near_identity(a - eye)).reshape(shape)


def _root(a: Tensor) -> Tensor:
    """Return the principal square roots of (count, m, m), NaN where the iteration doesn't end."""
    # Denman and Beavers in product form, scaled by determinants.
    eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    eps = torch.finfo(a.dtype).eps
    x = product = a
    size = torch.full_like(a[:, 0, 0].real, math.inf)
    for _ in range(_ROOTS):
        inverse = torch.linalg.inv_ex(product)[0]
        logdet = torch.linalg.slogdet(product)[1] / (-2 * a.shape[-1])
        scale = torch.where(size > 0.1, logdet.exp(), 1.0)[:, None, None]
        inverse = inverse / scale**2
        x = scale * (x + x @ inverse) / 2
        product = (eye + (scale**2 * product + inverse) / 2) / 2
        size = torch.linalg.matrix_norm(product - eye)
        if bool(((size <= 8 * eps * a.shape[-1]) | size.isnan()).all()):
            break
    return torch.where((size <= 1e-3)[:, None, None], x, torch.nan)


def _near_identity(e: Tensor) -> Tensor:
    """Return log(1 + E) = ∫ E (1 + sE)⁻¹ ds over [0, 1] for small E."""
    eye = torch.eye(e.shape[-1], dtype=e.dtype, device=e.device)
    terms = (w * torch.linalg.inv_ex(eye + s * e)[0] for s, w in _GAUSS)
    return e @ sum(terms, torch.zeros_like(e))
