"""Orbits of frequencies: where a kernel commutes with moves of the grid, one of each is enough."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from darboux.linear._frequencies import lattice
from darboux.structure import Equivariant, Law

# Moves g of the grid with W(t) = ρ₂(g) W(g⁻¹ t) ρ₁(g)ᵀ give A(ξ) = ρ₂(g) A(gᵀ ξ) ρ₁(g)ᵀ, so
# singular values are equal along an orbit. Nothing is taken on trust: kernels are rounded, so
# the error of the identity is measured, and a norm rises by it.

_MOST = 96  # elements that are looked at; at most 48 move the grid differently

_ORTHOGONAL = 1e-10

_CLOSE = 1e-6  # of Σ_t ‖W(t)‖: an element with a larger error is left out

Move = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def grid_moves(symmetry: Equivariant, dim: int) -> list[Tensor]:
    """Return g, ρ₂(g) and ρ₁(g), each stacked, for elements that generate all moves of the grid.

    The list is empty where no pixel moves.
    """
    source, target = symmetry.source, symmetry.target
    if source is None or target is None or not dim:
        return []
    with torch.device("cpu"):  # whatever the default is at the first call
        probe = torch.zeros(dim, source.channels, *(3,) * dim, dtype=torch.float64)
        found: dict[Move, Any] = {}
        for g in source.elements(probe, grid=True, count=_MOST, seed=0):
            move = _move(source, g, probe)
            if move not in _closure(tuple(found), dim):
                found[move] = g
        if not found:
            return []
        pairs = [torch.stack([_matrix(law, g) for g in found.values()]) for law in (target, source)]
        return [torch.tensor(list(found)), *pairs]


def representatives(
    kernel: Tensor, samples: Sequence[int], symmetry: Sequence[Tensor]
) -> tuple[Tensor | None, float]:
    """Return samples, one of each orbit, and by how much the norm may be larger elsewhere."""
    if not symmetry or len({*samples}) > 1 or len({*kernel.shape[2:]}) > 1:
        return None, 0.0
    moves, *pairs = (part.to(kernel.device) for part in symmetry)
    total = float(kernel.flatten(2).norm(dim=(0, 1)).sum())
    errors = {}
    for move, left, right in zip(moves.tolist(), *pairs, strict=True):
        moved = _moved(kernel, move).flatten(2)
        image = torch.einsum("ab,bct,dc->adt", left, moved, right)
        error = float((image - kernel.flatten(2)).norm(dim=(0, 1)).sum())
        if error <= _CLOSE * total and max(map(_defect, (left, right))) <= _ORTHOGONAL:
            errors[tuple(map(tuple, move))] = error + 4 * _ORTHOGONAL * total
    if not errors:
        return None, 0.0
    length = max(_closure(tuple(errors), len(samples)).values())
    return _orbits(tuple(samples), tuple(errors)), length * max(errors.values())


@lru_cache(maxsize=32)
def _orbits(samples: tuple[int, ...], moves: tuple[Move, ...]) -> Tensor:
    """Return the first point of each orbit of moves and ξ -> -ξ."""
    points, n = lattice(samples), samples[0]
    weights = n ** torch.arange(len(samples) - 1, -1, -1, device="cpu")
    ranks = points @ weights
    first = ranks
    for move in _closure(moves, len(samples)):
        image = points @ torch.tensor(move, device="cpu")
        for sign in (1, -1):
            first = torch.minimum(first, (sign * image % n) @ weights)
    return points[ranks == first]


@lru_cache(maxsize=256)
def _closure(moves: tuple[Move, ...], dim: int) -> dict[Move, int]:
    """Return the group that moves generate, with how many of them, or inverses, each takes."""
    steps = [*moves, *(tuple(zip(*move, strict=True)) for move in moves)]
    newest = [tuple(tuple(int(a == b) for b in range(dim)) for a in range(dim))]
    found, length = {newest[0]: 0}, 0
    while newest:
        length += 1
        products = dict.fromkeys(_product(a, b) for a in newest for b in steps)
        newest = [each for each in products if each not in found]
        found.update(dict.fromkeys(newest, length))
    return found


def _product(a: Move, b: Move) -> Move:
    columns = tuple(zip(*b, strict=True))
    return tuple(
        tuple(sum(x * y for x, y in zip(row, c, strict=True)) for c in columns) for row in a
    )


def _move(law: Law, g: Any, probe: Tensor) -> Move:
    """Return the matrix by which g moves pixels, from where it takes three of them."""
    dim = len(probe)
    for axis in range(dim):
        probe[(axis, 0, *(2 if a == axis else 1 for a in range(dim)))] = 1
    weights = law.act(g, probe).abs().sum(1).flatten(1)
    places = torch.stack(torch.unravel_index(weights.argmax(1), (3,) * dim)) - 1
    return tuple(tuple(row) for row in places.tolist())


def _matrix(law: Law, g: Any) -> Tensor:
    """Return ρ(g)."""
    return law.act(g, torch.eye(law.channels, dtype=torch.float64)).T


def _moved(kernel: Tensor, move: Sequence[Sequence[int]]) -> Tensor:
    """Return W(g⁻¹ t): axis j goes where |g_ij| = 1, turned round where g_ij = -1."""
    origin = [[abs(entry) for entry in row].index(1) + 2 for row in move]
    return kernel.permute(0, 1, *origin).flip([a for a, row in enumerate(move, 2) if sum(row) < 0])


def _defect(matrix: Tensor) -> float:
    """Return how far a matrix is from orthogonal."""
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    return float((matrix @ matrix.T - eye).norm())
