"""Runge-Kutta methods that return to a manifold after every step."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from darboux.integrators._integrator import Field, Integrator, StepSize, Time
from darboux.integrators._runge_kutta import RungeKutta
from darboux.structure import PointSet
from darboux.structure._arguments import checked


@final
class Projected(Integrator):
    """A projected Runge-Kutta method: a step in the surrounding space, then the nearest point.

    It works on any manifold, and on any set {x | g(x) = 0} that a `LevelSet` describes, and
    keeps the order of the method, since a step of order p ends O(h^(p+1)) away from the
    manifold. Fields are evaluated near the manifold, not only on it. `odeint` takes it, too:
    ``odeint(f, y0, t, method=Projected(Kutta4(), manifold))``.

    Shapes: x is (batch, ..., *shape) with the shape of a point.

    Source: section 2.3; Hairer, Lubich and Wanner, Geometric Numerical Integration, IV.4.

    Args:
        method: an explicit Runge-Kutta method.
        manifold: the manifold, or any other `PointSet`.

    Raises:
        TypeError: if the method is another one.

    Example:
        >>> import torch, darboux as dx
        >>> method = dx.integrators.Projected(dx.integrators.Kutta4(), dx.manifolds.Sphere(2))
        >>> turn = lambda t, x: torch.stack([-x[..., 1], x[..., 0]], dim=-1)
        >>> x = torch.tensor([1.0, 0.0])
        >>> dx.odeint(turn, x, [0.0, 20.0], method=method, step_size=0.1)[-1]
        tensor([0.4081, 0.9129])
    """

    on_manifolds = True

    @checked
    def __init__(self, method: RungeKutta, manifold: PointSet) -> None:
        super().__init__()
        self.method = method
        self.manifold = manifold
        self.order = method.order

    def require(self, field: Any) -> None:
        """Refuse a field on another manifold."""
        found = getattr(field, "manifold", None)
        if found is not None and found != self.manifold:
            msg = (
                f"{self!r}: expected a field on {self.manifold!r} or on all of space; got one on "
                f"{found!r}. Use Projected({self.method!r}, field.manifold)."
            )
            raise TypeError(msg)

    def step(self, field: Field, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return x(t + h) from x(t)."""
        return self.manifold.nearest(self.method.step(field, t, h, state))

    def __eq__(self, other: object) -> bool:
        """Return whether method and manifold are equal."""
        return isinstance(other, Projected) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Hash method and manifold."""
        return hash((self.method, self.manifold))

    def __repr__(self) -> str:
        """Return method and manifold."""
        return f"Projected({self.method!r}, {self.manifold!r})"
