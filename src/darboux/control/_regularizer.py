"""The abstract regulariser: a function of the parameters θ(t) of a flow as a function of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor, nn

from darboux.flow import Flow
from darboux.structure._arguments import NonNegative, checked


class Regularizer(ABC):
    """R(θ), a function of what the fields of a flow have for parameters along its time grid.

    Sums and multiples are regularisers: ``0.1 * H1() + 0.01 * L1()``.

    Source: section 3.2, equation (37).
    """

    needs_states = False  # whether R looks at the states of the flow, too

    @abstractmethod
    def __call__(self, flow: Flow) -> Tensor:
        """Return R, (), differentiable in the parameters of the flow wherever R is."""

    def along(self, flow: Flow, states: Tensor) -> Tensor:
        """Return R for a flow and its states z_0, ..., z_K along the data, (K+1, batch, ...)."""
        del states
        return self(flow)

    def terms(self) -> tuple[tuple[float, Regularizer], ...]:
        """Return weights and the regularisers that R is the weighted sum of."""
        return ((1.0, self),)

    def __repr__(self) -> str:
        """Return the name."""
        return f"{type(self).__name__}()"

    def __add__(self, other: Regularizer) -> Regularizer:
        """Return R + R'."""
        return WeightedSum((*self.terms(), *other.terms()))

    def __mul__(self, weight: float) -> Regularizer:
        """Return weight · R."""
        return _times(weight, self)

    def __rmul__(self, weight: float) -> Regularizer:
        """Return weight · R."""
        return _times(weight, self)


class ProximalRegularizer(Regularizer):
    """An R that is the sum over parts of θ of one that has kinks and a closed proximal map.

    Source: section 3.2.
    """

    @abstractmethod
    def parts(self, flow: Flow) -> list[list[nn.Parameter]]:
        """Return the parts: lists of parameters of equal shape, stacked along the first axis."""

    @abstractmethod
    def prox(self, x: Tensor, step: float, horizon: float) -> Tensor:
        """Return argmin_y R(y) + ‖y - x‖²/(2 step) for a part x, stacked, of a flow until T."""


@final
class WeightedSum(Regularizer):
    """Σ w_i R_i."""

    def __init__(self, terms: tuple[tuple[float, Regularizer], ...]) -> None:
        self._terms = terms
        self.needs_states = any(term.needs_states for _, term in terms)

    def __call__(self, flow: Flow) -> Tensor:
        """Return the sum."""
        return _sum([weight * term(flow) for weight, term in self._terms])

    def along(self, flow: Flow, states: Tensor) -> Tensor:
        """Return the sum."""
        return _sum([weight * term.along(flow, states) for weight, term in self._terms])

    def terms(self) -> tuple[tuple[float, Regularizer], ...]:
        """Return w_i and R_i."""
        return self._terms

    def __repr__(self) -> str:
        """Return the sum as it is written."""
        return " + ".join(f"{weight:g} * {term!r}" for weight, term in self.terms())


def _sum(values: list[Tensor]) -> Tensor:
    return sum(values[1:], start=values[0])


@checked
def _times(weight: NonNegative, regularizer: Regularizer) -> Regularizer:
    return WeightedSum(tuple((weight * each, term) for each, term in regularizer.terms()))
