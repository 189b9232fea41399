"""Premises: the conditions that a claim rests on, as data that can be attacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from darboux.structure._arguments import checked


@final
@checked
@dataclass(frozen=True)
class Condition:
    """A condition that theorems need: a formula with a place for its subject.

    Calling it with a module, or an integrator, gives the `Premise`;
    `darboux.certification.attacks` registers how to try to break it. Two conditions with one
    formula are the same.

    Args:
        formula: the condition in words and symbols; ``{subject}`` stands for the class of the
            subject, other names in braces for values of the premise.

    Example:
        >>> from torch import nn
        >>> from darboux.structure import Condition
        >>> few = Condition("{subject} has at most {count} entries")
        >>> few(nn.Linear(1, 1), count=2).statement()
        'Linear has at most 2 entries'
    """

    formula: str

    def __call__(self, subject: Any, **values: Any) -> Premise:
        """Return the premise that a module, or an integrator, meets this condition."""
        return Premise(subject, self, values)


@final
@checked
@dataclass(frozen=True, eq=False)
class Premise:
    """The condition on one module, or one integrator, that a claim rests on.

    Whole-map attacks rarely find a fault inside a contractive chain, because what one step
    gets wrong the next ones contract away; premises are where it shows.

    Args:
        subject: the module, or the integrator.
        condition: what it must meet.
        values: the numbers or structures in the condition's formula, by name.

    Example:
        >>> from torch import nn
        >>> from darboux.structure import slopes_within
        >>> slopes_within(nn.ReLU(), lower=0.0, upper=1.0).statement()
        'slopes of ReLU lie in [0, 1]'
    """

    subject: Any
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

entries_at_most = Condition("AA* <= diag(entry_bound()) of {subject}")
"""A A* <= diag(T) with T the entry bound that a linear map reports."""

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

gradient_of_values = Condition("{subject}.grad = ∇{subject}")
"""A function's own ``grad(x)`` is its gradient, where it returns one number for each sample."""

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

independent_samples = Condition("samples of {subject} are independent")
"""f(t, z) of each sample depends on that sample of z alone."""

passive_form = Condition("{subject} = S∇energy with ⟨g, Sg⟩ {sign} 0")
"""f = S ∇H with H the field's ``energy``, and ⟨g, S g⟩ <= 0, or = 0 (`sign`) where H is kept."""

equivariant_field = Condition("f(t, π(g) z) = π(g) f(t, z) for {subject}, g in {group}")
"""f(t, ·) is equivariant under a `symmetry`, an `Equivariant`, whose group has the name `group`."""

growth_field = Condition("‖max(z + h f, 0)‖ <= ‖z‖ + h c √P for {subject}, z >= 0")
"""‖max(z + h f(t, z), 0)‖ <= ‖z‖ + h c √P for z >= 0, c what the field's ``growth`` reports."""

partitioned_field = Condition("{subject} = (drift, kick)")
"""f = (drift(t, z, p), kick(t, z, p)), halves of phase space that may look at one another."""

parts_have = Condition("flows of the parts of {subject}: {structure}")
"""The flow of each of the field's ``parts()`` has a `structure`."""

step_within = Condition("0 <= h <= -2 ν̄ r · {fraction:.6g}")
"""h is at most a `fraction` of its limit; the subject is a step, and both are read from it."""

steps_have = Condition("steps of {subject} on {fields} fields: {structure}")
"""Steps of an integrator have a `structure` on canonical `fields`, which are all or separable."""

equivariant_steps = Condition("steps of {subject} commute with the orthogonal {maps} that f does")
"""Steps of an integrator commute with the orthogonal `maps` that the field commutes with."""

averaged_steps = Condition(
    "steps of {subject}: α = ρθ/(ρθ + 1 - θ) at h = -2 ν̄ r θ, r = {radius:g}, ρ = {reach:g}"
)
"""Steps of an integrator along cocoercive fields are α-averaged, θ <= 1; ρ = r Σ b_i."""

contractive_steps = Condition("steps of {subject} contract all fields with ν <= 0")
"""Steps of an integrator bring solutions no further apart where ν <= 0, whatever their size."""

stretch_of_steps = Condition("steps of {subject} are Lipschitz with lipschitz_factor(h, L)")
"""Steps of an integrator, and back where it can be undone, stretch by its ``lipschitz_factor``."""

tangent_field = Condition("values of {subject} are tangent to {manifold}")
"""f(t, x) is a tangent vector at every point x of a `manifold`, ξ(t, x)·x where it has a ξ."""

points_kept = Condition("steps of {subject} make points of {manifold} of its points")
"""Steps of an integrator along fields on a `manifold` stay there."""

isometric_chart = Condition("d(x, y) = |c(x) - c(y)|, c the coordinates of {manifold}")
"""Coordinates of a `manifold` are those of a flat space, and points come back from them."""

as_frozen = Condition("{subject} is what freeze() made")
"""A frozen module is the one for which claims were computed; `change` says where it is not."""

one_stage = Condition("{subject}: z' = z + h f(t + {a:g} h, z + {a:g} (z' - z))")
"""An integrator has a single stage with a coefficient `a` and the weight 1."""
