"""Orthonormal columns: polar factors without a decomposition, exponential and Cayley steps."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from darboux.linear._orthonormal import (
    factor,
    gram_defect,
    rotated,
    rotated_cayley,
    rotated_exp,
)
from darboux.manifolds._domain import seen, within
from darboux.solvers._transforms import without_autocast

Metric = Literal["euclidean", "canonical"]

# The odd polynomials a s + b s³ + c s⁵ that are nearest to 1 in the maximum norm, each on the
# interval where the one before it leaves singular values that began in [1e-3, 1]. Their errors
# are 0.992, 0.965, 0.860, 0.546, 0.113 and 9.2e-4; tests check that they equioscillate.
MINIMAX = (
    (8.4703288038480693, -25.108074706661871, 18.62927559911801),
    (4.1828341832939415, -3.1087011098892412, 0.580606681350049),
    (3.9618572789615993, -2.9540637463793584, 0.56297611795389635),
    (3.2865862170279598, -2.4647201345312819, 0.50735769386145479),
    (2.2737499944340391, -1.6446603679080696, 0.41619092749788633),
    (1.8887161973518292, -1.265157225338601, 0.37651892555749072),
)
_MOST = 40  # further steps, which grow a singular value of 1e-10
_UNSEEN = 3  # those where nothing can depend on values


def msign(y: Tensor, *, steps: int = len(MINIMAX)) -> Tensor:
    """Return U Vᴴ of y = U Σ Vᴴ, (*batch, n, p), with singular values off by at most 1e-3.

    So it is where no singular value is below a thousandth of the largest; smaller ones are
    only brought nearer to 1. Fewer steps are cheaper and coarser. Half precision is computed in
    float32.
    """
    with without_autocast(y):
        q = _scaled(y.float() if y.dtype in (torch.float16, torch.bfloat16) else y)
        for a, b, c in MINIMAX[:steps]:
            gram = q.mH @ q
            q = a * q + q @ (b * gram + c * (gram @ gram))
        return q.to(y.dtype)


def polar(y: Tensor) -> Tensor:
    """Return U Vᴴ of y = U Σ Vᴴ, (*batch, n, p), up to rounding, with all derivatives.

    Raises:
        ValueError: if the columns are linearly dependent, where it isn't unique.
    """
    with without_autocast(y):
        q = y.float() if y.dtype in (torch.float16, torch.bfloat16) else y
        # A step takes a defect e to 5/16 e³ and rounding.
        enough = torch.finfo(q.dtype).eps ** (1 / 3) / 2
        unseen = not seen(q)
        if unseen or not bool((torch.linalg.matrix_norm(gram_defect(q.detach())) < 0.5).all()):
            q = msign(q)
        for _ in range(_UNSEEN if unseen else _MOST):
            defect = gram_defect(q)
            size = torch.linalg.matrix_norm(defect.detach())
            q = q + q @ (defect @ (0.375 * defect) - 0.5 * defect)
            if not unseen and bool((size <= enough).all()):
                break
        return within(q, size <= enough, lambda: _dependent(size)).to(y.dtype)


def qr_factor(y: Tensor) -> Tensor:
    """Return the factor Q of y = Q R with a positive diagonal of R."""
    q, r = torch.linalg.qr(y)
    signs = torch.sgn(r.diagonal(dim1=-2, dim2=-1))
    return q * torch.where(signs == 0, 1, signs).unsqueeze(-2)


def stiefel_exp(x: Tensor, v: Tensor, *, metric: Metric = "euclidean") -> Tensor:
    """Return the end of the geodesic from x, (*batch, n, p), along a tangent v, in n p² + p³."""
    # Both are exp(W) x exp(-c A) with W = b xᴴ - x bᴴ and A = xᴴv: b = v - x A / 2 and c = 0 for
    # the canonical metric, b = v and c = 1 for the Euclidean one (Hüper, Markina and Leite 2021).
    if metric == "canonical":
        return rotated_exp(x, factor(x, v))
    return rotated_exp(x, v) @ torch.linalg.matrix_exp(-_skew_part(x.mH @ v))


def stiefel_exp_back(x: Tensor, v: Tensor, y: Tensor, *, metric: Metric = "euclidean") -> Tensor:
    """Return what takes the place of y when the isometry that takes x to exp(x, v) is undone."""
    if metric == "canonical":
        return rotated(x, -factor(x, v), y)
    return rotated(x, -v, y) @ torch.linalg.matrix_exp(_skew_part(x.mH @ v))


def stiefel_cayley(x: Tensor, v: Tensor) -> Tensor:
    """Return the Cayley transform of the skew W with W x = v, applied to x, in n p² + p³."""
    return rotated_cayley(x, factor(x, v))


def stiefel_project(x: Tensor, u: Tensor) -> Tensor:
    """Return u - x sym(xᴴu)."""
    product = x.mH @ u
    return u - x @ ((product + product.mH) / 2)


def _skew_part(a: Tensor) -> Tensor:
    return (a - a.mH) / 2


def _scaled(y: Tensor) -> Tensor:
    """Return y with a largest singular value of at most 1; the factor has no derivative."""
    largest = y.detach().abs().amax((-2, -1), keepdim=True) if y.numel() else y.detach()
    y = y / torch.where(largest > 0, largest, 1.0)
    size = torch.linalg.matrix_norm((y.mH @ y).detach(), keepdim=True).sqrt()
    return y / torch.where(size > 0, size, 1.0)


def _dependent(size: Tensor) -> str:
    return (
        "polar: expected matrices with linearly independent columns; got one whose polar factor "
        f"isn't unique (it stays {float(size.max()):.2g} away from orthonormal)."
    )
