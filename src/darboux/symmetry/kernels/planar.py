"""Angular parts of steerable kernels of the plane, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.symmetry.groups import O2, SO2, Cyclic, Dihedral, Group
from darboux.symmetry.groups.planar import mirror


def is_planar(group: Group) -> bool:
    """Return whether the closed form covers a group: C_N, D_N, SO(2), O(2).

    Example:
        >>> is_planar(Cyclic(5))
        True
    """
    return isinstance(group, (Cyclic, Dihedral, SO2, O2))


def planar_angular(
    group: Group, source: str, target: str, *, frequency: int, points: Tensor
) -> Tensor:
    """Return the kernels ψ_m -> ψ_n on the circle of one frequency, (count, d₂, d₁, points).

    With R(φ) the rotation by φ and M the reflection (x, y) -> (x, -y), kernels of rotations
    between the planes of ψ_m and ψ_n are R(sφ) K, K one of 1, R(π/2), with s = n - m, and
    R(sφ) K M with s = n + m; for C_N both modulo N. With reflections, K = 1 alone. A number in
    place of a plane is one of its coordinates: the first, or the second where M is -1.

    Source: section 5.1.2, equation (53).

    Args:
        group: C_N, D_N, SO(2) or O(2).
        source: the name of ψ_m.
        target: the name of ψ_n.
        frequency: |s| >= 0.
        points: (points, 2), none of them the origin.

    Example:
        >>> kernels = planar_angular(
        ...     SO2(), "0", "1", frequency=1, points=torch.tensor([[0.0, 2.0]])
        ... )
        >>> kernels[..., 0].abs().tolist()
        [[[0.0], [1.0]], [[1.0], [0.0]]]
    """
    (m, columns), (n, rows) = _coordinates(group, source), _coordinates(group, target)
    units = [torch.eye(2, dtype=torch.float64)]
    if isinstance(group, (Cyclic, SO2)):
        units.append(torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64))
    sizes = (rows.shape[1], columns.shape[1])
    found = []
    # between numbers, -s gives the functions of s once more
    for s in (frequency, -frequency)[: 1 if sizes == (1, 1) or not frequency else 2]:
        turns = turns_at(points, s)
        if _allowed(group, s, n - m):
            found += [rows.T @ turns @ unit @ columns for unit in units]
        if sizes == (2, 2) and _allowed(group, s, n + m):
            found += [rows.T @ turns @ unit @ mirror() @ columns for unit in units]
    if not frequency:  # constants: coordinates may be zero
        found = [constant for constant in found if bool(constant.any())]
    if not found:
        return torch.zeros(0, *sizes, len(points), dtype=torch.float64)
    return torch.stack(found).permute(0, 2, 3, 1)


def turns_at(points: Tensor, s: int) -> Tensor:
    """Return the rotations by s times the angles of points, (points, 2, 2).

    Example:
        >>> turns_at(torch.tensor([[0.0, 3.0]], dtype=torch.float64), 2).abs().tolist()
        [[[1.0, 0.0], [0.0, 1.0]]]
    """
    x, y = (points.to(torch.float64) / points.norm(dim=1, keepdim=True)).unbind(dim=1)
    cosine, sine = torch.ones_like(x), torch.zeros_like(x)
    for _ in range(abs(s)):
        cosine, sine = cosine * x - sine * y, cosine * y + sine * x
    if s < 0:
        sine = -sine
    return torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(-1, 2, 2)


def _allowed(group: Group, s: int, difference: int) -> bool:
    """Return whether s is the difference: modulo N, for finite groups."""
    n = getattr(group, "n", None)
    return s == difference if n is None else (s - difference) % n == 0


def _coordinates(group: Group, name: str) -> tuple[int, Tensor]:
    """Return the frequency, and the coordinates of the plane that ψ acts on, (2, d)."""
    plane = torch.eye(2, dtype=torch.float64)
    frequency = int(name.rstrip("+-"))
    if group.size(name) == 2:
        return frequency, plane
    return frequency, plane[:, 1:] if name.endswith("-") else plane[:, :1]
