"""GMRES for a batch of linear equations, each sample with a Krylov space of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_Product = Callable[[Tensor], Tensor]


class Solution(NamedTuple):
    """The solution of A x = b, (batch, n), its residuals ‖b - Ax‖ and what bounds ‖A‖ below."""

    x: Tensor
    residual: Tensor
    gain: Tensor


def gmres(
    product: _Product, b: Tensor, *, tol: float, restart: int = 60, cycles: int = 20
) -> Solution:
    """Minimise ‖b - A x‖ over growing Krylov spaces, until it is at most tol ‖b‖."""
    # Restarted; samples that have converged rest. Nothing is raised: look at the residuals.
    # Saad and Schultz 1986.
    x, r = torch.zeros_like(b), b
    limit = tol * _norm(b)
    gain = torch.ones_like(limit)
    previous = _norm(r)
    for _ in range(cycles):
        step, seen = _cycle(product, r, limit, min(restart, b.shape[1]))
        gain = torch.maximum(gain, seen)
        trial = x + step
        rest = b - product(trial)
        better = _norm(rest) < previous
        x = torch.where(better.unsqueeze(1), trial, x)
        r = torch.where(better.unsqueeze(1), rest, r)
        now = _norm(r)
        if bool(((now <= limit) | (now > previous / 2)).all()):
            break
        previous = now
    return Solution(x, _norm(r), gain)


def _cycle(product: _Product, r: Tensor, limit: Tensor, restart: int) -> tuple[Tensor, Tensor]:
    """Return the correction of one Krylov space, (batch, n), and max ‖A v‖ over its basis."""
    # With the Hessenberg matrix H of Arnoldi's process the least residual is ‖r‖ |γ_0| / ‖γ‖,
    # where γ is the left null vector of H: γ_0 = 1, γ_{k+1} = -Σ_j γ_j h_jk / h_{k+1,k}.
    # Samples that rest get a basis vector 0 and a column of the identity, which changes nothing.
    beta = _norm(r)
    basis = (r / torch.where(beta == 0, 1.0, beta).unsqueeze(1)).unsqueeze(1)  # (batch, k, n)
    gamma = torch.ones_like(beta).unsqueeze(1)
    rest, gain = beta <= limit, torch.zeros_like(beta)
    columns: list[Tensor] = []
    for k in range(restart):
        image = product(basis[:, -1])
        gain = torch.maximum(gain, _norm(image))
        w, column, tail = _orthogonalised(basis, image, rest)
        with_tail = torch.cat([column, tail.unsqueeze(1)], dim=1)
        columns.append(torch.nn.functional.pad(with_tail, (0, restart - 1 - k)))
        last = -(gamma * column).sum(dim=1) / tail
        gamma = torch.cat([gamma, torch.where(rest, 0.0, last).unsqueeze(1)], dim=1)
        stuck = tail <= torch.finfo(r.dtype).eps * gain
        rest = rest | stuck | (beta <= limit * _norm(gamma))
        basis = torch.cat([basis, torch.where(rest.unsqueeze(1), 0.0, w).unsqueeze(1)], dim=1)
        if k + 1 == restart or bool(rest.all()):
            break
    matrix = torch.stack(columns, dim=2)[:, : len(columns) + 1]
    return (basis[:, :-1] * _least_squares(matrix, beta).unsqueeze(2)).sum(dim=1), gain


def _least_squares(matrix: Tensor, beta: Tensor) -> Tensor:
    """Return the y that minimises ‖β e_1 - H y‖, (batch, k), 0 where a column adds nothing."""
    q, triangle = torch.linalg.qr(matrix)
    diagonal = triangle.diagonal(dim1=1, dim2=2)
    largest = diagonal.abs().amax(dim=1, keepdim=True)
    lost = diagonal.abs() <= torch.finfo(matrix.dtype).eps * matrix.shape[2] * largest
    triangle = torch.where(torch.diag_embed(lost), torch.inf, triangle)
    right = q[:, :1].transpose(1, 2) * beta.reshape(-1, 1, 1)
    return torch.linalg.solve_triangular(triangle, right, upper=True).squeeze(2)


def _orthogonalised(basis: Tensor, image: Tensor, rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the next basis vector, its coefficients and its norm; Gram-Schmidt, twice."""
    column = torch.zeros_like(basis[:, :, 0])
    for _ in range(2):
        inner = (basis * image.unsqueeze(1)).sum(dim=2)
        image = image - (basis * inner.unsqueeze(2)).sum(dim=1)
        column = column + inner
    tail = _norm(image)
    tiny = torch.finfo(image.dtype).tiny
    tail = torch.where(rest, 1.0, tail.clamp(min=tiny))
    return image / tail.unsqueeze(1), torch.where(rest.unsqueeze(1), 0.0, column), tail


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=1)
