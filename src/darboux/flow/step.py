"""One step of a flow as a map of its own, with its claims."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.fields import VectorField
from darboux.fields.field import Bound
from darboux.flow.steps import (
    StepRule,
    StepSize,
    as_float,
    step_limit,
)
from darboux.integrators import Integrator, PostActivation, RungeKutta, Time
from darboux.structure import (
    Averaged,
    Claim,
    Claims,
    Dissipative,
    Gap,
    GradientOfEnergy,
    Kind,
    LinearGrowth,
    Lipschitz,
    StepWithin,
    chain,
    claims_of,
    merge_premises,
)


@final
class Step(nn.Module):
    """The map z_k -> z_{k+1} of one step, z' = Φ_h(z), and the theorems that apply to it.

    Shapes: z is (batch, features, *space), kept.

    Source: section 2.2.

    Args:
        field: what flows.
        integrator: how it flows.
        rule: picks h.
        time: t_k, where the step begins.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> name, step = flow.chain()[0]
        >>> name, step.size(), step.limit()
        ('step0', 1.8, 2.0)
    """

    def __init__(
        self, field: VectorField, integrator: Integrator, rule: StepRule, *, time: float = 0.0
    ) -> None:
        super().__init__()
        self.field = field
        self.integrator = integrator
        self.rule = rule
        self.time = time

    def forward(self, z: Tensor) -> Tensor:
        """Return z_{k+1}."""
        return advance(self.field.bind(), self.integrator, self.size(), self.time, z)

    def size(self) -> StepSize:
        """Return h."""
        return self.rule.size(self.field, self.integrator)

    def limit(self) -> StepSize | None:
        """Return -2 ν̄ r, up to which the step is nonexpansive, or None."""
        return step_limit(self.field, self.integrator)

    def energy(self, z: Tensor) -> Tensor:
        """Return the field's energy at z, (batch,).

        Raises:
            TypeError: if the field has none.
        """
        return field_energy(self.field, self.time, z)

    def claims(self) -> Claims:
        """Return the theorems that apply to this step, with their numbers."""
        contractive = self._contractive()  # once: it evaluates the bounds of the field
        metric = contractive or self._growing()
        inner = Claims(tuple(metric), tuple(self._gaps()))
        if not isinstance(self.integrator, PostActivation):
            return Claims(inner.claims + tuple(self._dissipative(contractive)), inner.gaps)
        whole = chain([("step", inner), ("activation", claims_of(self.integrator.activation))])
        return Claims(whole.claims + tuple(self._linear_growth()), whole.gaps)

    def _contractive(self) -> list[Claim]:
        """Nonexpansive where h <= -2 ν̄ r, and averaged strictly inside."""
        limit = self.limit()
        radius = self.integrator.radius
        if limit is None or radius is None:
            return []
        h, bound = as_float(self.size()), as_float(limit)
        always = self.rule.fraction_of_limit()
        if always is None and not 0 <= h <= bound:
            return []
        by_rule = always is not None or self.field.cocoercivity_kind() is Kind.CONSTRUCTION
        kind = Kind.CONSTRUCTION if by_rule else Kind.BOUND
        fraction = always if always is not None else h / bound
        reason = f"h <= -2ν̄r with r = {radius:g} at fraction {fraction:.4g}: {self.field.why()}"
        premises = (StepWithin(self), *self.field.premises())
        return [Claim(_averaged(fraction, radius), kind, reason, premises)]

    def _growing(self) -> list[Claim]:
        """The stage polynomial in h L bounds how much one step can expand (13)."""
        lipschitz = self.field.lipschitz()
        integrator = _inner(self.integrator)
        if lipschitz is None or not isinstance(integrator, RungeKutta):
            return []
        h = self.size()
        factor = as_float(integrator.lipschitz_factor(h, lipschitz))
        reason = f"stage polynomial in hL = {as_float(h) * as_float(lipschitz):.4g} (13)"
        return [Claim(Lipschitz(factor), Kind.BOUND, reason, self.field.premises())]

    def _dissipative(self, contractive: list[Claim]) -> list[Claim]:
        """Descent lemma: V(z') <= V(z) - h (1 - h/limit) ‖f‖² for Euler with h <= limit."""
        euler = isinstance(self.integrator, RungeKutta) and self.integrator.tableau.stages == 1
        if not contractive or not euler or not hasattr(self.field, "energy"):
            return []
        claim = contractive[0]
        reason = f"descent lemma for Euler inside the step limit: {self.field.why()}"
        # The lemma is about f = -∇V: whatever the field lists, that is attacked.
        descent = Claim(Dissipative(), claim.kind, reason, (GradientOfEnergy(self.field),))
        premises = merge_premises((claim, descent))
        return [Claim(Dissipative(), claim.kind, reason, premises)]

    def _linear_growth(self) -> list[Claim]:
        """A2 >= 0, σ >= 0 and z >= 0 give 0 <= z' <= z + h b2⁺ entry by entry."""
        growth = getattr(self.field, "growth", lambda: None)()
        integrator = self.integrator
        if growth is None or not isinstance(integrator, PostActivation) or not integrator.is_euler:
            return []
        norm, kind = growth
        reason = "A2 >= 0, σ >= 0: 0 <= z' <= z + h b2⁺ entry by entry (Zhang and Schaeffer)"
        increment = as_float(self.size()) * float(norm)
        return [Claim(LinearGrowth(increment), kind, reason, self.field.premises())]

    def _gaps(self) -> list[Gap]:
        if self.field.lipschitz() is not None:
            return []
        return [Gap("", f"{type(self.field).__name__} has no Lipschitz constant for all z")]


def advance(bound: Bound, integrator: Integrator, h: StepSize, time: Time, z: Tensor) -> Tensor:
    """Return z(t + h), one step of an integrator along a bound field.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> advance(field.bind(), dx.integrators.Euler(), 0.5, 0.0, torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """
    state = integrator.init(bound, time, h, z)
    return integrator.value(integrator.step(bound, time, h, state))


def field_energy(field: VectorField, time: float, z: Tensor) -> Tensor:
    """Return the energy of a field at (t, z), (batch,).

    Raises:
        TypeError: if the field has none.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> field_energy(field, 0.0, torch.zeros(2, 4))
        tensor([0., 0.], grad_fn=<SumBackward1>)
    """
    energy = getattr(field, "energy", None)
    if energy is None:
        msg = f"Expected a field with an energy; {type(field).__name__} has none."
        raise TypeError(msg)
    return energy(time, z)


def _averaged(fraction: float, radius: float) -> Averaged | Lipschitz:
    """Return α = rθ/(rθ + 1 - θ) for θ < 1, else nonexpansive."""
    if fraction >= 1 or radius == float("inf"):
        return Lipschitz(1.0)
    return Averaged(radius * fraction / (radius * fraction + 1 - fraction))


def _inner(integrator: Integrator) -> Integrator:
    return integrator.inner if isinstance(integrator, PostActivation) else integrator
