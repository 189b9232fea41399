"""Angular parts of steerable kernels: harmonics, and what commutes with the group."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.group import Group
from darboux.symmetry._groups.harmonics import spherical_harmonics
from darboux.symmetry._groups.planar import O2, SO2, mirror
from darboux.symmetry._groups.so3 import SO3

_NEAR = 1e-11  # eigenvalues of means are 1 to rounding, or further from it

_ONE = torch.eye(2, dtype=torch.float64, device="cpu")

_QUARTER = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64, device="cpu")

_MIRROR = mirror()


def harmonics_at(points: Tensor, frequency: int) -> Tensor:
    """Return harmonics in the directions of points, (harmonics, points)."""
    # cos fφ and sin fφ in the plane (1 where f = 0), the 2f + 1 spherical harmonics of degree f
    # in space.
    directions = points / points.norm(dim=1, keepdim=True)
    if points.shape[1] == 3:
        return spherical_harmonics(frequency, directions).T
    wave = _power(directions, frequency)
    return wave.T if frequency else wave.T[:1]


def harmonic_matrix(action: Tensor, frequency: int) -> Tensor:
    """Return D with Y(A t) = D Y(t), for an orthogonal matrix A of the plane or of space."""
    if not frequency:
        return torch.ones(1, 1, dtype=torch.float64, device="cpu")
    reflects = float(torch.linalg.det(action)) < 0
    if len(action) == 2:
        cosine, sine = _power(action[:, :1].T, frequency)[0].tolist()
        rotation = torch.tensor(
            [[cosine, -sine], [sine, cosine]], dtype=torch.float64, device="cpu"
        )
        return rotation @ mirror() if reflects else rotation
    matrix = SO3().irrep(str(frequency), -action if reflects else action)
    return -matrix if reflects and frequency % 2 else matrix


def _power(directions: Tensor, frequency: int) -> Tensor:
    """Return (cos fφ, sin fφ) of (cos φ, sin φ), (count, 2), by products: exact on the axes."""
    x, y = directions.unbind(dim=1)
    cosine, sine = torch.ones_like(x), torch.zeros_like(x)
    for _ in range(frequency):
        cosine, sine = cosine * x - sine * y, cosine * y + sine * x
    return torch.stack([cosine, sine], dim=1)


def fixed_vectors(matrices: Tensor) -> Tensor:
    """Return an orthonormal basis of {x : M x = x for all M}, (count, n)."""
    # They are the eigenvectors of the symmetric part of the mean of M for the eigenvalue 1, since
    # xᵀM x <= |x|² with equality only where M x = x.
    mean = matrices.mean(dim=0)
    values, vectors = torch.linalg.eigh((mean + mean.T) / 2)
    return vectors[:, values > 1 - _NEAR * len(mean)].T


def commuting_maps(first: Tensor, second: Tensor) -> Tensor:
    """Return an orthonormal basis of {A : B A = A M for all pairs}, (count, n₂, n₁)."""
    n1, n2 = first.shape[1], second.shape[1]
    # vec(B A Mᵀ) = (B ⊗ M) vec(A), rows of A one after another
    moved = torch.einsum("gij,gkl->gikjl", second, first).reshape(-1, n2 * n1, n2 * n1)
    return fixed_vectors(moved).reshape(-1, n2, n1)


def solved_angular(group: Group, source: str, target: str, *, frequency: int) -> Tensor:
    """Return the kernels ψ₁ -> ψ₂ of one frequency, as coefficients of harmonics."""
    # With harmonics Y(g t) = D(g) Y(t), k(t) = Σ_j A_j Y_j(t) is equivariant if and only if
    # A (ψ₁(g) ⊗ D(g)) = ψ₂(g) A for generators g, where A maps pairs (i, j) to ψ₂.
    first, second = _generating(group, source), _generating(group, target)
    turned = _turned(group, frequency)
    pairs = torch.einsum("gij,gkl->gikjl", first, turned)
    count = first.shape[1] * turned.shape[1]
    maps = commuting_maps(pairs.reshape(-1, count, count), second)
    return maps.unflatten(2, (first.shape[1], turned.shape[1]))


@lru_cache(maxsize=256)
def _generating(group: Group, name: str) -> Tensor:
    return torch.stack([group.irrep(name, g) for g in group.generators()])


@lru_cache(maxsize=256)
def _turned(group: Group, frequency: int) -> Tensor:
    return torch.stack([harmonic_matrix(group.action(g), frequency) for g in group.generators()])


def is_planar(group: Group) -> bool:
    """Return whether the closed form covers a group: C_N, D_N, SO(2), O(2)."""
    return isinstance(group, (Cyclic, Dihedral, SO2, O2))


def planar_angular(group: Group, source: str, target: str, *, frequency: int) -> Tensor:
    """Return the kernels ψ_m -> ψ_n on the circle of one frequency f, in closed form."""
    # With R(φ) the rotation by φ and M the reflection (x, y) -> (x, -y), kernels of rotations
    # between the planes of ψ_m and ψ_n are R(sφ) K, K one of 1, R(π/2), with s = n - m, and
    # R(sφ) K M with s = n + m; for C_N both modulo N. With reflections, K = 1 alone. A number in
    # place of a plane is one of its coordinates: the first, or the second where M is -1. Since
    # R(sφ) = cos sφ + R(π/2) sin sφ, kernels are told by two matrices each, K and ±R(π/2) K.
    (m, columns), (n, rows) = _coordinates(group, source), _coordinates(group, target)
    sizes = (rows.shape[1], columns.shape[1])
    found = []
    # between numbers, -s gives the functions of s once more
    for s in (frequency, -frequency)[: 1 if sizes == (1, 1) or not frequency else 2]:
        if _allowed(group, s, n - m):
            found += [_waves(unit, s) for unit in _units(group)]
        if sizes == (2, 2) and _allowed(group, s, n + m):
            found += [_waves(unit @ _MIRROR, s) for unit in _units(group)]
    if not found:
        return torch.zeros(0, *sizes, 2 if frequency else 1, dtype=torch.float64, device="cpu")
    kernels = (rows.T @ torch.stack(found) @ columns).permute(0, 2, 3, 1)
    return kernels[kernels.flatten(1).any(dim=1)]  # constants may have coordinates zero


def _units(group: Group) -> tuple[Tensor, ...]:
    """Return what commutes with the group in a plane."""
    return (_ONE, _QUARTER) if isinstance(group, (Cyclic, SO2)) else (_ONE,)


def _waves(matrix: Tensor, s: int) -> Tensor:
    """Return the coefficients of R(sφ) K, (2, 2, 2), or (1, 2, 2) where s = 0."""
    if not s:
        return matrix[None]
    quarter = _QUARTER @ matrix
    return torch.stack([matrix, quarter if s > 0 else -quarter])


def _allowed(group: Group, s: int, difference: int) -> bool:
    """Return whether s is the difference: modulo N, for finite groups."""
    if isinstance(group, (Cyclic, Dihedral)):
        return (s - difference) % group.n == 0
    return s == difference


def _coordinates(group: Group, name: str) -> tuple[int, Tensor]:
    """Return the frequency, and the coordinates of the plane that ψ acts on, (2, d)."""
    frequency = int(name.rstrip("+-"))
    if group.size(name) == 2:
        return frequency, _ONE
    return frequency, _ONE[:, 1:] if name.endswith("-") else _ONE[:, :1]
