"""Implicit Runge-Kutta methods: all stages solved together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor

from darboux.integrators._integrator import (
    Field,
    Integrator,
    StepSize,
    Time,
    fitting,
    step_size,
)
from darboux.integrators._order_conditions import highest_order
from darboux.integrators._order_conditions import order as order_of
from darboux.integrators._stability import contractivity_radius, is_algebraically_stable
from darboux.integrators._tableau import Tableau, is_symmetric, is_symplectic
from darboux.solvers import Method
from darboux.solvers._convergence import norms
from darboux.solvers._solve import solved
from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import Count, Within, checked

_CONDITION = 1e8  # of A, above which its inverse is not used

_Rows = tuple[tuple[float, ...], ...]


class ImplicitRungeKutta(Integrator):
    """One step of an implicit Runge-Kutta method.

    Z_i = h Σ_j a_ij f(t + c_j h, z + Z_j),  z' = z + h Σ_i b_i f(t + c_i h, z + Z_i).

    The increments Z of all stages are one unknown, which `darboux.solvers.solve` finds for
    each sample on its own: by plain iteration where that contracts well, else by Newton's
    method. Gradients are those of the exact solution, by the implicit function theorem. Where
    A is regular, h f = A⁻¹ Z, so that z' = z + Σ_i d_i Z_i with dᵀ = bᵀA⁻¹: no error of Z is
    multiplied by a stiff field.

    `order`, `b_stable`, `symplectic` and `symmetric` are read off the tableau, and so is
    `radius`; it is None where it is infinite or where some b_i <= 0.

    `torch.func.vmap` over samples and `torch.compile` of one whole graph are refused, because
    the iteration depends on values; put samples on the first axis.

    Shape: z and f(t, z) are (batch, channels, *space), or any shape whose first axis is that
    of independent samples. A field with ``autonomous = True`` is evaluated on all stages in
    one call, (batch · s, channels, *space). The dtype and device follow z.

    Source: section 2.2, equation (21); Hairer and Wanner, Solving Ordinary Differential
    Equations II, IV.8.

    Args:
        tableau: an implicit tableau.
        order: p, if it is known; `darboux.integrators.order` of the tableau if None.
        method: "auto", "fixed-point" or "newton", as for `solve`.
        tol: the error of Z relative to z that is allowed; rounding if None.
        max_iter: iterations of each kind in one step.

    Raises:
        ValueError: if the tableau is explicit, or has not the order.

    Example:
        >>> import torch
        >>> from darboux.integrators import ImplicitEuler
        >>> step = ImplicitEuler().step
        >>> step(lambda t, z: -z, 0.0, 3.0, torch.ones(1, 1))  # 1/(1 + h)
        tensor([[0.2500]])
    """

    tableau: Tableau
    equivariant = True
    by_sample = True

    @checked
    def __init__(
        self,
        tableau: Tableau,
        *,
        order: Count | None = None,
        method: Method = "auto",
        tol: Annotated[float, Within("a number in (0, 1)", above=0, below=1)] | None = None,
        max_iter: Count = 50,
    ) -> None:
        super().__init__()
        if tableau.explicit:
            msg = (
                f"Expected an implicit tableau; got {tableau.name!r}, whose stages can be computed "
                "one after the other. Use RungeKutta(tableau)."
            )
            raise ValueError(msg)
        if order is not None and order > highest_order(tableau):
            msg = (
                f"Expected an order of at most {highest_order(tableau)}, that of the weights and "
                f"nodes of {tableau.name!r} as a quadrature rule; got {order}. Leave it out."
            )
            raise ValueError(msg)
        self.tableau = tableau
        self.order = order_of(tableau) if order is None else order
        self.b_stable = is_algebraically_stable(tableau)
        self.symplectic = is_symplectic(tableau)
        self.symmetric = is_symmetric(tableau)
        self.radius: float | None = _finite_radius(tableau)
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self._rows: _Rows = tuple(tuple(float(x) for x in row) for row in tableau.a)
        self._weights: _Rows = (tuple(float(x) for x in tableau.b),)
        self._nodes = tuple(float(node) for node in tableau.c)
        self._outgoing = _outgoing(tableau)

    @property
    def stages(self) -> int:
        """The number s of stages."""
        return self.tableau.stages

    def step(self, field: Field, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z(t + h) from z(t), one step of the method.

        Args:
            field: (t, z) -> f(t, z), of the shape of z, samples independent.
            t: the time.
            h: the step size; a tensor has gradients, and may be negative to step back.
            state: z.

        Raises:
            ConvergenceError: if the stages cannot be found, naming the worst sample.
            ValueError: if h is a tensor with axes, z has none, or f(t, z) has another shape.
            RuntimeError: inside `torch.func.vmap`, or a compiled graph.
        """
        if state.dim() == 0:
            msg = (
                "Expected z with a first axis of independent samples; got no axis. Use "
                "unsqueeze(0)."
            )
            raise ValueError(msg)
        z = _wide(state)
        times = (t,) if _is_autonomous(field) else tuple(t + node * h for node in self._nodes)
        equations = StageEquations(field, times, step_size(h, z), z, matrix(self._rows, z))
        with without_autocast(z):
            increments = solved(
                equations.increments,
                equations.start(),
                method=self.method,
                tol=self.tol,
                max_iter=self.max_iter,
                context=repr(self),
                scale=norms(z),
            )
            return self._after(equations, increments).to(state.dtype)

    def _after(self, equations: StageEquations, increments: Tensor) -> Tensor:
        """Return z' from the increments of the stages."""
        rows = self._weights if self._outgoing is None else self._outgoing
        weights = matrix(rows, increments).expand(len(increments), -1, -1)
        if self._outgoing is None:
            moved = _mixed(weights, equations.slopes(increments)).squeeze(1)
            return equations.z + equations.h * moved
        return equations.z + _mixed(weights, increments).squeeze(1)

    def __eq__(self, other: object) -> bool:
        """Return whether the tableaus and the settings of the solver are equal."""
        return isinstance(other, ImplicitRungeKutta) and self._key() == other._key()

    def __hash__(self) -> int:
        """Hash the tableau and the settings."""
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.tableau, self.order, self.method, self.tol, self.max_iter

    def __repr__(self) -> str:
        """Return name, order and stages."""
        name = f"{self.tableau.name!r}, " if type(self) is ImplicitRungeKutta else ""
        return f"{type(self).__name__}({name}order={self.order}, stages={self.stages})"


