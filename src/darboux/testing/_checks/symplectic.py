"""Checks of symplectic, volume-preserving, symmetric and reversible integrators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darboux.integrators import Integrator
from darboux.structure._arguments import Count, Positive, checked
from darboux.testing._checks._call import require
from darboux.testing._checks._phase_problems import (
    PhaseProblem,
    coupled_problem,
    forced_problem,
    linear_problem,
)
from darboux.testing._tolerance import tolerance

_C = 64.0  # a step is some tens of sums that follow one another

_HORIZON = 2.0

# of the order p: numbers of steps at which errors are small, but not yet rounding
_COUNTS = {1: (32, 48, 72), 2: (16, 24, 36), 4: (12, 18, 27), 6: (6, 8, 11), 8: (5, 6, 8, 10)}


@checked
def check_symplectic(
    integrator: Integrator, field: Any, x: Tensor, *, t: float = 0.3, h: float = 0.2
) -> None:
    """Assert DᵀJD = J for the Jacobian D of one step, to c · n · eps · ‖D‖².

    Args:
        integrator: a one-step method.
        field: a canonical field.
        x: states (z, p), (batch, 2 features, *space), small.
        t: the time.
        h: the step size.

    Raises:
        AssertionError: with the largest entry of DᵀJD - J.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> x = torch.ones(2, 4, dtype=torch.float64)
        >>> check_symplectic(dx.integrators.StormerVerlet(), field.double(), x)
    """
    for row in x.split(1):
        jacobian = _jacobian(integrator, field, row, t, h)
        n = len(jacobian) // 2
        darboux = torch.zeros_like(jacobian)
        darboux[:n, n:] = torch.eye(n, dtype=x.dtype, device=x.device)
        darboux[n:, :n] = -darboux[:n, n:]
        error = float((jacobian.T @ darboux @ jacobian - darboux).abs().max())
        size = float(torch.linalg.matrix_norm(jacobian, 2)) ** 2
        allowed = tolerance(x.dtype, 2 * n, c=_C) * size
        require(error <= allowed, f"DᵀJD - J is {error:.3g}; at most {allowed:.3g} is rounding.")


@checked
def check_volume(
    integrator: Integrator, field: Any, x: Tensor, *, t: float = 0.3, h: float = 0.2
) -> None:
    """Assert |det D| = 1 for the Jacobian D of one step, of pairs of states for two-step methods.

    log|det D| may be c · n · eps times the condition number of D.

    Args:
        integrator: the method.
        field: the field.
        x: states (batch, channels, *space), small.
        t: the time.
        h: the step size.

    Raises:
        AssertionError: with log|det D|.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
        >>> x = torch.ones(2, 3, dtype=torch.float64)
        >>> check_volume(dx.integrators.LeapfrogMidpoint(), field.double(), x)
    """
    for row in x.split(1):
        jacobian = _jacobian(integrator, field, row, t, h)
        error = abs(float(torch.linalg.slogdet(jacobian).logabsdet))
        allowed = tolerance(x.dtype, len(jacobian), c=_C) * float(torch.linalg.cond(jacobian))
        require(error <= allowed, f"log|det D| is {error:.3g}; at most {allowed:.3g} is rounding.")


@checked
def check_step_back(
    integrator: Any, field: Any, x: Tensor, *, t: float = 0.3, h: float = 0.2, steps: Count = 3
) -> None:
    """Assert that `step_back` after `step` returns the state, and the other way round.

    To c · n · eps times the largest entry on the way, for each step.

    Args:
        integrator: a method with ``step_back``.
        field: the field.
        x: states, (batch, channels, *space).
        t: the time.
        h: the step size; steps by -h are tried as well.
        steps: how many steps to undo.

    Raises:
        AssertionError: with the difference.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
        >>> check_step_back(dx.integrators.ReversibleHeun(), field, torch.ones(2, 3))
    """
    for size in (h, -h):
        times = [t + k * size for k in range(steps)]
        for there, back, grid in (
            (integrator.step, integrator.step_back, times),
            (integrator.step_back, integrator.step, times[::-1]),
        ):
            start = integrator.init(field, t, size, x)
            _check_return(there, back, field, grid, size, start)


def _check_return(
    there: Any, back: Any, field: Any, grid: list[float], h: float, start: Any
) -> None:
    """Assert that steps there and back return to the start."""
    state, largest = start, _flat(start).abs().max()
    for time in grid:
        state = there(field, time, h, state)
        largest = torch.maximum(largest, _flat(state).abs().max())
    for time in reversed(grid):
        state = back(field, time, h, state)
    error = float((_flat(state) - _flat(start)).detach().abs().max())
    size = len(grid) * _flat(start)[0].numel()
    allowed = tolerance(_flat(start).dtype, size, c=_C) * float(largest.detach())
    require(error <= allowed, f"there and back is off by {error:.3g}; at most {allowed:.3g}.")


@checked
def check_symmetric(
    integrator: Integrator, field: Any, x: Tensor, *, t: float = 0.3, h: float = 0.2
) -> None:
    """Assert that a step by -h from t + h undoes a step by h from t.

    Args:
        integrator: a method that says it is symmetric.
        field: the field.
        x: states, (batch, channels, *space).
        t: the time.
        h: the step size.

    Raises:
        AssertionError: if the method does not say so, or with the difference.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> check_symmetric(dx.integrators.StormerVerlet(), field, torch.ones(2, 4))
    """
    require(integrator.symmetric, f"{integrator!r} does not say that it is symmetric.")
    start = integrator.init(field, t, h, x)
    after = integrator.step(field, t, h, start)
    back = _flat(integrator.step(field, t + h, -h, after)).detach()
    error = float((back - _flat(start)).detach().abs().max())
    scale = max(float(_flat(state).detach().abs().max()) for state in (start, after))
    allowed = tolerance(x.dtype, back[0].numel(), c=_C) * scale
    require(error <= allowed, f"steps by h and -h are off by {error:.3g}; at most {allowed:.3g}.")


@checked
def check_hamiltonian_order(
    integrator: Integrator, *, tolerance: Positive = 0.2, separable: bool = True
) -> None:
    """Assert that errors fall like h^p, p the method's `order`, on problems with known solutions.

    A linear system with different matrices of T and V, against the matrix exponential, and
    a nonlinear one that is forced along a chosen solution, both separable; or one that does
    not separate.

    Args:
        integrator: the method.
        tolerance: how far the slope may be from p, in units of the order.
        separable: whether to take the first two problems, or the last.

    Raises:
        AssertionError: with the slope that was measured.

    Example:
        >>> from darboux.integrators import StormerVerlet
        >>> check_hamiltonian_order(StormerVerlet())
    """
    problems = {"linear": linear_problem(), "forced": forced_problem()}
    for name, problem in (problems if separable else {"coupled": coupled_problem()}).items():
        slope = _error_slope(integrator, problem)
        near = abs(slope - integrator.order) <= tolerance
        require(near, f"{name}: errors fall like h^{slope:.2f}; the order is {integrator.order}.")


def _error_slope(integrator: Integrator, problem: PhaseProblem) -> float:
    counts = torch.tensor(_COUNTS[integrator.order], dtype=torch.float64)
    errors = [_error(integrator, problem, int(n)) for n in counts]
    x, y = counts.log(), torch.tensor(errors, dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return -float((x @ y) / (x @ x))


def _error(integrator: Integrator, problem: PhaseProblem, steps: int) -> float:
    h = _HORIZON / steps
    state = integrator.init(problem, 0.0, h, problem.solution(0.0))
    for k in range(steps):
        state = integrator.step(problem, k * h, h, state)
    return float((integrator.value(state) - problem.solution(_HORIZON)).norm())


def _jacobian(integrator: Integrator, field: Any, row: Tensor, t: float, h: float) -> Tensor:
    """Return the Jacobian of one step of the state, pairs side by side, at one sample."""
    start = _flat(integrator.init(field, t, h, row)).detach()

    def step(state: Tensor) -> Tensor:
        pair = state.chunk(2, dim=1) if integrator.doubled else state
        return _flat(integrator.step(field, t, h, pair))

    matrix = torch.autograd.functional.jacobian(step, start)
    return matrix.reshape(start.numel(), start.numel())


def _flat(state: Any) -> Tensor:
    """Return a state as one tensor, pairs side by side."""
    return torch.cat(state, dim=1) if isinstance(state, tuple) else state
