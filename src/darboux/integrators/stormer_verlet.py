"""The method of Störmer and Verlet, also called leapfrog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from darboux.integrators.shear_method import ShearMethod
from darboux.integrators.shears import First, Shears, check_first, symplectic_euler

_SHEARS = {
    "kick": Shears(
        (
            *symplectic_euler("kick", node=0.0, weight=0.5),
            *symplectic_euler("drift", node=1.0, weight=0.5),
        )
    ),
    "drift": Shears(
        (
            *symplectic_euler("drift", node=0.5, weight=0.5),
            *symplectic_euler("kick", node=0.5, weight=0.5),
        )
    ),
}


@final
@dataclass(frozen=True, kw_only=True)
class StormerVerlet(ShearMethod):
    """The Störmer-Verlet method: symplectic, symmetric, of order 2.

    Kick first, with ṗ = kick and ż = drift:

        p½ = p + h/2 kick(t, z, p½),
        z' = z + h/2 (drift(t, z, p½) + drift(t+h, z', p½)),
        p' = p½ + h/2 kick(t+h, z', p½).

    Drift first, everything at t + h/2:

        z½ = z + h/2 drift(z½, p),  p' = p + h/2 (kick(z½, p) + kick(z½, p')),
        z' = z½ + h/2 drift(z½, p').

    Two halves of symplectic Euler steps, one the adjoint of the other. Where the field is
    separable they are three shears, explicit and of determinant 1, with one drift (or kick)
    if it is autonomous, too; elsewhere `darboux.solvers.solve` solves the equations.

    Shapes: the state (z, p) is (batch, 2 features, *space), kept.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, VI.3.

    Args:
        first: "kick" or "drift", what moves first.

    Raises:
        ValueError: if `first` is something else.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> flow = dx.Flow(field, StormerVerlet(), horizon=2.0, steps=20)
        >>> x = torch.tensor([[0.0, 2.0]])
        >>> torch.testing.assert_close(flow.inverse(flow(x)), x, atol=1e-5, rtol=1e-5)
    """

    first: First = "kick"

    order = 2
    symmetric = True

    def __post_init__(self) -> None:
        check_first("StormerVerlet", self.first)

    @property
    def shears(self) -> Shears:
        """The shears of a step."""
        return _SHEARS[self.first]
