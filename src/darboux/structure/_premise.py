"""Premises: the conditions that a claim rests on, stated so that they can be attacked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, eq=False)
class Premise(ABC):
    """A condition on one module that a theorem needs.

    A premise is data: `certify` knows for each class how to try to break it.
    Whole-map attacks rarely find a fault inside a contractive chain, because what
    one step gets wrong the next ones contract away; premises are where it shows.
    """

    subject: nn.Module

    @abstractmethod
    def statement(self) -> str:
        """Return the condition in words and symbols."""

    def key(self) -> tuple[object, ...]:
        """Return what makes two premises the same, for removing duplicates."""
        rest = tuple(value for name, value in vars(self).items() if name != "subject")
        return (type(self), id(self.subject), *rest)


@dataclass(frozen=True, eq=False)
class SlopesWithin(Premise):
    """All difference quotients of an elementwise activation lie in [lower, upper].

    Example:
        >>> SlopesWithin(nn.ReLU(), 0.0, 1.0).statement()
        'slopes of ReLU lie in [0, 1]'
    """

    lower: float
    upper: float

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"slopes of {type(self.subject).__name__} lie in [{self.lower:g}, {self.upper:g}]"


@dataclass(frozen=True, eq=False)
class AdjointOf(Premise):
    """`adjoint` is the adjoint of `forward`: ⟨Ax, y⟩ = ⟨x, A*y⟩.

    Example:
        >>> AdjointOf(nn.Linear(1, 1)).statement()
        'adjoint identity ⟨Ax, y⟩ = ⟨x, A*y⟩ of Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"adjoint identity ⟨Ax, y⟩ = ⟨x, A*y⟩ of {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class NormAtMost(Premise):
    """The operator norm of a linear map does not exceed the bound that it reports.

    Example:
        >>> NormAtMost(nn.Linear(1, 1)).statement()
        '‖A‖₂ <= norm_bound() of Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"‖A‖₂ <= norm_bound() of {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class RowsAtMost(Premise):
    """A A* <= diag(T) with T the row bound that a linear map reports.

    Example:
        >>> RowsAtMost(nn.Linear(1, 1)).statement()
        'AA* <= diag(row_bound()) of Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"AA* <= diag(row_bound()) of {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class IsometryOf(Premise):
    """The adjoint of a lift is its left inverse: L*L = id.

    Example:
        >>> IsometryOf(nn.Linear(1, 1)).statement()
        'L*L = id for Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"L*L = id for {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class CocoerciveField(Premise):
    """⟨f(y)-f(x), y-x⟩ <= ν̄ ‖f(y)-f(x)‖² with ν̄ the field's reported cocoercivity.

    Example:
        >>> CocoerciveField(nn.Linear(1, 1)).statement()
        '⟨Δf, Δz⟩ <= ν̄ ‖Δf‖² for Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"⟨Δf, Δz⟩ <= ν̄ ‖Δf‖² for {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class LipschitzField(Premise):
    """‖f(y)-f(x)‖ <= L ‖y-x‖ with L the field's reported Lipschitz constant.

    Example:
        >>> LipschitzField(nn.Linear(1, 1)).statement()
        '‖Δf‖ <= L ‖Δz‖ for Linear'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"‖Δf‖ <= L ‖Δz‖ for {type(self.subject).__name__}"


@dataclass(frozen=True, eq=False)
class GradientOfEnergy(Premise):
    """The field is minus a gradient of its own ``energy``, in the metric it states.

    Example:
        >>> GradientOfEnergy(nn.Linear(1, 1)).statement()
        'Linear.forward = -∇energy'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"{type(self.subject).__name__}.forward = -∇energy"


@dataclass(frozen=True, eq=False)
class StepWithin(Premise):
    """The step size does not exceed its limit: 0 <= h <= -2 ν̄ r.

    The subject is a `darboux.flow.Step`; both numbers are read anew from it.

    Example:
        >>> StepWithin(nn.Linear(1, 1)).statement()
        '0 <= h <= -2 ν̄ r'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return "0 <= h <= -2 ν̄ r"


@dataclass(frozen=True, eq=False)
class NonnegativeEntries(Premise):
    """All entries of a linear map's kernel are >= 0.

    Example:
        >>> NonnegativeEntries(nn.Linear(1, 1)).statement()
        'entries of Linear are >= 0'
    """

    def statement(self) -> str:
        """Return the condition in words and symbols."""
        return f"entries of {type(self.subject).__name__} are >= 0"
