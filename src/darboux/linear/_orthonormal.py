"""Orthogonal matrices exp(W) and cay(W) applied to orthonormal columns, without forming them.

The skew W = b xᴴ - x bᴴ has rank 2p. With U = [b/s, x] it maps U to U M, M = J UᴴU and
J = [[0, s], [-s, 0]], so that exp(W) x = U exp(M) [0, 1]ᵀ: the same holds for every function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from darboux.solvers._nested import nested, solved
from darboux.solvers._transforms import is_mapped, without_autocast

_LEAF = 64  # columns below which LAPACK inverts faster than products of blocks
_LONG = 2048
_POLISHED = 1e-4  # the defect below which one step of Newton and Schulz leaves rounding alone


def factor(x: Tensor, v: Tensor) -> Tensor:
    """Return b with b xᴴ - x bᴴ the skew W of the canonical metric; W x = v if v is tangent."""
    return v - x @ (x.mH @ v) / 2


def rotated_exp(x: Tensor, b: Tensor) -> Tensor:
    """Return exp(b xᴴ - x bᴴ) x for (*batch, n, p), in n p² + p³."""
    columns = x.shape[-1]
    if _is_thin(x):
        basis, turned = _reduced(x, b)
        return basis @ torch.linalg.matrix_exp(turned(basis))[..., columns:]
    return torch.linalg.matrix_exp(_skew(x, b)) @ x


def rotated(x: Tensor, b: Tensor, u: Tensor) -> Tensor:
    """Return exp(b xᴴ - x bᴴ) u for u of the shape of x, in n p² + p³."""
    if not _is_thin(x):
        return torch.linalg.matrix_exp(_skew(x, b)) @ u
    # exp(W) u = u + U φ(M) J Uᴴu, φ(z) = (e^z - 1)/z, a corner of the exponential of a block
    basis, turned = _reduced(x, b)
    size = basis.shape[-1]
    small, moved = turned(basis), turned(u)
    above = torch.cat([small.expand(*moved.shape[:-1], size), moved], dim=-1)
    block = torch.cat([above, torch.zeros_like(above[..., : u.shape[-1], :])], dim=-2)
    return u + basis @ torch.linalg.matrix_exp(block)[..., :size, size:]


def rotated_cayley(x: Tensor, b: Tensor) -> Tensor:
    """Return (1 - W/2)⁻¹(1 + W/2) x for W = b xᴴ - x bᴴ, in n p² + p³."""
    columns = x.shape[-1]
    if _is_thin(x):
        basis, turned = _reduced(x, b)
        eye = torch.eye(2 * columns, dtype=x.dtype, device=x.device)
        return 2 * basis @ solved(eye - turned(basis) / 2, eye[:, columns:]) - x
    return cayley_times(_skew(x, b), x)


def cayley_times(skew: Tensor, x: Tensor) -> Tensor:
    """Return (1 - S/2)⁻¹(1 + S/2) x for skew S, (*batch, n, n), with two products backward."""
    if skew.ndim > 2 or torch.compiler.is_compiling() or is_mapped():
        eye = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
        return 2 * solved(eye - skew / 2, x) - x
    image: Tensor = _CayleyTimes.apply(skew, x)[0]
    return image


def polish(q: Tensor) -> Tensor:
    """Return q after one step of Newton and Schulz, with the derivatives of q.

    It is meant for q that is orthonormal up to rounding for all parameters: there the exact
    polar factor is q itself, and so are its derivatives of all orders.
    """
    return _corrected(q, gram_defect(q.detach()))


def gram_defect(q: Tensor) -> Tensor:
    """Return qᴴq - 1, in double precision where many rows would add up rounding."""
    wide = q
    if q.shape[-2] > _LONG:
        wide = q.to(torch.promote_types(q.dtype, torch.float64))
    gram = wide.mH @ wide
    gram.diagonal(dim1=-2, dim2=-1).sub_(1)
    return gram.to(q.dtype)


def accurate(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return orthonormal columns that a function computes, up to the rounding of the result.

    In float32 and polished; in float64 where that does not suffice or cannot be checked.
    """
    dtype, unseen = tensors[0].dtype, torch.compiler.is_compiling() or is_mapped()
    with without_autocast(tensors[0]):
        if dtype != torch.float64 and not unseen and not tensors[0].is_meta:
            q = function(*(t.float() for t in tensors))
            defect = gram_defect(q.detach())
            if defect.numel() == 0 or float(torch.linalg.matrix_norm(defect).max()) <= _POLISHED:
                return _corrected(q, defect).to(dtype)
        return function(*(t.double() for t in tensors)).to(dtype)


