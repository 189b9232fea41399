"""The post-activation variant of an integrator."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor

from darboux.activations import ReLU
from darboux.integrators._integrator import Field, Integrator, StepSize, Time
from darboux.integrators._runge_kutta import RungeKutta
from darboux.structure._arguments import checked


@final
class PostActivation(Integrator):
    """The post-activation step z' = relu(Φ_h(z)), with Φ_h a step of another integrator.

    With Euler it is Zhang and Schaeffer's z' = relu(z + h f(z)), in the limit h -> 0 the
    projection of a differential inclusion onto z >= 0. The ReLU is 1/2-averaged, so
    contractive steps stay contractive.

    Source: section 2.1.1, equation (15).

    Args:
        inner: the integrator of the step.

    Example:
        >>> import torch
        >>> from darboux.integrators import Euler
        >>> method = PostActivation(Euler())
        >>> method.step(lambda t, z: -2 * z, 0.0, 1.0, torch.tensor([[1.0, -1.0]]))
        tensor([[0., 1.]])
    """

    @checked
    def __init__(self, inner: Integrator) -> None:
        self.inner = inner
        self.activation = ReLU()
        self.order = min(inner.order, 1)
        self.equivariant = inner.equivariant
        self.radius = inner.radius  # the ReLU is nonexpansive

    @property
    def is_euler(self) -> bool:
        """Whether the step inside is Euler's."""
        return isinstance(self.inner, RungeKutta) and self.inner.tableau.b == (1,)

    def init(self, field: Field, t: Time, h: StepSize, z: Tensor) -> Any:
        """Return the state of the inner integrator."""
        return self.inner.init(field, t, h, z)

    def step(self, field: Field, t: Time, h: StepSize, state: Any) -> Any:
        """Return the inner step, followed by the ReLU."""
        after = self.inner.step(field, t, h, state)
        return self.inner.init(field, t, h, self.activation(self.inner.value(after)))

    def value(self, state: Any) -> Tensor:
        """Return the features of a state."""
        return self.inner.value(state)

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"PostActivation({self.inner!r})"
