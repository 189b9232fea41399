"""Parameters and states chosen together, with the dynamics as a constraint."""

from __future__ import annotations

import math
from typing import NamedTuple, final

import torch
from torch import Tensor

from darboux.control._optimality import Optimality, defects, require_one_step, residuals
from darboux.control._problem import ControlProblem, require_smooth
from darboux.solvers import ConvergenceError
from darboux.structure._arguments import Count, Positive, checked

_FASTER = 0.25  # of the gap before, else the penalty grows

_GROWTH = 4.0  # of the penalty


class AllAtOnceStep(NamedTuple):
    """One step: L(z_K) + R at the states that were chosen, what is left, and the penalty ρ.

    Example:
        >>> import torch
        >>> left = Optimality(*torch.zeros(3, 2), others=torch.zeros(()))
        >>> AllAtOnceStep(0.5, left, penalty=10.0).optimality.largest()
        0.0
    """

    objective: float
    optimality: Optimality
    penalty: float


@final
class AllAtOnce:
    """Minimise L(z_K) + R(θ) over θ and states z_1, ..., z_K, so that z_{k+1} = Φ_k(θ_k, z_k).

    It has the minimisers of the reduced problem, in which states are those of the flow; on the
    way, states need not be. With the gaps c_k = Φ_k(θ_k, z_k) - z_{k+1}, each step minimises the
    augmented Lagrangian

        L(z_K) + R + Σ_k ⟨p_{k+1}, c_k⟩ + ρ/(2N) Σ_k ‖c_k‖²

    for N samples by L-BFGS, and moves the costates, p_{k+1} <- p_{k+1} + (ρ/N) c_k, which converge
    to those of Pontryagin's principle. ρ grows where the gaps do not become smaller fast.

    Source: section 3, equation (24); Hestenes 1969 and Powell 1969.

    Args:
        problem: the parameters of its flow and loss are changed; R has no kinks.
        penalty: the first ρ.
        iterations: of L-BFGS in a step, at most.

    Raises:
        TypeError: if an argument is of another type, or the integrator is a two-step method.
        ValueError: if the regulariser has kinks, the steps share a field, or there is no sample.

    Example:
        >>> import torch, darboux as dx
        >>> def field():
        ...     return dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> flow, z = (
        ...     dx.Flow([field() for _ in range(3)], dx.integrators.Euler()),
        ...     torch.randn(9, 2),
        ... )
        >>> problem = dx.control.ControlProblem(
        ...     flow, z, lambda y: (y - z.sin()).square().mean(), 0.01 * dx.control.L2()
        ... )
        >>> steps = dx.control.AllAtOnce(problem).minimize(tol=1e-3)
        >>> steps[-1].optimality.largest() < 1e-3
        True
    """

    @checked
    def __init__(
        self, problem: ControlProblem, *, penalty: Positive = 10.0, iterations: Count = 200
    ) -> None:
        _check(problem)
        self.problem = problem
        self.penalty = penalty
        self.iterations = iterations
        with torch.no_grad():
            self.states = problem.flow.trajectory(problem.z)
        self.costates = torch.zeros_like(self.states[1:])
        self._gap = float("inf")

    def step(self) -> AllAtOnceStep:
        """Minimise once, and move the costates.

        Raises:
            FloatingPointError: if the objective is NaN or infinite.
        """
        objective = self._minimize()
        used, before = self.penalty, self._gap
        with torch.no_grad():
            gaps = defects(self.problem, self.states)
            self.costates = self.costates + used / len(self.problem.z) * gaps
        found = residuals(self.problem, self.states, self.costates)
        self._gap = float(found.state.max())
        if self._gap > _FASTER * before and self._gap == found.largest():
            self.penalty *= _GROWTH
        return AllAtOnceStep(objective, found, used)

    @checked
    def minimize(self, *, tol: Positive, max_iter: Count = 100) -> list[AllAtOnceStep]:
        """Make steps until no residual of the optimality conditions is above tol, and return them.

        Raises:
            ConvergenceError: if that takes more than max_iter steps.
            FloatingPointError: if the objective is NaN or infinite.
        """
        steps: list[AllAtOnceStep] = []
        for _ in range(max_iter):
            steps.append(self.step())
            if steps[-1].optimality.largest() <= tol:
                return steps
        msg = (
            f"AllAtOnce: expected residuals of {tol:g} within {max_iter} steps; got "
            f"{steps[-1].optimality.largest():.3g}. Allow more steps or iterations, or add a "
            "coercive regularizer: without one there may be no minimiser."
        )
        raise ConvergenceError(msg)

    def _minimize(self) -> float:
        """Minimise the augmented Lagrangian over parameters and states; return L + R."""
        parameters = [*self.problem.parameters().values()]
        leaves = [x.detach().clone() for x in (*parameters, self.states[1:])]
        scale = 1.0

        def evaluate() -> Tensor:
            with torch.no_grad():
                for parameter, leaf in zip(parameters, leaves, strict=False):
                    parameter.copy_(leaf)
            later = leaves[-1].detach().requires_grad_()
            value = self._lagrangian(torch.cat([self.states[:1], later])) / scale
            slopes = torch.autograd.grad(
                value, [*parameters, later], allow_unused=True, materialize_grads=True
            )
            for leaf, slope in zip(leaves, slopes, strict=True):
                leaf.grad = slope
            return value.detach().nan_to_num(nan=math.inf)  # which the line search shortens

        first = float(evaluate())
        if not math.isfinite(first):
            msg = (
                f"AllAtOnce: expected a finite objective; got {first}. Start from other "
                "parameters, or use smaller time steps."
            )
            raise FloatingPointError(msg)
        scale = float(
            torch.stack([leaf.grad.norm() for leaf in leaves if leaf.grad is not None]).norm()
        )
        if scale > 0:
            _lbfgs(leaves, self.iterations).step(evaluate)
        scale = 1.0
        evaluate()
        self.states = torch.cat([self.states[:1], leaves[-1].detach()])
        with torch.no_grad():
            return float(self.problem.cost(self.states[-1], self.states))

    def _lagrangian(self, states: Tensor) -> Tensor:
        gaps = defects(self.problem, states)
        weight = self.penalty / (2 * len(self.problem.z))
        own = (self.costates * gaps).sum() + weight * gaps.square().sum()
        return self.problem.cost(states[-1], states) + own


def _lbfgs(leaves: list[Tensor], iterations: int) -> torch.optim.LBFGS:
    return torch.optim.LBFGS(  # its tests of curvature expect slopes of about 1
        leaves,
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=1e-2,  # each step makes the gaps smaller by less than that
        tolerance_change=0.0,
        history_size=50,
        line_search_fn="strong_wolfe",
    )


def _check(problem: ControlProblem) -> None:
    require_smooth(problem, "AllAtOnce")
    require_one_step(problem.flow)
    if not len(problem.z):
        msg = "AllAtOnce: expected at least one sample; got none. Leave out empty batches."
        raise ValueError(msg)
    if problem.flow.shared:
        msg = "AllAtOnce: expected one field a step; got a single field. Give a list of fields."
        raise ValueError(msg)
