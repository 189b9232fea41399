"""Premises: the conditions that a claim rests on, as data that can be attacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import nn


@final
@dataclass(frozen=True)
class Condition:
    """A condition on a module that theorems need: a formula with a place for its subject.

    Calling it with a module gives the `Premise`; `darboux.certification.attacks` registers how
    to try to break it. Two conditions with one formula are the same.

    Args:
        formula: the condition in words and symbols; ``{subject}`` stands for the class of the
            module, other names in braces for values of the premise.

    Example:
        >>> from torch import nn
        >>> from darboux.structure import Condition
        >>> few = Condition("{subject} has at most {count} entries")
        >>> few(nn.Linear(1, 1), count=2).statement()
        'Linear has at most 2 entries'
    """

    formula: str

    def __call__(self, subject: nn.Module, **values: Any) -> Premise:
        """Return the premise that a module meets this condition."""
        return Premise(subject, self, values)


@final
@dataclass(frozen=True, eq=False)
class Premise:
    """The condition on one module that a claim rests on.

    Whole-map attacks rarely find a fault inside a contractive chain, because what one step
    gets wrong the next ones contract away; premises are where it shows.

    Args:
        subject: the module.
        condition: what it must meet.
        values: the numbers or structures in the condition's formula, by name.

    Example:
        >>> from torch import nn
        >>> from darboux.structure import slopes_within
        >>> slopes_within(nn.ReLU(), lower=0.0, upper=1.0).statement()
        'slopes of ReLU lie in [0, 1]'
    """

    subject: nn.Module
    condition: Condition
    values: Mapping[str, Any] = field(default_factory=dict)

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return self.condition.formula.format(subject=type(self.subject).__name__, **self.values)

    def key(self) -> tuple[object, ...]:
        """Return what makes two premises the same, for removing duplicates."""
        return (id(self.subject), self.condition, *self.values.items())


slopes_within = Condition("slopes of {subject} lie in [{lower:g}, {upper:g}]")
"""All difference quotients of an elementwise activation lie in [lower, upper]."""

adjoint_of = Condition("adjoint identity ⟨Ax, y⟩ = ⟨x, A*y⟩ of {subject}")
"""`adjoint` is the adjoint of `forward`: ⟨Ax, y⟩ = ⟨x, A*y⟩."""

norm_at_most = Condition("‖A‖₂ <= norm_bound() of {subject}")
"""The operator norm of a linear map does not exceed the bound that it reports."""

rows_at_most = Condition("AA* <= diag(row_bound()) of {subject}")
"""A A* <= diag(T) with T the row bound that a linear map reports."""

isometry_of = Condition("L*L = id for {subject}")
"""The adjoint of a lift is its left inverse: L*L = id."""

nonnegative_entries = Condition("entries of {subject} are >= 0")
"""All entries of a linear map's kernel are >= 0."""

cocoercive_field = Condition("⟨Δf, Δz⟩ <= ν̄ ‖Δf‖² for {subject}")
"""⟨f(y)-f(x), y-x⟩ <= ν̄ ‖f(y)-f(x)‖² with ν̄ the field's reported cocoercivity."""

lipschitz_field = Condition("‖Δf‖ <= L ‖Δz‖ for {subject}")
"""‖f(y)-f(x)‖ <= L ‖y-x‖ with L the field's reported Lipschitz constant."""

one_sided_field = Condition("⟨Δf, Δz⟩ <= ν ‖Δz‖² for {subject}")
"""⟨f(y)-f(x), y-x⟩ <= ν ‖y-x‖² with ν the field's reported one-sided constant."""

gradient_of_energy = Condition("{subject}.forward = -∇energy")
"""The field is minus a gradient of its own ``energy``, in the metric it states."""

canonical_field = Condition("{subject}.forward = J∇energy")
"""The field is f = J∇H with H its own ``energy``, J the Darboux matrix."""

separable_field = Condition("{subject}: ż = drift(t, p), ṗ = kick(t, z)")
"""ż = drift(t, p) and ṗ = kick(t, z): each half moves by what the other half says."""

divergence_free_parts = Condition("{subject} = Σ parts, div = 0 for each")
"""The field is the sum of its ``parts()``, and each of them has divergence 0."""

reversible_field = Condition("{subject}: f(ρz) = -ρf(z), ρ(z, p) = (z, -p)")
"""f(ρz) = -ρf(z) with the momentum flip ρ(z, p) = (z, -p)."""

autonomous_field = Condition("{subject} does not depend on t")
"""f(t, z) does not depend on t."""

passive_form = Condition("{subject} = S∇energy with ⟨g, Sg⟩ {sign} 0")
"""f = S ∇H with H the field's ``energy``, and ⟨g, S g⟩ <= 0, or = 0 (`sign`) where H is kept."""

equivariant_field = Condition("f(t, π(g) z) = π(g) f(t, z) for {subject}, g in {group}")
"""f(t, ·) is equivariant under a `symmetry`, an `Equivariant`, whose group has the name `group`."""

step_within = Condition("0 <= h <= -2 ν̄ r")
"""The step size does not exceed its limit; the subject is a step, and both are read from it."""
