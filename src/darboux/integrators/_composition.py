"""Symmetric compositions of a symmetric method, of high order."""

from __future__ import annotations

import math
from typing import Any, final

from torch import Tensor

from darboux.integrators._composition_coefficients import CompositionCoefficients, scheme_names
from darboux.integrators._composition_coefficients import scheme as named_scheme
from darboux.integrators._integrator import Integrator, StepSize, Time
from darboux.integrators._partitioned_step import partitioned_step
from darboux.integrators._shear_methods import StormerVerlet
from darboux.integrators._shears import Shears
from darboux.structure._arguments import Count, checked


@final
class Composition(Integrator):
    """A step made of steps of another method, Ψ_h = Φ_{γ_s h} ∘ ... ∘ Φ_{γ_1 h}.

    Φ is symmetric and of order 2, the γ_i are palindromic and fulfil the conditions of order
    4, 6 or 8. Ψ is symmetric, and symplectic and composed of parts where Φ is; some γ_i are
    negative, so that energies which only fall may rise in between.

    | order | schemes, the best-conditioned first, and the steps of Φ |
    |---|---|
    | 4 | suzuki 5, yoshida 3 |
    | 6 | kahan-li 9, yoshida 7 |
    | 8 | kahan-li 17, suzuki-umeno 15, yoshida 15 |

    With Störmer-Verlet and a separable field the last shear of each step and the first of the
    next are one.

    Shapes: those of the method Φ.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, V.3.

    Args:
        order: 4, 6 or 8; any with coefficients of one's own.
        base: Φ, `StormerVerlet()` if None; also `ImplicitMidpoint()` or `Splitting()`.
        scheme: a name from the table, or coefficients; the first of its order if None.

    Raises:
        ValueError: if Φ is not symmetric or not of order 2, if there is no such scheme, or if
            coefficients have another order.
        TypeError: if `base` is no one-step method, or `scheme` is something else.

    Example:
        >>> Composition(4)
        Composition(4, base=StormerVerlet(first='kick'), scheme='suzuki')
        >>> len(Composition(8).coefficients.weights)
        17
    """

    symmetric = True
    invertible = True

    @checked
    def __init__(
        self,
        order: Count,
        *,
        base: Integrator | None = None,
        scheme: str | CompositionCoefficients | None = None,
    ) -> None:
        super().__init__()
        self.base = _checked_base(StormerVerlet() if base is None else base)
        self.coefficients = _coefficients(order, scheme)
        self.order = order
        self.symplectic = self.base.symplectic
        self.by_parts = self.base.by_parts
        self.equivariant = self.base.equivariant
        self.by_sample = self.base.by_sample
        weights = self.coefficients.weights
        ends = [sum(weights[:i]) for i in range(len(weights))]
        self._steps = tuple(zip(ends, weights, strict=True))
        shears = self.base.shears
        self._shears = None if shears is None else shears.scaled(weights)

    @property
    def shears(self) -> Shears | None:
        """The shears of a step, where Φ is a schedule of them, too."""
        return self._shears

    def require(self, field: Any) -> None:
        """Refuse a field that the composed method refuses.

        Raises:
            TypeError: naming what it lacks, and what works.
        """
        self.base.require(field)

    def step(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z at time t + h.

        Args:
            field: a field that Φ can step.
            t: the time.
            h: the step size, a number or a 0-dimensional tensor, of either sign.
            state: z.

        Raises:
            TypeError: if Φ refuses the field.
            ValueError: if h is a tensor with axes, or z has a shape that Φ cannot step.
            ConvergenceError: if Φ solves equations, and fails.
        """
        if self._shears is not None:
            return partitioned_step(self, self._shears, field, t, h, state, back=False)
        self.require(field)
        for start, weight in self._steps:
            state = self.base.step(field, t + start * h, weight * h, state)
        return state

    def step_back(self, field: Any, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z at time t from z at t + h, with the errors of `step`.

        Where Φ solves equations it is exact up to the tolerance of the solver.
        """
        if self._shears is not None:
            return partitioned_step(self, self._shears, field, t, h, state, back=True)
        self.require(field)
        # Φ is symmetric: a step by -γh from the end of a step undoes it
        for start, weight in reversed(self._steps):
            state = self.base.step(field, t + (start + weight) * h, -weight * h, state)
        return state

    def lipschitz_factor(self, h: StepSize, lipschitz: StepSize) -> Tensor | None:
        """Return a Lipschitz constant of one step, None where Φ has none.

        The product of those of the shears for Störmer-Verlet, else of those of Φ.

        Args:
            h: the step size.
            lipschitz: L of the field; of drift and of kick where Φ is made of shears.

        Returns:
            A float64 tensor, (), differentiable in h and L, or None.
        """
        if self._shears is not None:
            return self._shears.lipschitz_factor(h, lipschitz)
        weights = self.coefficients.weights
        factors = [self.base.lipschitz_factor(weight * h, lipschitz) for weight in weights]
        known = [factor for factor in factors if factor is not None]
        return math.prod(known[1:], start=known[0]) if known else None

    def __eq__(self, other: object) -> bool:
        """Return whether the methods and the coefficients are equal."""
        return isinstance(other, Composition) and self._key() == other._key()

    def __hash__(self) -> int:
        """Hash the method and the coefficients."""
        return hash(self._key())

    def __repr__(self) -> str:
        """Return the constructor call."""
        return f"Composition({self.order}, base={self.base!r}, scheme={self.coefficients.name!r})"

    def _key(self) -> tuple[Integrator, CompositionCoefficients]:
        return self.base, self.coefficients


def _checked_base(base: Integrator) -> Integrator:
    if base.doubled:
        msg = (
            f"Composition: expected a one-step method; got {base!r}, which steps pairs of states. "
            "Use StormerVerlet(), Splitting() or ImplicitMidpoint()."
        )
        raise TypeError(msg)
    if not base.symmetric or base.order != 2:
        kind = "symmetric" if base.symmetric else "not symmetric"
        msg = (
            f"Composition: expected a symmetric method of order 2; got {base!r}, {kind} and of "
            f"order {base.order}. Use StormerVerlet(), Splitting() or ImplicitMidpoint()."
        )
        raise ValueError(msg)
    return base


def _coefficients(
    order: int, scheme: str | CompositionCoefficients | None
) -> CompositionCoefficients:
    if scheme is None:
        return named_scheme(order, next(iter(scheme_names(order)), ""))
    if isinstance(scheme, str):
        return named_scheme(order, scheme)
    if scheme.order != order:
        msg = (
            f"Composition: expected coefficients of order {order}; got {scheme.name!r} of order "
            f"{scheme.order}. Correct the coefficients, or use Composition({scheme.order}, ...)."
        )
        raise ValueError(msg)
    return scheme
