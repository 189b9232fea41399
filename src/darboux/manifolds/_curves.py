"""Distances of curves in Lie groups, by their square root velocities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from darboux.manifolds._manifold import safe_sqrt
from darboux.manifolds._matrix_group import MatrixGroup
from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import Count, checked


@checked
def curve_distance(group: MatrixGroup, x: Tensor, y: Tensor) -> Tensor:
    """Return the distance of two sampled curves of equal length, point i to point i.

    d = (Σ_i |v_i/√|v_i| - w_i/√|w_i||²)^½ with v_i = log(x_{i+1} x_i⁻¹), w_i likewise: a loss
    function for curves. It doesn't change where both curves are moved by a group element, or
    parametrised otherwise in the same way.

    Shapes: curves are (*batch, m, n, n); distances are (*batch).

    Source: section 2.3; Celledoni, Eslitzbichler and Schmeding 2016.

    Args:
        group: for instance ``SO(3)``.
        x: a curve.
        y: another one, with as many points.

    Raises:
        ValueError: if shapes don't fit, or neighbours have no unique logarithm.

    Example:
        >>> import torch, darboux as dx
        >>> rotations = dx.manifolds.SO(3)
        >>> still = rotations.identity(5)
        >>> float(dx.manifolds.curve_distance(rotations, still, still))
        0.0
    """
    a, b = root_velocities(group, x), root_velocities(group, y)
    if a.shape[-2] != b.shape[-2]:
        msg = (
            f"curve_distance: expected curves of as many points; got {a.shape[-2] + 1} and "
            f"{b.shape[-2] + 1}. Use invariant_curve_distance, or resample one."
        )
        raise ValueError(msg)
    return torch.linalg.vector_norm((a - b).flatten(-2), dim=-1)


@checked
def invariant_curve_distance(
    group: MatrixGroup, x: Tensor, y: Tensor, *, longest: Count = 4
) -> Tensor:
    """Return the distance of two curves with the infimum over their parametrisations.

    d² = |x| + |y| - 2 max Σ <q_x, q_y>, lengths and square root velocities q = v/√|v|: the
    maximum over all monotone matchings in which a step of one curve takes up to so many of the
    other, or none, is found by dynamic programming. It is 0 for two parametrisations of one
    curve, symmetric, and for finely sampled curves a distance of their shapes.

    Shapes: curves are (*batch, m, n, n), of any numbers of points; distances are (*batch).

    Source: section 2.3; Celledoni, Eslitzbichler and Schmeding 2016; Bauer, Eslitzbichler and
    Grasmair 2017.

    Args:
        group: for instance ``SO(3)``.
        x: a curve.
        y: another one.
        longest: how many steps of one curve may match one of the other.

    Raises:
        ValueError: if shapes don't fit, or neighbours have no unique logarithm.

    Example:
        >>> import torch, darboux as dx
        >>> rotations = dx.manifolds.SO(3)
        >>> turn = lambda t: rotations.expm(rotations.hat(t[:, None] * torch.tensor([0.0, 0, 1])))
        >>> slow, fast = turn(torch.linspace(0, 1, 9)), turn(torch.linspace(0, 1, 5))
        >>> float(dx.manifolds.invariant_curve_distance(rotations, slow, fast)) < 1e-3
        True
    """
    a, b = root_velocities(group, x), root_velocities(group, y)
    with without_autocast(a):
        matched = _matched(a, b, longest)
    square = a.square().sum((-2, -1)) + b.square().sum((-2, -1)) - 2 * matched
    return safe_sqrt(square)


def root_velocities(group: MatrixGroup, curve: Tensor) -> Tensor:
    """Return v/√|v| of the steps of a curve, (*batch, m - 1, dim), 0 where it stands still."""
    fits = curve.ndim > len(group.shape) and curve.shape[-2:] == group.shape
    if not fits or curve.shape[-3] < 2:
        expected = ", ".join(map(str, ("*batch", "m", *group.shape)))
        msg = f"expected a curve ({expected}) with m >= 2 in {group!r}; got {tuple(curve.shape)}"
        raise ValueError(msg)
    steps = group.compose(curve[..., 1:, :, :], group.inverse(curve[..., :-1, :, :]))
    v = group.vee(group.logm(steps))
    size = v.square().sum(-1, keepdim=True)
    moves = size > torch.finfo(v.dtype).tiny
    return torch.where(moves, v * torch.where(moves, size, 1.0) ** -0.25, 0.0)


def _matched(a: Tensor, b: Tensor, longest: int) -> Tensor:
    """Return the largest Σ <q_x, √φ' q_y∘φ>, (*batch)."""
    # Step k of one curve against r of the other, at equal speed, is <q_k, Σ q_j> / √r.
    inner = a @ b.mT
    wide = _sums(inner, longest, dim=-1)
    tall = _sums(inner, longest, dim=-2)
    rows = [torch.zeros_like(pad(inner[..., 0, :], (1, 0)))]
    for i in range(1, inner.shape[-2] + 1):
        found = [rows[i - 1]]
        for r in range(1, longest + 1):
            if r <= inner.shape[-1]:
                found.append(_after(rows[i - 1], wide[r - 1][..., i - 1, :], r))
            if 1 < r <= i:
                found.append(_after(rows[i - r], tall[r - 1][..., i - r, :], 1))
        best = torch.stack(found).amax(dim=0)
        rows.append(torch.cummax(best, dim=-1).values)
    return rows[-1][..., -1]


def _sums(inner: Tensor, longest: int, *, dim: int) -> list[Tensor]:
    """Return sums of r neighbours over √r, r = 1, ..., longest."""
    total = pad(inner, (1, 0) if dim == -1 else (0, 0, 1, 0)).cumsum(dim)
    count = inner.shape[dim]
    return [
        (total.narrow(dim, r, count + 1 - r) - total.narrow(dim, 0, count + 1 - r)) / r**0.5
        for r in range(1, min(longest, count) + 1)
    ]


def _after(before: Tensor, gain: Tensor, steps: int) -> Tensor:
    """Return what is reached by so many steps along the other curve."""
    return pad(before[..., :-steps] + gain, (steps, 0), value=-torch.inf)
