"""Angular parts of steerable kernels of the plane, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry._groups import O2, SO2, Cyclic, Dihedral, Group
from darboux.symmetry._groups.planar import mirror

_ONE = torch.eye(2, dtype=torch.float64)

_QUARTER = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)

_MIRROR = mirror()


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
        return torch.zeros(0, *sizes, 2 if frequency else 1, dtype=torch.float64)
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
