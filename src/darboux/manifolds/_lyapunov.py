"""The solution of XZ + ZX = U, with derivatives of any order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darboux.manifolds._domain import within
from darboux.manifolds._symmetric import spectrum
from darboux.solvers._nested import nested, total
from darboux.solvers._transforms import hidden, without_autocast


def lyapunov(x: Tensor, u: Tensor) -> Tensor:
    """Return Z with XZ + ZX = U for symmetric positive definite X, (*batch, n, n)."""
    return hidden(_solved)(*torch.broadcast_tensors(x, u))


def _solved(x: Tensor, u: Tensor) -> Tensor:
    w, q = spectrum(x)
    w = within(w.movedim(0, -1), w[0] > 0, lambda: _not_positive(w)).movedim(-1, 0)
    return _Lyapunov.apply(x, u, w.movedim(0, -1), q.movedim((0, 1), (-2, -1)))


def _not_positive(w: Tensor) -> str:
    return (
        "Lyapunov equation: expected symmetric positive definite matrices; got an eigenvalue of "
        f"{float(w.min()):.3g}."
    )


class _Lyapunov(torch.autograd.Function):
    """Z(X, U), self-adjoint in U, with dZ = Z(X, dU - dX Z - Z dX)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, u: Tensor, w: Tensor, q: Tensor) -> Tensor:
        with without_autocast(x):
            inner = q.mT @ u @ q
            return q @ (inner / (w[..., None] + w[..., None, :])) @ q.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)
        ctx.save_for_forward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, k: Tensor) -> tuple[Tensor | None, ...]:
        x, _, w, q, z = ctx.saved_tensors
        by_u = _Lyapunov.apply(x, k, w, q)
        with without_autocast(x):
            by_x = -by_u @ z.mT - z.mT @ by_u
            by_x = (by_x + by_x.mT) / 2 if ctx.needs_input_grad[0] else None
        return by_x, by_u, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, du: Tensor | None, *_: Tensor | None) -> Tensor:
        x, _, w, q, z = ctx.saved_tensors
        with without_autocast(x):
            terms = [] if du is None else [du]
            terms += [] if dx is None else [nested(_moved, dx, z)]
            return _Lyapunov.apply(x, total(terms), w, q)


def _moved(dx: Tensor, z: Tensor) -> Tensor:
    """Return -(sym(dX) Z + Z sym(dX))."""
    half = (dx + dx.mT) / 2
    return -half @ z - z @ half