@dataclass(frozen=True)
class StageEquations:
    """One step's equations Z_i = h Σ_j a_ij f(t + c_j h, z + Z_j) for the increments Z."""

    # Increments instead of stages, because what is small beside z would be lost in z + Z.
    # Hairer and Wanner, Solving Ordinary Differential Equations II, IV.8.

    field: Field
    times: tuple[Time, ...]  # of the stages; a single one where they share it
    h: StepSize
    z: Tensor
    rows: Tensor  # a_ij, (s, s)

    def start(self) -> Tensor:
        """Return Z = 0."""
        return self.z.new_zeros((len(self.z), len(self.rows), *self.z.shape[1:]))

    def increments(self, increments: Tensor) -> Tensor:
        """Return h Σ_j a_ij f(t + c_j h, z + Z_j)."""
        return _mixed(self.weights, self.slopes(increments))

    @cached_property
    def weights(self) -> Tensor:
        """The h a_ij, (batch, s, s)."""
        return (self.rows * self.h).to(self.z.dtype).expand(len(self.z), -1, -1)

    @cached_property
    def before(self) -> Tensor:
        """The z of all stages, (batch, 1, ...)."""
        return self.z.unsqueeze(1)

    def slopes(self, increments: Tensor) -> Tensor:
        """Return f(t + c_i h, z + Z_i), (batch, s, ...)."""
        states = self.before + increments
        if len(self.times) == 1:
            slopes = self._slope(self.times[0], states.flatten(0, 1))
            return slopes.reshape(states.shape)
        pairs = zip(self.times, states.unbind(1), strict=True)
        return torch.stack([self._slope(time, state) for time, state in pairs], dim=1)

    def _slope(self, time: Time, z: Tensor) -> Tensor:
        return fitting(self.field(time, z), z)


def matrix(rows: _Rows, like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


def _mixed(weights: Tensor, values: Tensor) -> Tensor:
    """Return Σ_j w_ij v_j, (batch, rows, ...), of w, (batch, rows, s), and v, (batch, s, ...)."""
    if values.ndim == 3:
        return weights.bmm(values)
    return weights.bmm(values.reshape(*weights.shape[::2], -1)).reshape(
        *weights.shape[:2], *values.shape[2:]
    )


def _is_autonomous(field: Any) -> bool:
    """Return whether a field says that it does not look at t; functions do not say."""
    # A bound method, or a partial one, is as autonomous as the field that it belongs to.
    owner = getattr(getattr(field, "func", field), "__self__", None)
    return bool(getattr(field, "autonomous", getattr(owner, "autonomous", False)))


def _wide(z: Tensor) -> Tensor:
    """Return z in float32 where autocast has made it narrower than the weights of fields."""
    narrow = z.dtype in (torch.bfloat16, torch.float16)
    return z.float() if narrow and torch.is_autocast_enabled(z.device.type) else z


def _finite_radius(tableau: Tableau) -> float | None:
    radius = contractivity_radius(tableau) if min(tableau.b) > 0 else math.inf
    return radius if radius < math.inf else None


def _outgoing(tableau: Tableau) -> _Rows | None:
    """Return dᵀ = bᵀA⁻¹ as a single row, or None where A is singular, or nearly so."""
    rows = [[float(x) for x in row] for row in tableau.a]
    a = torch.tensor(rows, dtype=torch.float64, device="cpu")
    if not torch.linalg.cond(a) < _CONDITION:
        return None
    b = torch.tensor([float(x) for x in tableau.b], dtype=torch.float64, device="cpu")
    return (tuple(torch.linalg.solve(a.T, b).tolist()),)
