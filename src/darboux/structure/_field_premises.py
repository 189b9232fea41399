"""Premises about vector fields: what symplectic, volume, energy and reversibility claims need."""

from __future__ import annotations

from dataclasses import dataclass

from darboux.structure._equivariance import Equivariant
from darboux.structure._premise import Premise


@dataclass(frozen=True, eq=False)
class CanonicalField(Premise):
    """The field is f = J∇H with H its own ``energy``, J the Darboux matrix.

    Example:
        >>> from torch import nn
        >>> CanonicalField(nn.Linear(1, 1)).statement()
        'Linear.forward = J∇energy'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"{type(self.subject).__name__}.forward = J∇energy"


@dataclass(frozen=True, eq=False)
class SeparableField(Premise):
    """ż = drift(t, p) and ṗ = kick(t, z): each half moves by what the other half says.

    Example:
        >>> from torch import nn
        >>> SeparableField(nn.Linear(1, 1)).statement()
        'Linear: ż = drift(t, p), ṗ = kick(t, z)'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"{type(self.subject).__name__}: ż = drift(t, p), ṗ = kick(t, z)"


@dataclass(frozen=True, eq=False)
class DivergenceFreeParts(Premise):
    """The field is the sum of its ``parts()``, and each of them has divergence 0.

    Example:
        >>> from torch import nn
        >>> DivergenceFreeParts(nn.Linear(1, 1)).statement()
        'Linear = Σ parts, div = 0 for each'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"{type(self.subject).__name__} = Σ parts, div = 0 for each"


@dataclass(frozen=True, eq=False)
class ReversibleField(Premise):
    """f(ρz) = -ρf(z) with the momentum flip ρ(z, p) = (z, -p).

    Example:
        >>> from torch import nn
        >>> ReversibleField(nn.Linear(1, 1)).statement()
        'Linear: f(ρz) = -ρf(z), ρ(z, p) = (z, -p)'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"{type(self.subject).__name__}: f(ρz) = -ρf(z), ρ(z, p) = (z, -p)"


@dataclass(frozen=True, eq=False)
class AutonomousField(Premise):
    """f(t, z) does not depend on t.

    Example:
        >>> from torch import nn
        >>> AutonomousField(nn.Linear(1, 1)).statement()
        'Linear does not depend on t'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"{type(self.subject).__name__} does not depend on t"


@dataclass(frozen=True, eq=False, kw_only=True)
class PassiveForm(Premise):
    """f = S ∇H with H the field's ``energy``, and ⟨g, S g⟩ <= 0, or = 0 where H is kept.

    Example:
        >>> from torch import nn
        >>> PassiveForm(nn.Linear(1, 1), conservative=True).statement()
        'Linear = S∇energy with ⟨g, Sg⟩ = 0'
    """

    conservative: bool

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        sign = "=" if self.conservative else "<="
        return f"{type(self.subject).__name__} = S∇energy with ⟨g, Sg⟩ {sign} 0"


@dataclass(frozen=True, eq=False)
class OneSidedField(Premise):
    """⟨f(y)-f(x), y-x⟩ <= ν ‖y-x‖² with ν the field's reported one-sided constant.

    Example:
        >>> from torch import nn
        >>> OneSidedField(nn.Linear(1, 1)).statement()
        '⟨Δf, Δz⟩ <= ν ‖Δz‖² for Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"⟨Δf, Δz⟩ <= ν ‖Δz‖² for {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class EquivariantField(Premise):
    """f(t, ·) is equivariant: f(t, π(g) z) = π(g) f(t, z).

    Example:
        >>> from torch import nn
        >>> import darboux as dx
        >>> rotations = dx.Equivariant(dx.symmetry.Cyclic(4))
        >>> EquivariantField(nn.Linear(1, 1), rotations).statement()
        'f(t, π(g) z) = π(g) f(t, z) for Linear, g in C4'
    """

    symmetry: Equivariant

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        name = self.symmetry.group.describe()
        return f"f(t, π(g) z) = π(g) f(t, z) for {type(self.subject).__name__}, g in {name}"
