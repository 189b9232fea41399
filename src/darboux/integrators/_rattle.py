"""Symplectic methods for mechanical systems with constrained positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from darboux.integrators._integrator import Integrator, StepSize, Time, require, step_size
from darboux.manifolds import CotangentBundle, LevelSet
from darboux.manifolds._cotangent import as_level_set
from darboux.manifolds._domain import seen, within
from darboux.solvers._nested import solved
from darboux.solvers._transforms import without_autocast

MOST = 30  # iterations of Newton's method

UNSEEN = 6  # those where nothing can depend on values


class Mechanical(Protocol):
    """A mechanical system on a cotangent bundle, with forces F = -∇V(q)."""

    manifold: CotangentBundle

    def force(self, q: Tensor) -> Tensor:
        """Return F."""


class MechanicalMethod(Integrator, ABC):
    """A symmetric method of order 2 for mechanical systems."""

    order = 2
    symmetric = True
    on_manifolds = True

    def step(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return position and momentum at time t + h."""
        del t  # mechanical systems are autonomous
        with without_autocast(state):
            x = state.float() if state.dtype in (torch.float16, torch.bfloat16) else state
            return self._moved(field, step_size(h, x), x).to(state.dtype)

    @abstractmethod
    def _moved(self, field: Mechanical, h: StepSize, x: Tensor) -> Tensor:
        """Return them after one step, in single precision at least."""


@final
@dataclass(frozen=True)
class Rattle(MechanicalMethod):
    """RATTLE, Störmer and Verlet's method with constrained positions: order 2, symplectic.

    p½ = p + h/2 (F(q) - Dg(q)ᵀλ), q' = q + h p½/m with g(q') = 0, and
    p' = p½ + h/2 (F(q') - Dg(q')ᵀμ) with Dg(q') p'/m = 0. λ is found by Newton's method, μ
    by linear equations. It is symmetric, keeps momentum maps of symmetries exactly, and the
    energy stays within O(h²) of its first value for very long times. On SO(3) it is the discrete
    rigid body of Moser and Veselov, `VariationalRigidBody` computes the same faster.

    Shapes: x = (q, p) is (batch, 2s, ...).

    Source: Andersen 1983; Hairer, Lubich and Wanner, Geometric Numerical Integration, VII.1.4.

    Example:
        >>> import torch, darboux as dx
        >>> still = lambda q: 0 * q[:, 0]
        >>> field = dx.fields.MechanicalField(dx.manifolds.Sphere(2), still)
        >>> flow = dx.Flow(field, dx.integrators.Rattle(), horizon=torch.pi, steps=100)
        >>> end = flow(torch.tensor([[1.0, 0.0, 0.0, 1.0]]))  # half way around
        >>> torch.testing.assert_close(end, torch.tensor([[-1.0, 0, 0, -1]]), rtol=0, atol=1e-3)
    """

    def require(self, field: Any) -> None:
        """Refuse a field that is no mechanical system."""
        require(
            field,
            "force",
            "manifold",
            method=self,
            what="forces on a cotangent bundle",
            instead="Use MechanicalField, or StormerVerlet() without constraints.",
        )

    def _moved(self, field: Mechanical, h: StepSize, x: Tensor) -> Tensor:
        bundle = field.manifold
        level = as_level_set(bundle.base)
        q, p = bundle.halves(x)
        inverse = bundle.inverse_masses(p)
        start, half = level.rows(q), level.rows(p + h / 2 * field.force(q))
        _, slope = level.linear(start)
        free = start + h * inverse * half
        moved, end = _onto(level, free, slope * inverse)
        half = half + (moved - free) / (h * inverse)
        p = half + h / 2 * level.rows(field.force(moved.reshape(q.shape)))
        return bundle.join(moved.reshape(q.shape), bundle.freed(end, p).reshape(q.shape))


def _onto(level: LevelSet, free: Tensor, ways: Tensor) -> tuple[Tensor, Tensor]:
    """Return points y = x - waysᵀλ with g(y) = 0, and Dg there."""
    limit = (level.rounding(free.dtype) / 8) ** 0.5 / 4  # its square is left after the last step
    y = free
    for k in range(MOST):
        value, slope = level.linear(y)
        weights = solved(slope @ ways.mT, value.unsqueeze(-1))
        way = (ways.mT @ weights).squeeze(-1)
        size = torch.linalg.vector_norm(y, dim=1).clamp(min=1.0)
        far = (torch.linalg.vector_norm(way, dim=1) / size).detach()
        y = y - way
        if bool((far <= limit).all()) if seen(free) else k == UNSEEN:
            break
    y = within(y, far <= limit, lambda: _LOST.format(float(far.max())))
    return y, level.linear(y)[1]


_LOST = (
    "Rattle: expected steps whose equation has a solution; got none by Newton's method, it stays "
    "{:.2g} away. Take shorter steps."
)
