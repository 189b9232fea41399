"""The flow: fields, an integrator and a time grid make a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from darboux.fields import VectorField, prepare_together
from darboux.fields._field import Prepared
from darboux.flow._arguments import as_fields, as_integrator, step_rule
from darboux.flow._doubled import DoubledFlow
from darboux.flow._flow_bijection import FlowBijection
from darboux.flow._step import Step, field_energy, step_back
from darboux.flow._steps import StepRule, StepSize, UniformSteps, as_float, required_limit
from darboux.integrators import Integrator, Time
from darboux.structure import (
    Claim,
    Claims,
    Dissipative,
    EnergyPreserving,
    Gap,
    Reversible,
    Structure,
    composition,
    merge_premises,
)

_DOUBLED = (
    "{method} steps pairs of states: as a map of z alone nothing is known; flow.doubled() is "
    "invertible and preserves volume"
)


@final
class Flow(nn.Module):
    """A network as a discretised ODE, z_{k+1} = Φ_{h_k}(t_k, z_k), k = 0, ..., K-1.

    `fields` is a list with one field per step (θ piecewise constant in time, as in
    the paper) or a single field that serves K = `steps` steps. Steps are uniform,
    h = T/K, unless a rule such as `ContractiveSteps` picks them.

    Shapes: z is (batch, features, *space), kept; a trajectory is (K+1, batch, ...).

    Source: section 1.2, equations (5) and (7); section 2.2.

    Args:
        fields: one field, or one per step.
        integrator: the numerical method.
        horizon: T; 1 unless given. `ContractiveSteps` makes its own horizon, the sum of
            the steps, and takes one only together with a single field and no `count`.
        steps: K for a single field, or a rule; left out with a list of fields.

    Raises:
        TypeError: if something else than fields, an integrator or steps is given.
        ValueError: if numbers contradict each other, or no step size is contractive.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Kutta4(), steps=dx.ContractiveSteps(count=3))
        >>> flow.trajectory(torch.zeros(2, 4)).shape
        torch.Size([4, 2, 4])
        >>> flow.claims().find(dx.Lipschitz).structure
        Lipschitz(constant=1.0)
    """

    def __init__(
        self,
        fields: VectorField | Sequence[VectorField],
        integrator: Integrator,
        *,
        horizon: float | None = None,
        steps: int | StepRule | None = None,
    ) -> None:
        super().__init__()
        self.shared = isinstance(fields, VectorField)
        self.fields = nn.ModuleList(as_fields(fields))
        self.integrator = as_integrator(integrator)
        self.rule = step_rule(len(self.fields), steps, horizon, is_shared=self.shared)
        for field in self._members():
            integrator.require(field)
            if self.rule.fraction_of_limit() is not None:
                required_limit(field, integrator)

    def forward(self, z: Tensor) -> Tensor:
        """Return z(T)."""
        for state in self._states(z):
            z = state
        return z

    def trajectory(self, z: Tensor) -> Tensor:
        """Return all states, (K+1, batch, features, *space), z(0) first."""
        return torch.stack([z, *self._states(z)])

    def inverse(self, y: Tensor) -> Tensor:
        """Return z with z(T) = y, step by step back.

        Raises:
            TypeError: if the method cannot step back on its own.
        """
        back = step_back(self.integrator)
        for prepared, t, h in reversed(self.grid()):
            y = back(prepared, t, h, y)
        return y

    def doubled(self) -> DoubledFlow:
        """Return the flow of a two-step method as a map of its pairs of states.

        Raises:
            TypeError: if the integrator is a one-step method.
        """
        return DoubledFlow(self)

    def as_bijection(self) -> FlowBijection:
        """Return the flow as a bijection, for chains.

        Raises:
            TypeError: if the method cannot step back, or steps pairs of states.
            ValueError: if its steps are not undone in closed form.
        """
        return FlowBijection(self)

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the steps as maps of their own, with names, in order.

        A two-step method is no chain of maps of z: it is the only part of itself.
        """
        return [("flow", self)] if self.integrator.doubled else [*self.steps()]

    def steps(self) -> list[tuple[str, Step]]:
        """Return the steps with names, in order; those of a two-step method map pairs."""
        return [*self._chain()]

    def energy(self, z: Tensor) -> Tensor:
        """Return the energy at z, (batch,), of the field that all steps share.

        Raises:
            TypeError: if the steps have different fields, or the field has no energy.
        """
        if len(self.fields) > 1:
            msg = (
                "Flow.energy: expected one field shared by all steps; got a list, each with its "
                "own energy. Use flow.maps() and the energy of each step."
            )
            raise TypeError(msg)
        return field_energy(self._members()[0], 0.0, z)

    def claims(self) -> Claims:
        """Return the theorems that apply, with their numbers: those of the steps, composed."""
        if self.integrator.doubled:
            return Claims(gaps=(Gap("", _DOUBLED.format(method=self.integrator)),))
        parts = [(name, step.claims()) for name, step in self._chain()]
        whole = composition(parts)
        if not self.shared or len(parts) == 1:
            return whole
        return Claims((*whole.claims, *self._repeated([claims for _, claims in parts])), whole.gaps)

    def _repeated(self, steps: list[Claims]) -> list[Claim]:
        """Return what survives because every step has the same field.

        All steps speak of the same energy; and powers φ^K of a reversible φ are reversible.
        """
        families: list[type[Structure]] = [EnergyPreserving, Dissipative]
        if isinstance(self.rule, UniformSteps):
            families.append(Reversible)
        found: list[Claim] = []
        for family in families:
            members = tuple(c for c in (claims.find(family) for claims in steps) if c is not None)
            if len(members) < len(steps):
                continue
            first, kind = members[0], min(member.kind for member in members)
            if any(claim.structure.at_least(first.structure) for claim in found):
                continue
            found.append(Claim(first.structure, kind, first.reason, merge_premises(members)))
        return found

    def extra_repr(self) -> str:
        """Return the integrator and the step rule."""
        return f"integrator={self.integrator!r}, steps={self.rule!r}"

    def grid(self) -> list[tuple[Prepared, Time, StepSize]]:
        """Return (prepared field, t_k, h_k) of every step.

        What depends on parameters alone is computed here, before the first step, in batches.
        """
        fields, t = list(self._schedule()), cast("Time", 0.0)
        steps = []
        for field, prepared in zip(fields, prepare_together(fields), strict=True):
            h = self.rule.size(field, self.integrator)
            steps.append((prepared, t, h))
            t = t + h
        return steps

    def _chain(self) -> Iterator[tuple[str, Step]]:
        t = 0.0
        for k, field in enumerate(self._schedule()):
            step = Step(field, self.integrator, self.rule, time=t)
            step.train(self.training)
            yield f"step{k}", step
            t += as_float(step.size())

    def _states(self, z: Tensor) -> Iterator[Tensor]:
        """Yield z_1, ..., z_K."""
        method, state = self.integrator, None
        for k, (prepared, t, h) in enumerate(self.grid()):
            if k == 0:
                state = method.init(prepared, t, h, z)
            state = method.step(prepared, t, h, state)
            yield method.value(state)

    def _members(self) -> list[VectorField]:
        return [field for field in self.fields if isinstance(field, VectorField)]

    def _schedule(self) -> Iterator[VectorField]:
        """Yield the field of each step."""
        members = self._members()
        if not self.shared:
            yield from members
            return
        for _ in range(self._count(members[0])):
            yield members[0]

    def _count(self, field: VectorField) -> int:
        count = self.rule.count_for(field, self.integrator)
        assert count is not None  # _rule refused it
        return count
