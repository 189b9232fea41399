"""The symplectic Euler method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from darboux.integrators.shear_method import ShearMethod
from darboux.integrators.shears import First, Shears, check_first, symplectic_euler

_SHEARS = {
    "drift": Shears(symplectic_euler("drift", node=1.0, weight=1.0)),
    "kick": Shears(symplectic_euler("kick", node=0.0, weight=1.0)),
}


@final
@dataclass(frozen=True, kw_only=True)
class SymplecticEuler(ShearMethod):
    """The symplectic Euler method (22), of order 1: one half of phase space after the other.

    Drift first:  z' = z + h ∂H/∂p(t+h, z', p),  p' = p - h ∂H/∂z(t+h, z', p).
    Kick first:   p' = p - h ∂H/∂z(t, z, p'),    z' = z + h ∂H/∂p(t, z, p').

    Two shears where the field is separable: explicit, of determinant 1, symplectic where the
    field is canonical. Elsewhere the first line is an equation for z' (or p'), which
    `darboux.solvers.solve` solves; the map is still symplectic for canonical fields. The two
    variants are each other's adjoints, which is how `step_back` undoes a step.

    Shapes: the state (z, p) is (batch, 2 features, *space), kept.

    Source: section 2.2.2, equation (22).

    Args:
        first: "drift" or "kick", what moves first.

    Raises:
        ValueError: if `first` is something else.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> x = torch.tensor([[0.0, 2.0]])
        >>> method = SymplecticEuler()
        >>> after = method.step(field, 0.0, 0.5, x)
        >>> torch.testing.assert_close(method.step_back(field, 0.0, 0.5, after), x)
    """

    first: First = "drift"

    order = 1

    def __post_init__(self) -> None:
        check_first("SymplecticEuler", self.first)

    @property
    def shears(self) -> Shears:
        """The two shears of a step."""
        return _SHEARS[self.first]
