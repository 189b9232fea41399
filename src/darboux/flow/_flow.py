"""The flow: fields, an integrator and a time grid make a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from darboux.fields import VectorField, prepare_together
from darboux.fields._field import Prepared
from darboux.flow._arguments import step_rule
from darboux.flow._bijections import FlowBijection
from darboux.flow._gradients import Gradient, Way, legs_of, require_way
from darboux.flow._links import joined
from darboux.flow._step import Step, field_energy, halved, pair_claims, paired, step_back
from darboux.flow._steps import StepRule, Steps, StepSize, UniformSteps, as_float, require_limit
from darboux.flow._theorems.flow import of_steps
from darboux.gradients import DriftReport, Monitor, Stack
from darboux.integrators import Integrator, Time
from darboux.solvers._transforms import hidden
from darboux.structure import Claims, Gap
from darboux.structure._arguments import Positive, checked
from darboux.structure._module import Module


@final
class Flow(Module):
    """A network as a discretised ODE, z_{k+1} = Φ_{h_k}(t_k, z_k), k = 0, ..., K-1.

    `fields` is a list with one field per step (θ piecewise constant in time, as in
    the paper) or a single field that serves K = `steps` steps. Steps are uniform,
    h = T/K, unless a rule such as `ContractiveSteps` picks them.

    `gradient` says what is kept for the backward pass: "autograd" all activations; "adjoint" the
    z_k, from which steps are taken once more (theorem 3.2); "checkpoint" √(2K) of them,
    `Checkpoint` as many as it says; "reversible" the ends, between which steps are undone as in a
    `Chain` of constant memory. These agree to rounding. "continuous" keeps z_K and solves theorem
    3.1 backwards: **its gradient is wrong by the error of the method**.

    Shapes: z is (batch, features, *space), kept; a trajectory is (K+1, batch, ...).

    Source: section 1.2, equations (5) and (7); section 2.2; section 3.1.1, theorems 3.1 and 3.2.

    Args:
        fields: one field, or one per step.
        integrator: the numerical method.
        horizon: T; 1 unless given. A rule has its own, the sum of its steps, but
            `ContractiveSteps` takes one together with a single field and no `count`.
        steps: K for a single field, or a rule; left out with a list of fields.
        gradient: one of the names above, or a `darboux.gradients.Checkpoint`.

    Raises:
        TypeError: if an argument is of another type, or the method has no such gradient.
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

    @checked
    def __init__(
        self,
        fields: VectorField | Sequence[VectorField],
        integrator: Integrator,
        *,
        horizon: Positive | None = None,
        steps: Steps | StepRule | None = None,
        gradient: Gradient = "autograd",
    ) -> None:
        super().__init__()
        self.shared = isinstance(fields, VectorField)
        members = [fields] if isinstance(fields, VectorField) else [*fields]
        self.fields = nn.ModuleList(members)
        self.integrator = integrator
        self.rule = step_rule(len(members), steps, horizon, is_shared=self.shared)
        for field in members:
            integrator.require(field)
            if self.rule.fraction_of_limit() is not None:
                require_limit(field, integrator)
        self.gradient: Gradient = gradient
        self.monitor = Monitor()
        require_way(integrator, gradient)
        if gradient == "reversible":
            (self.doubled() if integrator.doubled else self).as_bijection()  # refuses others

    def forward(self, z: Tensor) -> Tensor:
        """Return z(T)."""
        if self.gradient != "autograd":
            return self.integrator.value(joined(self._run((z,))[0]))
        for state in self._states(z):
            z = state
        return z

    def trajectory(self, z: Tensor) -> Tensor:
        """Return all states, (K+1, batch, features, *space), z(0) first."""
        if self.gradient != "autograd":
            return torch.stack([z, *self._run((z,), every=True)[1]])
        return torch.stack([z, *self._states(z)])

    def _run(
        self, stack: Stack, *, starts: bool = True, every: bool = False
    ) -> tuple[Stack, list[Tensor]]:
        """Return the last state as a stack, and z after each step; from z, or from a state."""
        fields = self._schedule()
        legs = legs_of(fields, self.rule.sizes(fields, self.integrator), starts=starts)
        way = Way(self.integrator, self.gradient, self.monitor)
        return hidden(way.run)(legs, stack, range(len(legs)) if every else ())  # eager

    def drift_report(self) -> DriftReport:
        """Return what the last backward pass of a reversible flow measured."""
        return self.monitor.report(len(self._schedule()))

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
        """Return the steps as maps of z with names, in order; a two-step flow is one map."""
        return [("flow", self)] if self.integrator.doubled else [*self.steps()]

    def steps(self) -> list[tuple[str, Step]]:
        """Return the steps with names, in order; those of a two-step method map pairs."""
        t = 0.0
        found: list[tuple[str, Step]] = []
        for k, field in enumerate(self._schedule()):
            t += as_float(found[-1][1].size()) if found else 0.0
            found.append((f"step{k}", Step(field, self.integrator, self.rule, time=t, index=k)))
            found[-1][1].train(self.training)
        return found

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
        return field_energy(cast("VectorField", self.fields[0]), 0.0, z)

    def claims(self) -> Claims:
        """Return the theorems that apply, with their numbers: those of the steps, composed."""
        if self.integrator.doubled:
            reason = (
                f"{self.integrator} steps pairs of states: as a map of z alone nothing is known; "
                "flow.doubled() is invertible and preserves volume"
            )
            return Claims(gaps=(Gap("", reason),))
        steps = [(name, step.claims()) for name, step in self.steps()]
        equal = isinstance(self.rule, UniformSteps)
        return of_steps(steps, one_field=self.shared, equal=equal)

    def extra_repr(self) -> str:
        """Return the integrator and the step rule."""
        gradient = "" if self.gradient == "autograd" else f", gradient={self.gradient!r}"
        return f"integrator={self.integrator!r}, steps={self.rule!r}{gradient}"

    def grid(self) -> list[tuple[Prepared, Time, StepSize]]:
        """Return (prepared field, t_k, h_k) of every step.

        What depends on parameters alone is computed here, before the first step, in batches.
        """
        known = prepare_together(fields := self._schedule())
        sizes = self.rule.sizes_of(known, fields, self.integrator)
        steps, t = [], cast("Time", 0.0)
        for prepared, h in zip(known, sizes, strict=True):
            steps.append((prepared, t, h))
            t = t + h
        return steps

    def _states(self, z: Tensor) -> Iterator[Tensor]:
        """Yield z_1, ..., z_K."""
        method, state = self.integrator, None
        for k, (prepared, t, h) in enumerate(self.grid()):
            if k == 0:
                state = method.init(prepared, t, h, z)
            state = method.step(prepared, t, h, state)
            yield method.value(state)

    def _schedule(self) -> list[VectorField]:
        """Return the field of each step."""
        fields = cast("list[VectorField]", list(self.fields))
        if not self.shared:
            return fields
        count = self.rule.count_for(fields[0], self.integrator)
        assert count is not None  # step_rule refused it
        return fields * count


