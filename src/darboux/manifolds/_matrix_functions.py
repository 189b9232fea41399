"""Logarithm, exponential and powers of symmetric matrices, as users call them."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.manifolds._analytic import EXP, INV_SQRT, LOG, SQRT, Analytic, power
from darboux.manifolds._domain import within
from darboux.manifolds._symmetric import Spectrum, derivative, spectrum
from darboux.solvers._transforms import hidden, without_autocast
from darboux.structure._arguments import checked


@checked
def sym_funcm(x: Tensor, f: Analytic) -> Tensor:
    """Return Q f(Λ) Qᵀ of symmetric matrices Q Λ Qᵀ, differentiable to any order.

    Derivatives are finite and exact to rounding at repeated eigenvalues, in reverse and forward
    mode, under `torch.func` too. Of x the symmetric part is taken, and gradients are symmetric.
    Half precision and autocast are computed in float32. `torch.compile` runs it between its
    graphs.

    Shapes: (*batch, n, n) to the same.

    Source: Daleckii and Krein 1965; Higham 2008, Functions of Matrices, section 3.2.

    Args:
        x: symmetric matrices.
        f: the function.

    Raises:
        ValueError: if x has another shape, or an eigenvalue lies outside the domain of f; inside
            `torch.func.vmap`, where that cannot be seen, the result is NaN.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.eye(2)  # a repeated eigenvalue
        >>> torch.func.hessian(lambda x: sym_funcm(x, dx.manifolds.LOG).square().sum())(x)[0, 0]
        tensor([[2., 0.],
                [0., 0.]])
    """
    return differential(f, x)


def differential(f: Analytic, x: Tensor, *directions: Tensor) -> Tensor:
    """Return f(x), or its derivative of as many directions as there are."""
    _require_square(x)
    with without_autocast(x):
        dtype = x.dtype
        if dtype in (torch.float16, torch.bfloat16):
            x, directions = x.float(), tuple(h.float() for h in directions)
        return hidden(_computed)(f, *torch.broadcast_tensors(x, *directions)).to(dtype)


def _computed(f: Analytic, x: Tensor, *directions: Tensor) -> Tensor:
    """Return what compilers don't follow: they run it between their graphs."""
    return derivative(f, x, _within_domain(f, spectrum(x)), *directions)


def _within_domain(f: Analytic, known: Spectrum) -> Spectrum:
    w, q = known
    if not f.positive:
        return known

    def say() -> str:
        return (
            f"{f.name}: expected symmetric positive definite matrices; got an eigenvalue of "
            f"{float(w.min()):.3g}. Add a multiple of the identity, or look for what left the cone."
        )

    return within(w.movedim(0, -1), w[0] > 0, say).movedim(-1, 0), q


def _require_square(x: Tensor) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or not x.is_floating_point():
        msg = (
            f"expected real symmetric matrices, (*batch, n, n); got {x.dtype} of shape "
            f"{tuple(x.shape)}."
        )
        raise ValueError(msg)


def sym_logm(x: Tensor) -> Tensor:
    """Return the logarithm of symmetric positive definite matrices; see `sym_funcm`.

    Shapes: (*batch, n, n) to the same.

    Raises:
        ValueError: if a matrix isn't positive definite.

    Example:
        >>> sym_logm(torch.eye(2))
        tensor([[0., 0.],
                [0., 0.]])
    """
    return sym_funcm(x, LOG)


def sym_expm(x: Tensor) -> Tensor:
    """Return the exponential of symmetric matrices; see `sym_funcm`.

    Shapes: (*batch, n, n) to the same.

    Example:
        >>> sym_expm(torch.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    return sym_funcm(x, EXP)


def sym_sqrtm(x: Tensor) -> Tensor:
    """Return the square root of symmetric positive definite matrices; see `sym_funcm`.

    Shapes: (*batch, n, n) to the same.

    Raises:
        ValueError: if a matrix isn't positive definite.

    Example:
        >>> sym_sqrtm(4 * torch.eye(2))
        tensor([[2., 0.],
                [0., 2.]])
    """
    return sym_funcm(x, SQRT)


def sym_inv_sqrtm(x: Tensor) -> Tensor:
    """Return the inverse square root of symmetric positive definite matrices; see `sym_funcm`.

    Shapes: (*batch, n, n) to the same.

    Raises:
        ValueError: if a matrix isn't positive definite.

    Example:
        >>> sym_inv_sqrtm(4 * torch.eye(2))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    return sym_funcm(x, INV_SQRT)


@checked
def sym_powm(x: Tensor, p: float) -> Tensor:
    """Return the power of symmetric positive definite matrices; see `sym_funcm`.

    Shapes: (*batch, n, n) to the same.

    Args:
        x: symmetric positive definite matrices.
        p: the exponent, any real number.

    Raises:
        ValueError: if a matrix isn't positive definite.

    Example:
        >>> sym_powm(2 * torch.eye(2), 3.0)
        tensor([[8., 0.],
                [0., 8.]])
    """
    return sym_funcm(x, power(p))
