"""Sets of solutions of equations g(x) = 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.func import jacrev

from darboux.manifolds._domain import seen, within
from darboux.manifolds._island import island
from darboux.solvers._nested import solved
from darboux.solvers._transforms import is_plain
from darboux.structure import PointSet
from darboux.structure._arguments import Count, checked

_MOST = 30  # iterations

_UNSEEN = 4  # those where nothing can depend on values


@final
@checked
@dataclass(frozen=True)
class LevelSet(PointSet):
    """The points x of R^shape with g(x) = 0, the constrained form of section 2.3.

    `nearest` is Newton's method along the normals, x - Dgᵀ(Dg Dgᵀ)⁻¹ g, and the defect is
    the length of its first step, relative to the size of x beyond 1.

    Shapes: points are (*batch, *shape).

    Source: section 2.3.

    Args:
        function: g, from points (batch, *size) to (batch, m). Its Jacobian has full rank at
            points, and g of each point depends on that point alone.
        size: the shape of one point.

    Raises:
        TypeError: if g is no function of one argument.

    Example:
        >>> import torch, darboux as dx
        >>> oval = lambda x: x[:, :1] ** 2 / 4 + x[:, 1:] ** 2 - 1
        >>> ellipse = dx.manifolds.LevelSet(oval, (2,))
        >>> ellipse.nearest(torch.tensor([2.2, 0.0]))
        tensor([2., 0.])
    """

    function: Callable[[Tensor], Tensor]
    size: tuple[Count, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The given shape."""
        return tuple(self.size)

    @island
    def defect(self, x: Tensor) -> Tensor:
        """Return the length of Newton's step, beside that of x beyond 1."""
        points = self.rows(x)
        return self._far(points, self._step(points)).reshape(x.shape[: x.ndim - len(self.size)])

    @island
    def nearest(self, x: Tensor) -> Tensor:
        """Return points near tensors of the surrounding space.

        Raises:
            ValueError: if Newton's method finds none.
        """
        points, limit = self.rows(x), self.rounding(x.dtype) / 4
        for k in range(_MOST):
            step = self._step(points)
            far = self._far(points, step).detach()
            points = points - step  # also at points, where this is what has the derivative
            if bool((far <= limit).all()) if seen(x) else k == _UNSEEN:
                break
        points = within(points, far <= limit, lambda: self._lost(far))
        return points.reshape(x.shape)

    @island
    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return the part of u that is tangent at x."""
        x, u = torch.broadcast_tensors(x, u)
        ways = self.rows(u)
        _, slope = self.linear(self.rows(x))
        normal = slope.mT @ solved(slope @ slope.mT, slope @ ways.unsqueeze(-1))
        return (ways - normal.squeeze(-1)).reshape(u.shape)

    def __repr__(self) -> str:
        """Return the name of g and the shape."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return f"LevelSet({name}, {tuple(self.size)})"

    def _step(self, points: Tensor) -> Tensor:
        """Return Dgᵀ(Dg Dgᵀ)⁻¹ g."""
        value, slope = self.linear(points)
        weights = solved(slope @ slope.mT, value.unsqueeze(-1))
        return (slope.mT @ weights).squeeze(-1)

    def rows(self, x: Tensor) -> Tensor:
        """Return points as rows, (points, n)."""
        return x.reshape(-1, math.prod(self.size))

    def bent(self, points: Tensor, ways: Tensor) -> Tensor:
        """Return D²g[v, v], (points, m)."""
        still = torch.zeros_like(points[:, :1])

        def along(s: Tensor) -> Tensor:
            return self._flat(points + s * ways).sum(dim=0)

        if not is_plain():
            return jacrev(lambda s: jacrev(along)(s).sum(dim=1))(still)[:, 0, :, 0].mT
        again = torch.is_grad_enabled()
        with torch.enable_grad():
            s = still.requires_grad_()
            found = []
            for entry in along(s).unbind():
                (first,) = torch.autograd.grad(entry, s, create_graph=True)
                (second,) = torch.autograd.grad(
                    first.sum(), s, retain_graph=True, create_graph=again, materialize_grads=True
                )
                found.append(second.squeeze(1))
        return torch.stack(found, dim=1)

    def linear(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return g, (points, m), and Dg, (points, m, n)."""
        if not is_plain():
            slopes = jacrev(lambda x: self._flat(x).sum(dim=0))(points)
            return self._flat(points), slopes.transpose(0, 1)
        value = self._flat(points)
        with torch.enable_grad():
            x = points if points.requires_grad else points.detach().requires_grad_()
            entries = [entry.sum() for entry in self._flat(x).unbind(dim=1)]
        again = value.requires_grad
        rows = [
            torch.autograd.grad(entry, x, retain_graph=True, create_graph=again)[0]
            for entry in entries
        ]
        return value, torch.stack(rows, dim=1)

    def _flat(self, points: Tensor) -> Tensor:
        value = self.function(points.reshape(-1, *self.size))
        if value.ndim != 2 or len(value) != len(points):
            msg = (
                f"LevelSet: expected g of points (batch, {', '.join(map(str, self.size))}) to be "
                f"(batch, m); got {tuple(value.shape)} for {len(points)} points. Stack the "
                "equations on the last axis."
            )
            raise ValueError(msg)
        return value

    def _far(self, points: Tensor, step: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(points, dim=1).clamp(min=1.0)
        return torch.linalg.vector_norm(step, dim=1) / size

    def _lost(self, far: Tensor) -> str:
        return (
            "LevelSet.nearest: expected tensors near points with g(x) = 0; got some from which "
            f"Newton's method finds none in {_MOST} steps (it stays {float(far.max()):.2g} away). "
            "Take shorter steps, or check that the Jacobian of g has full rank at points."
        )
