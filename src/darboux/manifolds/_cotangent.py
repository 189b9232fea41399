"""Positions on a manifold with their momenta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.manifolds._island import island
from darboux.manifolds._level_set import LevelSet
from darboux.manifolds._so import SO
from darboux.manifolds._sphere import Sphere
from darboux.manifolds._stiefel import Stiefel
from darboux.solvers._nested import solved
from darboux.structure import PointSet
from darboux.structure._arguments import Positive, checked


@final
@checked
@dataclass(frozen=True)
class CotangentBundle(PointSet):
    """Pairs of a position q on a manifold and a momentum p whose velocity is tangent to it.

    The velocity is p / m, with one mass for all entries, which changes nothing here, or one for
    each entry of the last axis.

    Shapes: points are (*batch, 2s, ...) for positions (*batch, s, ...): q first, then p.

    Source: section 2.4.3; Hairer, Lubich and Wanner, Geometric Numerical Integration, VII.1.4.

    Args:
        base: of the positions: a sphere, a `LevelSet`, or matrices with orthonormal columns.
        masses: the mass m, or one for each entry of the last axis.

    Raises:
        TypeError: if the base is another manifold.
        ValueError: if masses are not positive, or too few or too many.

    Example:
        >>> import torch, darboux as dx
        >>> pendulum = dx.manifolds.CotangentBundle(dx.manifolds.Sphere(3))
        >>> pendulum.check(torch.tensor([0.0, 0.0, 1.0, 0.5, 0.2, 0.0]))
        (True, '')
    """

    base: PointSet
    masses: Positive | tuple[Positive, ...] = 1.0

    def __post_init__(self) -> None:
        as_level_set(self.base)
        last = self.base.shape[-1]
        if isinstance(self.masses, tuple) and len(self.masses) != last:
            msg = (
                f"CotangentBundle: expected one mass, or {last} for the last axis of "
                f"{self.base!r}; got {len(self.masses)}."
            )
            raise ValueError(msg)

    @property
    def shape(self) -> tuple[int, ...]:
        """(2s, ...)."""
        first, *others = self.base.shape
        return (2 * first, *others)

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return position and momentum."""
        position, momentum = x.chunk(2, dim=-len(self.base.shape))
        return position, momentum

    def join(self, position: Tensor, momentum: Tensor) -> Tensor:
        """Return the pair as one tensor."""
        return torch.cat([position, momentum], dim=-len(self.base.shape))

    def mass(self, like: Tensor) -> Tensor:
        """Return the masses as a tensor that divides momenta."""
        return torch.tensor(self.masses, dtype=like.dtype, device=like.device)

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the larger of the position's defect and the normal part of the velocity."""
        q, p = self.halves(x)
        normal = (p - self.tangent(q, p)).flatten(-len(self.base.shape))
        size = p.flatten(-len(self.base.shape)).norm(dim=-1).clamp(min=1.0)
        return torch.maximum(self.base.defect(q), normal.norm(dim=-1) / size)

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return the pair with the nearest position, and the momentum without normal part."""
        q, p = self.halves(x)
        q = self.base.nearest(q)
        return self.join(q, self.tangent(q, p))

    def tangent(self, q: Tensor, p: Tensor) -> Tensor:
        """Return p - Dgᵀμ with a tangent velocity."""
        level = as_level_set(self.base)
        rows = level.rows(q)
        _, slope = level.linear(rows)
        return self.freed(slope, level.rows(p)).reshape(p.shape)

    def pushed(self, q: Tensor, p: Tensor, force: Tensor) -> Tensor:
        """Return ṗ = F - Dgᵀλ, with which the velocity stays tangent."""
        level = as_level_set(self.base)
        rows, push = level.rows(q), level.rows(force)
        _, slope = level.linear(rows)
        velocity = level.rows(p) * self.inverse_masses(p)
        bent = level.bent(rows, velocity)
        return self.freed(slope, push, bent).reshape(p.shape)

    def freed(self, slope: Tensor, p: Tensor, bent: Tensor | float = 0.0) -> Tensor:
        """Return p - Dgᵀμ with Dg M⁻¹(p - Dgᵀμ) + bent = 0, for rows p, (points, n)."""
        inverse = self.inverse_masses(p)
        gram = (slope * inverse) @ slope.mT
        normal = (slope @ (inverse * p).unsqueeze(-1)).squeeze(-1) + bent
        weights = solved(gram, normal.unsqueeze(-1))
        return p - (slope.mT @ weights).squeeze(-1)

    def inverse_masses(self, like: Tensor) -> Tensor:
        """Return 1/m for each entry of a position, (n,)."""
        return (1 / self.mass(like)).expand(self.base.shape).reshape(-1)


def as_level_set(base: PointSet) -> LevelSet:
    """Return the equations of a manifold.

    Raises:
        TypeError: if nobody knows any.
    """
    if isinstance(base, LevelSet):
        return base
    if isinstance(base, Sphere):
        return LevelSet(_length, base.shape)
    if isinstance(base, SO) or (isinstance(base, Stiefel) and base.field == "real"):
        return LevelSet(_gram, base.shape)
    msg = (
        f"Expected Sphere, SO, Stiefel, or a LevelSet with the equations of a manifold; got "
        f"{base!r}. Use LevelSet(g, shape)."
    )
    raise TypeError(msg)


def _length(x: Tensor) -> Tensor:
    return (x.square().sum(dim=-1, keepdim=True) - 1) / 2


def _gram(x: Tensor) -> Tensor:
    """Return the upper triangle of (xᵀx - 1)/2."""
    gram = (x.mT @ x - torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)) / 2
    rows, columns = torch.triu_indices(x.shape[-1], x.shape[-1])
    return gram[:, rows, columns]
