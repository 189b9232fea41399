"""The flow: fields, an integrator and a time grid make a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from darboux.fields import VectorField, bind_together
from darboux.flow.step import Step, advance, field_energy
from darboux.flow.steps import (
    ContractiveSteps,
    CoveringSteps,
    StepRule,
    UniformSteps,
    as_float,
    required_limit,
)
from darboux.integrators import Integrator, Time
from darboux.structure import Claim, Claims, Dissipative, Kind, chain, merge_premises


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
        self.fields = nn.ModuleList(_as_list(fields))
        self.integrator = _as_integrator(integrator)
        self.rule = _rule(len(self.fields), steps, horizon, is_shared=self.shared)
        if self.rule.fraction_of_limit() is not None:
            for field in self._members():
                required_limit(field, integrator)

    def forward(self, z: Tensor) -> Tensor:
        """Return z(T)."""
        for state in self._states(z):
            z = state
        return z

    def trajectory(self, z: Tensor) -> Tensor:
        """Return all states, (K+1, batch, features, *space), z(0) first."""
        return torch.stack([z, *self._states(z)])

    def chain(self) -> list[tuple[str, Step]]:
        """Return the steps as maps of their own, with names, in order."""
        steps, t = [], 0.0
        for k, field in enumerate(self._schedule()):
            step = Step(field, self.integrator, self.rule, time=t)
            step.train(self.training)
            steps.append((f"step{k}", step))
            t += as_float(step.size())
        return steps

    def energy(self, z: Tensor) -> Tensor:
        """Return the energy at z, (batch,), of the field that all steps share.

        Raises:
            TypeError: if the steps have different fields, or the field has no energy.
        """
        if len(self.fields) > 1:
            msg = (
                "Flow.energy: expected one field shared by all steps; got a list, each with its "
                "own energy. Use flow.chain() and the energy of each step."
            )
            raise TypeError(msg)
        return field_energy(self._members()[0], 0.0, z)

    def claims(self) -> Claims:
        """Return the theorems that apply, with their numbers: those of the steps, composed."""
        parts = [(name, step.claims()) for name, step in self.chain()]
        whole = chain(parts)
        decreasing = [claims.find(Dissipative) for _, claims in parts]
        if not self.shared or len(parts) == 1 or None in decreasing:
            return whole
        members = tuple(claim for claim in decreasing if claim is not None)
        kind = min((claim.kind for claim in members), default=Kind.CONSTRUCTION)
        claim = Claim(Dissipative(), kind, members[0].reason, merge_premises(members))
        return Claims((*whole.claims, claim), whole.gaps)

    def extra_repr(self) -> str:
        """Return the integrator and the step rule."""
        return f"integrator={self.integrator!r}, steps={self.rule!r}"

    def _members(self) -> list[VectorField]:
        return [field for field in self.fields if isinstance(field, VectorField)]

    def _states(self, z: Tensor) -> Iterator[Tensor]:
        """Yield z_1, ..., z_K."""
        fields, t = list(self._schedule()), cast("Time", 0.0)
        # What depends on parameters alone is computed before the first step, in batches.
        for field, bound in zip(fields, bind_together(fields), strict=True):
            h = self.rule.size(field, self.integrator)
            z = advance(bound, self.integrator, h, t, z)
            t = t + h
            yield z

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


def _as_list(fields: object) -> list[VectorField]:
    members = list(fields) if isinstance(fields, Iterable) else [fields]
    if not members:
        msg = "Flow: expected at least one field; got an empty list."
        raise ValueError(msg)
    return [_as_field(member) for member in members]


def _as_field(member: object) -> VectorField:
    if not isinstance(member, VectorField):
        msg = (
            f"Flow: expected VectorField objects; got {type(member).__name__}. Subclass "
            "darboux.fields.VectorField to use a network of your own as a field."
        )
        raise TypeError(msg)
    return member


def _as_integrator(integrator: object) -> Integrator:
    if not isinstance(integrator, Integrator):
        msg = f"Flow: expected an integrator such as Euler(); got {integrator!r}."
        raise TypeError(msg)
    return integrator


def _rule(fields: int, steps: object, horizon: float | None, *, is_shared: bool) -> StepRule:
    """Return the step rule that the arguments of a flow stand for, or refuse them."""
    if isinstance(steps, ContractiveSteps):
        return _contractive_rule(fields, steps, horizon, is_shared=is_shared)
    if isinstance(steps, StepRule):
        return steps
    if steps is None and is_shared:
        msg = (
            "Flow: expected steps=K with a single field; got none. Give an int or ContractiveSteps."
        )
        raise ValueError(msg)
    if steps is not None and not isinstance(steps, int):
        msg = f"Flow: expected steps to be an int or a step rule; got {steps!r}."
        raise TypeError(msg)
    count = fields if steps is None else steps
    if not is_shared and count != fields:
        msg = f"Flow: expected one field per step; got {fields} fields and steps={count}."
        raise ValueError(msg)
    return UniformSteps(1.0 if horizon is None else float(horizon), count)


def _contractive_rule(
    fields: int, steps: ContractiveSteps, horizon: float | None, *, is_shared: bool
) -> StepRule:
    if not is_shared and steps.count not in (None, fields):
        msg = f"Flow: expected count={fields}, one step per field; got count={steps.count}."
        raise ValueError(msg)
    if horizon is None:
        if is_shared and steps.count is None:
            msg = (
                "Flow: expected ContractiveSteps(count=K) with a single field, or a horizon that "
                "its steps cover; got neither."
            )
            raise ValueError(msg)
        return steps
    if not is_shared or steps.count is not None:
        msg = (
            "Flow: expected no horizon with a fixed number of ContractiveSteps: the horizon is the "
            f"sum of the steps; got horizon={horizon}. Leave it out, or give a single field "
            "without count."
        )
        raise ValueError(msg)
    if not 0 < horizon < float("inf"):
        msg = f"Flow: expected a horizon T with 0 < T < inf; got {horizon}."
        raise ValueError(msg)
    return CoveringSteps(float(horizon), steps)
