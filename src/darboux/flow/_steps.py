"""Rules that pick the step sizes h_k of a flow."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

from torch import Tensor

from darboux.fields import PreparedGradientField, VectorField
from darboux.fields._field import Prepared
from darboux.integrators import Integrator
from darboux.structure._arguments import Positive, Within, checked

StepSize = Tensor | float

_MOST = 10**6  # a flow lists its steps

Steps = Annotated[int, Within("an integer from 1 to a million", least=1, most=_MOST)]


class StepRule(ABC):
    """A rule that picks the size of a step from its index and the field that is stepped."""

    @abstractmethod
    def count_for(self, field: VectorField, integrator: Integrator) -> int | None:
        """Return the number of steps of one field that serves them all, None if not fixed."""

    @abstractmethod
    def size(self, field: VectorField, integrator: Integrator, index: int = 0) -> StepSize:
        """Return h: a float, or a float64 tensor () that is differentiable in the parameters."""

    def sizes(self, fields: Sequence[VectorField], integrator: Integrator) -> Sequence[StepSize]:
        """Return h of all steps, of which each has its field, in order."""
        return [self.size(field, integrator, index) for index, field in enumerate(fields)]

    def sizes_of(
        self, prepared: Sequence[Prepared], fields: Sequence[VectorField], integrator: Integrator
    ) -> Sequence[StepSize]:
        """Return `sizes`; rules that can use what was prepared of the fields do."""
        del prepared
        return self.sizes(fields, integrator)

    def forward_in_time(self) -> bool:
        """Return whether h >= 0 whatever the parameters are."""
        return True

    def fraction_of_limit(self) -> float | None:
        """Return the largest h / (-2 ν̄ r) that the rule allows for any parameters, if any."""
        return None


@final
@checked
@dataclass(frozen=True)
class UniformSteps(StepRule):
    """Equal steps h = T / K.

    Args:
        horizon: T > 0.
        count: K, 1 to a million.

    Raises:
        TypeError: if one is of another type.
        ValueError: if T is not a positive number, or K is not in its range.

    Example:
        >>> UniformSteps(horizon=1.0, count=4).horizon
        1.0
    """

    horizon: Positive
    count: Steps

    def count_for(self, field: VectorField, integrator: Integrator) -> int:
        """Return the number of steps."""
        del field, integrator
        return self.count

    def size(self, field: VectorField, integrator: Integrator, index: int = 0) -> float:
        """Return h."""
        del field, integrator, index
        return self.horizon / self.count


_Fraction = Annotated[
    float,
    Within("a number in (0, 1], beyond which nothing is nonexpansive", above=0, most=1),
]


@final
@checked
@dataclass(frozen=True)
class ContractiveSteps(StepRule):
    """Steps inside the contractivity radius, h_k = min(max_step, fraction · (-2 ν̄_k r)).

    ν̄_k is the cocoercivity of the k-th field and r the radius of the integrator, both
    read anew at every evaluation: the flow is nonexpansive for every parameter value.
    At a fraction below 1 each step is averaged with α = rθ/(rθ + 1 - θ).

    Source: section 2.2.1.

    Args:
        fraction: θ in (0, 1]; 1 is nonexpansive but not averaged.
        count: the number of steps K of a single field that serves all steps. With a
            list of fields it is their number. Left out with a single field, a horizon
            must be given, and K = ceil(T / (fraction · (-2 ν̄ r))).
        max_step: an upper limit of h_k, for fields whose bound is close to zero.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> dx.ContractiveSteps(fraction=0.5).size(field, dx.integrators.Euler())
        1.0
    """

    fraction: _Fraction = 0.9
    count: Steps | None = None
    max_step: Positive = 100.0

    def count_for(self, field: VectorField, integrator: Integrator) -> int | None:
        """Return the number of steps."""
        del field, integrator
        return self.count

    def size(self, field: VectorField, integrator: Integrator, index: int = 0) -> StepSize:
        """Return h."""
        del index
        return self._within(required_limit(field, integrator))

    def _within(self, limit: StepSize) -> StepSize:
        h = self.fraction * limit
        return h.clamp(max=self.max_step) if isinstance(h, Tensor) else min(h, self.max_step)

    def sizes(self, fields: Sequence[VectorField], integrator: Integrator) -> list[StepSize]:
        """Return h of all steps; that of a field is computed once."""
        known = {field: self.size(field, integrator) for field in dict.fromkeys(fields)}
        return [known[field] for field in fields]

    def sizes_of(
        self, prepared: Sequence[Prepared], fields: Sequence[VectorField], integrator: Integrator
    ) -> list[StepSize]:
        """Return h of all steps, with the constants of prepared gradient fields."""
        known = {
            field: self._within(_prepared_limit(given, field, integrator))
            for field, given in dict(zip(fields, prepared, strict=True)).items()
        }
        return [known[field] for field in fields]

    def fraction_of_limit(self) -> float:
        """Return the largest h / (-2 ν̄ r)."""
        return self.fraction


@final
@checked
@dataclass(frozen=True)
class CoveringSteps(StepRule):
    """The fewest equal steps inside the radius that cover a horizon.

    K = ceil(T / min(max_step, fraction · (-2 ν̄ r))), h = T / K: what `ContractiveSteps`
    becomes in a flow of one field with a given horizon. K changes with the parameters.

    Source: section 2.2.1; Sherry et al. 2024.

    Args:
        horizon: T > 0.
        limits: the rule whose fraction and max_step bound each step.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> rule = CoveringSteps(horizon=5.0, limits=dx.ContractiveSteps(fraction=1.0))
        >>> rule.count_for(field, dx.integrators.Euler())
        3
    """

    horizon: Positive
    limits: ContractiveSteps

    def count_for(self, field: VectorField, integrator: Integrator) -> int:
        """Return the number of steps.

        Raises:
            ValueError: if a million of them do not cover the horizon.
        """
        size = as_float(self.limits.size(field, integrator))
        if not size * _MOST >= self.horizon:  # 0 and NaN, too
            msg = (
                f"CoveringSteps: expected a horizon of at most {_MOST} steps; got {self.horizon:g} "
                f"and steps of {size:g}. Use a shorter one, or steps that may be longer."
            )
            raise ValueError(msg)
        return max(1, math.ceil(self.horizon / size))

    def size(self, field: VectorField, integrator: Integrator, index: int = 0) -> float:
        """Return h."""
        del index
        return self.horizon / self.count_for(field, integrator)

    def sizes(self, fields: Sequence[VectorField], integrator: Integrator) -> list[float]:
        """Return h of all steps, which are those of one field."""
        return [self.size(fields[0], integrator)] * len(fields)

    def fraction_of_limit(self) -> float:
        """Return the largest h / (-2 ν̄ r)."""
        return self.limits.fraction


def required_limit(field: VectorField, integrator: Integrator) -> StepSize:
    """Return `step_limit`, or say why there is none.

    Raises:
        ValueError: if no step size is known to be contractive.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> required_limit(field, dx.integrators.Euler())
        2.0
    """
    limit = step_limit(field, integrator)
    if limit is None:
        raise ValueError(_no_limit(field, integrator))
    return limit


def require_limit(field: VectorField, integrator: Integrator) -> None:
    """Refuse as `required_limit` does, without computing the limit."""
    if integrator.radius is None or not field.is_cocoercive():
        raise ValueError(_no_limit(field, integrator))


def step_limit(field: VectorField, integrator: Integrator) -> StepSize | None:
    """Return -2 ν̄ r, up to which a step is nonexpansive, or None where no theorem gives one.

    Source: section 2.2.1.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> step_limit(field, dx.integrators.Euler())
        2.0
    """
    return _limit(field.cocoercivity(), integrator.radius)


def _prepared_limit(prepared: Prepared, field: VectorField, integrator: Integrator) -> StepSize:
    """Return `required_limit` of a field with what was prepared of it."""
    if isinstance(prepared, PreparedGradientField):
        limit = _limit(prepared.cocoercivity(), integrator.radius)
        if limit is not None:
            return limit
    return required_limit(field, integrator)


def _limit(cocoercivity: StepSize | None, radius: float | None) -> StepSize | None:
    return None if cocoercivity is None or radius is None else -2 * radius * cocoercivity


def _no_limit(field: VectorField, integrator: Integrator) -> str:
    """Return the sentence that says why no step size is contractive."""
    if not field.is_cocoercive():
        return (
            f"ContractiveSteps: expected fields with a cocoercivity constant; "
            f"{type(field).__name__} has none, so no explicit step of it is known to be "
            "nonexpansive. Use GradientField with slopes in [0, L], or uniform steps (an int)."
        )
    if integrator.b_stable:
        return (
            f"ContractiveSteps: expected a method with a finite radius; {integrator!r} is B-stable "
            "and nonexpansive with steps of any size. Use uniform steps (an int)."
        )
    return (
        f"ContractiveSteps: expected an integrator with a contractivity radius; {integrator!r} has "
        "none (a Runge-Kutta method needs all b_i > 0). Use Euler, ImprovedEuler, Kutta3 or Kutta4."
    )


def as_float(h: StepSize) -> float:
    """Return a step size as a number, detached.

    Example:
        >>> import torch
        >>> as_float(torch.tensor(0.5))
        0.5
    """
    return float(h.detach()) if isinstance(h, Tensor) else float(h)