@final
class DoubledFlow(Module):
    """The map of pairs (z, auxiliary) that a two-step method steps, for any field.

    Leapfrog, (z_{k-1}, z_k) -> (z_k, z_{k-1} + 2h f(z_k)), and the reversible Heun method are
    shears, up to reflections and exchanges: whatever f is, the map can be undone in closed form and
    |det| = 1. As a map of z alone the flow has neither property.

    Shapes: a pair is (batch, 2 features, *space), its members one after the other on the
    channel axis.

    Source: sections 2.2.3 and 4.3.1; Kidger et al. 2021 for reversible Heun.

    Args:
        flow: a flow with a two-step integrator.

    Raises:
        TypeError: if its integrator is a one-step method.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
        >>> pairs = dx.Flow(field, dx.integrators.LeapfrogMidpoint(), steps=4).doubled()
        >>> x = torch.randn(2, 6)
        >>> torch.testing.assert_close(pairs.inverse(pairs(x)), x)
    """

    @checked
    def __init__(self, flow: Flow) -> None:
        super().__init__()
        if not flow.integrator.doubled:
            msg = (
                f"doubled: expected a two-step method; got {flow.integrator!r}, whose state is z "
                "itself. Use the flow as it is, or LeapfrogMidpoint() or ReversibleHeun()."
            )
            raise TypeError(msg)
        self.flow = flow

    def forward(self, x: Tensor) -> Tensor:
        """Return the pair after the last step."""
        if self.flow.gradient != "autograd":
            return paired(joined(self.flow._run(halved(x), starts=False)[0]))
        state = halved(x)
        for prepared, t, h in self.flow.grid():
            state = self.flow.integrator.step(prepared, t, h, state)
        return paired(state)

    def inverse(self, y: Tensor) -> Tensor:
        """Return the pair before the first step."""
        state = halved(y)
        back = self.flow.integrator.step_back
        for prepared, t, h in reversed(self.flow.grid()):
            state = back(prepared, t, h, state)
        return paired(state)

    def as_bijection(self) -> FlowBijection:
        """Return the map as a bijection with its log-determinant, which is 0, for chains."""
        return FlowBijection(self)

    def steps(self) -> list[tuple[str, Step]]:
        """Return the steps with names, in order."""
        return self.flow.steps()

    def start(self, z: Tensor) -> Tensor:
        """Return the pair with which the flow starts at z."""
        prepared, t, h = self.flow.grid()[0]
        return paired(self.flow.integrator.init(prepared, t, h, z))

    def value(self, x: Tensor) -> Tensor:
        """Return the features z of a pair."""
        return self.flow.integrator.value(halved(x))

    def claims(self) -> Claims:
        """Return that the map preserves volume and can be inverted."""
        return pair_claims(self.flow.integrator)
