"""Splitting methods: a step composed of the flows of a field's parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from darboux.integrators._integrator import (
    Integrator,
    Part,
    StepSize,
    Time,
    require,
    step_size,
)
from darboux.structure._arguments import checked

_Move = tuple[Part, Time, StepSize]

_INSTEAD = (
    "No Runge-Kutta method preserves volume for every divergence-free field: it needs parts whose "
    "flows do. Use ShearField, DivergenceFreeField, or a separable field on phase space such as "
    "HamiltonianField or CoupledField; or, with this field, LeapfrogMidpoint() or "
    "ReversibleHeun(), which preserve the volume of pairs of states, flow.doubled()."
)


@final
@checked
@dataclass(frozen=True, kw_only=True)
class Splitting(Integrator):
    """A step along f = f_1 + ... + f_n composed of the flows φ_i of the parts.

    Symmetric (Strang), of order 2, time frozen at t, then at t + h:

        Φ_h = φ_1(t+h, h/2) ∘ ... ∘ φ_n(t+h, h/2) ∘ φ_n(t, h/2) ∘ ... ∘ φ_1(t, h/2).

    Otherwise (Lie-Trotter), of order 1:  Φ_h = φ_n(t, h) ∘ ... ∘ φ_1(t, h).

    A composition keeps what every φ_i keeps: volume where each part has divergence 0, the
    symplectic form where each part is Hamiltonian, as the two shears of a separable canonical
    field are. Parts that are not, though their sum is, give no symplectic map.

    Shapes: those of the field, kept.

    Source: sections 2.2.3 and 2.4.2; McLachlan and Quispel 2002.

    Args:
        symmetric: whether to go through the parts forward and back, with half the step.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ShearField(dx.linear.Dense(3, 4), dx.activations.Tanh())
        >>> flow = dx.Flow(field, Splitting(), steps=2)
        >>> jacobian = torch.func.jacrev(lambda z: flow(z[None])[0])(torch.ones(3))
        >>> bool((jacobian.det() - 1).abs() < 1e-5)
        True
    """

    symmetric: bool = True

    symplectic = True
    by_parts = True
    invertible = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", 2 if self.symmetric else 1)

    def require(self, field: Any) -> None:
        """Refuse a field without parts.

        Raises:
            TypeError: naming what it lacks, and what works.
        """
        what = "parts whose flows are known"
        require(field, "parts", method=self, what=what, instead=_INSTEAD)

    def step(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z at time t + h.

        Args:
            field: a field with ``parts()``.
            t: the time.
            h: the step size, a number or a 0-dimensional tensor, of either sign.
            state: z.

        Raises:
            TypeError: if the field has no parts.
            ValueError: if h is a tensor with axes.
        """
        for part, time, size in self._moves(field, t, h, state):
            state = part.flow(time, size, state)
        return state

    def step_back(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z at time t from z at t + h, with the errors of `step`."""
        for part, time, size in reversed([*self._moves(field, t, h, state)]):
            state = part.flow(time, -size, state)
        return state

    def _moves(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Iterator[_Move]:
        """Yield the flows of a step, each with its time and its duration."""
        self.require(field)
        size, parts = step_size(h, state), field.parts()
        if not self.symmetric:
            yield from ((part, t, size) for part in parts)
            return
        half, last = 0.5 * size, len(parts) - 1
        if getattr(field, "autonomous", False):  # the two flows in the middle are one
            yield from ((part, t, half) for part in parts[:last])
            yield from ((part, t, size) for part in parts[last:])
        else:
            yield from ((part, t, half) for part in parts)
            yield parts[last], t + h, half
        yield from ((part, t + h, half) for part in reversed(parts[:last]))