def _corrected(q: Tensor, defect: Tensor) -> Tensor:
    return torch.add(q, q.detach() @ defect, alpha=-0.5)


def _is_thin(x: Tensor) -> bool:
    return 2 * x.shape[-1] < x.shape[-2]


def _skew(x: Tensor, b: Tensor) -> Tensor:
    product = b @ x.mH
    return product - product.mH


def _reduced(x: Tensor, b: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return U, and the map v -> J Uᴴv."""
    # The result does not depend on s, which balances b against x: it needs no derivative.
    x, b = torch.broadcast_tensors(x, b)
    size = torch.linalg.matrix_norm(b.detach(), keepdim=True) / max(1, x.shape[-1]) ** 0.5
    size = torch.where(size > 0, size, 1.0)
    basis = torch.cat([b / size, x], dim=-1)

    def turned(v: Tensor) -> Tensor:
        upper, lower = (basis.mH @ v).tensor_split(2, dim=-2)
        return torch.cat([size * lower, -size * upper], dim=-2)

    return basis, turned


class _CayleyTimes(torch.autograd.Function):
    """(S, x) -> (2 R x - x, R), R = (1 - S/2)⁻¹; the second output only serves derivatives."""

    generate_vmap_rule = True

    @staticmethod
    def forward(skew: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        matrix = skew / -2
        matrix.diagonal().add_(1)
        inverse = _inverse(matrix)
        return torch.addmm(x, inverse, x, beta=-1, alpha=2), inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[1], *output)
        ctx.save_for_forward(inputs[1], *output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, image, inverse = ctx.saved_tensors
        to_skew = to_x = None
        outer, inner = grads
        if outer is not None:
            pulled = inverse.mH @ outer
            to_skew = pulled @ ((image + x) / 2).mH
            to_x = 2 * pulled - outer if ctx.needs_input_grad[1] else None
        if inner is not None:
            through = inverse.mH @ inner @ inverse.mH / 2
            to_skew = through if to_skew is None else to_skew + through
        return to_skew, to_x

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, Tensor]:
        x, image, inverse = ctx.saved_tensors
        skew, moved = tangents
        skew = torch.zeros_like(inverse) if skew is None else skew
        moved = torch.zeros_like(x) if moved is None else moved
        to_image = nested(_pushed, inverse, skew, image, x, moved)
        return to_image, nested(lambda r, s: r @ s @ r / 2, inverse, skew)


def _pushed(inverse: Tensor, skew: Tensor, image: Tensor, x: Tensor, moved: Tensor) -> Tensor:
    return inverse @ (skew @ ((image + x) / 2) + 2 * moved) - moved


def _inverse(matrix: Tensor) -> Tensor:
    """Return the inverse of a matrix with positive definite Hermitian part, by blocks."""
    size = matrix.shape[-1]
    if size <= _LEAF:
        return torch.linalg.inv(matrix)
    half = size // 2
    a, b = matrix[:half, :half], matrix[:half, half:]
    c, d = matrix[half:, :half], matrix[half:, half:]
    corner = _inverse(a)
    right, below = corner @ b, c @ corner
    schur = _inverse(d - c @ right)  # its Hermitian part is definite again
    inverse = torch.empty_like(matrix)
    inverse[half:, half:] = schur
    inverse[:half, half:] = -right @ schur
    inverse[half:, :half] = -schur @ below
    inverse[:half, :half] = corner - inverse[:half, half:] @ below
    return inverse
