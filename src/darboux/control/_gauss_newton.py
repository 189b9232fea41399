"""The method of Gauss and Newton: products with curvature, conjugate gradients, damping."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor

from darboux.control._curvature import Curvature, flat, split
from darboux.control._problem import ControlProblem, require_smooth, value_or_infinity
from darboux.solvers import ConvergenceError
from darboux.solvers._conjugate_gradients import conjugate_gradients
from darboux.structure._arguments import Count, Natural, Positive, checked

_SUFFICIENT = 1e-4  # of the decrease that the slope promises

_HALVINGS = 5  # of a step, before the damping grows

_FORCING = 0.1  # the largest relative residual of conjugate gradients

_FINEST = 1e3  # units of rounding, the smallest

_TRIALS = 12  # dampings for one step

_ROUNDING = 100.0  # units of E within which values do not tell whether it falls


class GaussNewtonStep(NamedTuple):
    """One step: E and ‖∇E‖ before it, its damping λ, products with G, and whether it was made."""

    objective: float
    gradient: float
    damping: float
    products: int
    moved: bool


@final
class GaussNewton:
    """Minimise a control problem by damped Gauss-Newton steps: (G + λ) s = -∇E, θ <- θ + t s.

    With E = L(z_K(θ)) + R(θ), G v = Jᵀ(∂²L (J v)) + ∂²R v and J = ∂z_K/∂θ is never formed: a
    product costs about two gradients. It is the metric of squared losses, cross-entropies and
    every other convex L. Parameters of the loss are taken with L: G then is its whole Hessian in
    z_K and in them. Conjugate gradients solve for s, to more digits the smaller ∇E is, and stop
    at a direction without curvature. t is halved until E decreases enough; λ follows
    the ratio of the decrease to the one that the quadratic model promises.

    L and R have to be twice differentiable: no L1 and no total variation.

    Source: section 3.4; Levenberg 1944; Nielsen 1999 for the damping; Martens 2010.

    Args:
        problem: the objective E and its parameters, which steps change.
        damping: the first λ.
        curvature: "gauss-newton" for G, or "hessian" for ∇²E, Newton's method: fewer steps near a
            minimiser, each of which costs more.
        max_products: for one s; twice as many as there are parameters if None.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, or the regulariser has kinks.

    Example:
        >>> import torch, darboux as dx
        >>> def field():
        ...     return dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> flow = dx.Flow([field() for _ in range(4)], dx.integrators.Euler())
        >>> z = torch.randn(50, 2)
        >>> goal = torch.stack([z[:, 0], z[:, 0].sin()], dim=1)
        >>> problem = dx.control.ControlProblem(flow, z, lambda y: (y - goal).square().mean())
        >>> gauss_newton = dx.control.GaussNewton(problem)
        >>> steps = [gauss_newton.step() for _ in range(10)]
        >>> steps[-1].objective < 0.5 * steps[0].objective
        True
    """

    @checked
    def __init__(
        self,
        problem: ControlProblem,
        *,
        damping: Positive = 1e-3,
        curvature: Literal["gauss-newton", "hessian"] = "gauss-newton",
        max_products: Count | None = None,
    ) -> None:
        require_smooth(problem, "GaussNewton")
        self.problem = problem
        self.damping = float(damping)
        self.curvature = curvature
        self.max_products = max_products
        self._growth = 2.0
        self._steepest = 0.0  # ‖∇E‖ of the first step

    def step(self) -> GaussNewtonStep:
        """Make one step, which decreases E, or none where E no longer decreases.

        Raises:
            FloatingPointError: if E or its gradient is NaN or infinite; nothing has been changed.
        """
        return self._from(self._here())

    @checked
    def minimize(self, *, tol: Positive, max_iter: Natural = 100) -> list[GaussNewtonStep]:
        """Make steps until ‖∇E‖ <= tol, and return them; the last one made no move.

        Raises:
            ConvergenceError: if that takes more than max_iter steps, or E no longer decreases;
                parameters are the best ones so far.
            FloatingPointError: if E or its gradient is NaN or infinite.
        """
        steps: list[GaussNewtonStep] = []
        while True:
            here = self._here()
            norm = float(here.gradient.norm())
            if norm <= tol:
                last = GaussNewtonStep(float(here.value), norm, self.damping, 0, moved=False)
                return [*steps, last]
            if len(steps) >= max_iter or (steps and not steps[-1].moved):
                raise ConvergenceError(_message(tol, norm, len(steps)))
            steps.append(self._from(here))

    def product(self, v: Tensor) -> Tensor:
        """Return G v at the present parameters, whose entries v stacks in their order, (n,)."""
        return self._here().product(v)

    def _here(self) -> Curvature:
        problem, parameters = self.problem, [*self.problem.parameters().values()]
        if self.curvature == "hessian":
            here = Curvature(parameters, None, lambda _: problem.objective())
        else:
            here = Curvature(parameters, lambda: problem.flow(problem.z), problem.cost)
        if not bool(here.value.isfinite() & here.gradient.isfinite().all()):
            msg = (
                f"GaussNewton: expected a finite objective and gradient; got E = "
                f"{float(here.value):.3g}, ‖∇E‖ = {float(here.gradient.norm()):.3g}. Start from "
                "other parameters, or use smaller time steps."
            )
            raise FloatingPointError(msg)
        return here

    def _from(self, here: Curvature) -> GaussNewtonStep:
        """Return the step from where the curvature is known, made."""
        g, parameters = here.gradient, [*self.problem.parameters().values()]
        start = flat(parameters).detach()
        norm, products = float(g.norm()), 0
        self._steepest = max(self._steepest, norm)
        if norm == 0:
            return GaussNewtonStep(float(here.value), norm, self.damping, 0, moved=False)
        before = self.damping, self._growth
        tol = min(_FORCING, max(norm / self._steepest, _FINEST * torch.finfo(g.dtype).eps))
        for _ in range(_TRIALS):
            damping = self.damping
            found = conjugate_gradients(
                partial(_damped, here, damping),
                -g,
                tol=tol,
                max_iter=self.max_products or 2 * len(g),
            )
            products += found.products + 1
            moved, ratio = self._searched(here, start, found.x)
            self._adapt(ratio if moved else 0.0)
            if moved:
                break
            here = self._here()  # writing to the parameters has spoilt the graph of the old one
        if not moved:  # no damping helps; the next step may have other data
            self.damping, self._growth = before
        return GaussNewtonStep(float(here.value), norm, damping, products, moved)

    def _searched(self, here: Curvature, start: Tensor, s: Tensor) -> tuple[bool, float]:
        """Return whether E decreases along s, and the ratio of the whole step's decreases."""
        parameters = [*self.problem.parameters().values()]
        slope = float(here.gradient.dot(s))
        promised = -slope - 0.5 * float(s.dot(here.product(s)))
        ratio, moved = 0.0, False
        try:
            for k in range(_HALVINGS + 1):
                t = 0.5**k
                _write(parameters, start + t * s)
                decrease = self._decrease(here, t * slope)
                if k == 0:
                    ratio = decrease / promised if promised > 0 else math.copysign(1.0, decrease)
                moved = decrease >= -_SUFFICIENT * t * slope > 0
                if moved:
                    break
        finally:
            if not moved:
                _write(parameters, start)
        return moved, ratio

    def _decrease(self, here: Curvature, slope: float) -> float:
        """Return how much E fell; where that is rounding, by the slopes at both ends."""
        problem, value = self.problem, float(here.value)
        decrease = value - value_or_infinity(problem)
        unit = torch.finfo(here.value.dtype).eps * abs(value)
        if abs(slope) > _ROUNDING * unit or not math.isfinite(decrease):
            return decrease
        there = self._here()
        return -slope if there.gradient.norm() < here.gradient.norm() else slope

    def _adapt(self, ratio: float) -> None:
        """Change the damping by how well the quadratic model predicted the decrease."""
        if ratio > 0:
            self.damping *= max(1 / 3, 1 - (2 * ratio - 1) ** 3)
            self._growth = 2.0
        else:
            self.damping *= self._growth
            self._growth *= 2


def _damped(here: Curvature, damping: float, v: Tensor) -> Tensor:
    return here.product(v) + damping * v


def _write(parameters: list[torch.nn.Parameter], values: Tensor) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, split(values, parameters), strict=True):
            parameter.copy_(value)


def _message(tol: float, norm: float, steps: int) -> str:
    return (
        f"GaussNewton: expected a gradient of norm {tol:.3g} or less; got {norm:.3g} after {steps} "
        "steps. Use float64, a larger max_iter, or a larger tol."
    )
