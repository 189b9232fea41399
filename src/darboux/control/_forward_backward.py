"""Gradient steps on what is smooth, proximal steps on what is not."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, final

import torch
from torch import Tensor

from darboux.control._curvature import flat, split
from darboux.control._line_search import Backtracking, LineSearch, Trial
from darboux.control._nonsmooth import L1, TotalVariation
from darboux.control._problem import NO_VALUE, ControlProblem, value_or_infinity
from darboux.control._regularizer import ProximalRegularizer, WeightedSum
from darboux.control._time import horizon_of
from darboux.solvers import ConvergenceError
from darboux.structure._arguments import Count, Positive, checked

_TRIALS = 200  # sizes of one step

_ROUNDING = 16.0  # units of F within which values do not tell whether it falls

_Kinks = list[tuple[float, ProximalRegularizer]]


class ForwardBackwardStep(NamedTuple):
    """One step: E after it, its residual ‖d‖/s, its size s, and how many sizes were tried.

    Without kinks the residual is ‖∇E‖ before the step.

    Example:
        >>> ForwardBackwardStep(0.5, 1e-3, 0.1, 1).objective
        0.5
    """

    objective: float
    residual: float
    size: float
    trials: int


@final
class ForwardBackward:
    """Minimise a control problem by steps θ <- prox_{sR}(θ - s ∇F(θ)), E = F + R.

    R holds the terms of the regulariser with kinks, `L1`, `TotalVariation` and `Simplex`, and F
    all else; with R = 0 this is gradient descent. A line search finds the size s of each step.
    Accelerated steps start at θ + β(θ - θ_before) with growing β (Beck and Teboulle 2009), and
    from θ with β = 0 anew where E would rise, so that E never does (O'Donoghue and Candès 2015).
    For convex problems E is within O(1/n²) of its minimum after n accelerated steps, else O(1/n).

    Source: section 3.2; Benning et al. 2019.

    Args:
        problem: the objective E and its parameters, which steps change.
        search: `Backtracking` or `Armijo`; `Backtracking()` if None.
        accelerated: whether steps are accelerated.

    Raises:
        TypeError: if an argument is of another type, or the regulariser has steps to keep on a
            simplex that the flow does not learn.
        ValueError: if kinks of θ are no sum of `L1` and `TotalVariation`, whose proximal map is
            known, or belong to parameters that several steps share.

    Example:
        >>> import torch, darboux as dx
        >>> def field():
        ...     return dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> steps = dx.LearnedSteps(4, constraint="none")
        >>> flow = dx.Flow([field() for _ in range(4)], dx.integrators.Euler(), steps=steps)
        >>> z = torch.randn(50, 2)
        >>> goal = torch.stack([z[:, 0], z[:, 0].sin()], dim=1)
        >>> regularizer = 1e-3 * dx.control.TotalVariation() + dx.control.Simplex()
        >>> problem = dx.control.ControlProblem(
        ...     flow, z, lambda y: (y - goal).square().mean(), regularizer
        ... )
        >>> descent = dx.control.ForwardBackward(problem, accelerated=True)
        >>> made = [descent.step() for _ in range(20)]
        >>> made[-1].objective < made[0].objective
        True
        >>> bool((steps.values >= 0).all())
        True
    """

    @checked
    def __init__(
        self,
        problem: ControlProblem,
        *,
        search: LineSearch | None = None,
        accelerated: bool = False,
    ) -> None:
        self.problem = problem
        self.search = Backtracking() if search is None else search
        self.accelerated = accelerated
        terms = () if problem.regularizer is None else problem.regularizer.terms()
        smooth = tuple((w, r) for w, r in terms if not isinstance(r, ProximalRegularizer))
        self._smooth = replace(problem, regularizer=WeightedSum(smooth) if smooth else None)
        self._kinks: _Kinks = [(w, r) for w, r in terms if isinstance(r, ProximalRegularizer)]
        # the proximal map of both is that of the variation, then that of the absolute values
        self._kinks.sort(key=lambda kink: isinstance(kink[1], L1))
        _check_kinks(problem, self._kinks)
        self._parameters = [*problem.parameters().values()]
        kinked = {
            id(p) for _, term in self._kinks for part in term.parts(problem.flow) for p in part
        }
        self._kinked = flat([torch.full_like(p, id(p) in kinked) > 0 for p in self._parameters])
        self._size: float | None = None
        self._before: Tensor | None = None
        self._momentum = 1.0

    def step(self) -> ForwardBackwardStep:
        """Make one step.

        Raises:
            ConvergenceError: if no size is accepted; nothing has been changed.
            FloatingPointError: if F or its gradient is NaN or infinite; nothing has been changed.
        """
        here = self._here()
        try:
            found = self._accelerated(here) if self.accelerated else self._descend()
        except BaseException:  # of the user's own loss, too
            self._move(here)
            raise
        self._before = here
        return found

    @checked
    def minimize(self, *, tol: Positive, max_iter: Count = 10_000) -> list[ForwardBackwardStep]:
        """Make steps until one has a residual of tol or less, and return them.

        Raises:
            ConvergenceError: if that takes more than max_iter steps, or no size is accepted.
            FloatingPointError: if F or its gradient is NaN or infinite.
        """
        steps: list[ForwardBackwardStep] = []
        while not steps or not steps[-1].residual <= tol:
            if len(steps) == max_iter:
                msg = (
                    f"ForwardBackward: expected a residual of {tol:g} within {max_iter} steps; got "
                    f"{steps[-1].residual:.3g}. Allow more steps, use accelerated=True, or add a "
                    "coercive regularizer: without one there may be no minimiser."
                )
                raise ConvergenceError(msg)
            steps.append(self.step())
        return steps

    def _accelerated(self, here: Tensor) -> ForwardBackwardStep:
        """Make a step from further on, or from here where E would rise."""
        with torch.no_grad():
            known = float(self._smooth.objective()) + self._penalty()
        last, self._momentum = self._momentum, 0.5 + math.sqrt(0.25 + self._momentum**2)
        ahead = (last - 1) / self._momentum
        before = here if self._before is None else self._before
        self._move(here + ahead * (here - before))
        with suppress(*NO_VALUE):
            found = self._descend()
            if found.objective <= known:
                return found
        self._momentum = 1.0
        self._move(here)
        return self._descend()

    def _descend(self) -> ForwardBackwardStep:
        """Make a step from the present parameters."""
        start, value = self._here(), self._smooth.objective()
        slopes = torch.autograd.grad(
            value, self._parameters, allow_unused=True, materialize_grads=True
        )
        slope, before, penalty = flat(slopes), float(value.detach()), self._penalty()
        _require_finite(before, slope)
        unit = _ROUNDING * torch.finfo(value.dtype).eps * abs(before)
        size = self.search.first(self._size)
        for trials in range(1, _TRIALS + 1):
            d = self._moved_by(start, slope, size)
            change, rest = value_or_infinity(self._smooth) - before, self._penalty()
            descent, square = torch.stack([slope @ d, d @ d]).tolist()
            trial = Trial(size, change, change + rest - penalty, descent, square)
            if self.search.accepts(trial, unit):
                self._size = size
                residual = float((d / size).norm())
                return ForwardBackwardStep(before + change + rest, residual, size, trials)
            size = self.search.shorter(size)
        msg = (
            f"ForwardBackward: expected a step that goes down; none of {_TRIALS} sizes down to "
            f"{size:.1g} does. Is the loss the same whenever it is evaluated, and smooth?"
        )
        raise ConvergenceError(msg)

    def _moved_by(self, start: Tensor, slope: Tensor, size: float) -> Tensor:
        """Make a trial step, and return d."""
        flow = self.problem.flow
        self._move(start - size * slope)
        with torch.no_grad():
            for weight, term in self._kinks:
                for part in term.parts(flow):
                    moved = term.prox(torch.stack([*part]), weight * size, horizon_of(flow))
                    for parameter, row in zip(part, moved, strict=True):
                        parameter.copy_(row)
        # without kinks d is known, also where rounding leaves little of it or none in θ
        return torch.where(self._kinked, self._here() - start, -size * slope)

    def _penalty(self) -> float:
        with torch.no_grad():
            return sum(weight * float(term(self.problem.flow)) for weight, term in self._kinks)

    def _here(self) -> Tensor:
        return flat([p.detach() for p in self._parameters])

    def _move(self, values: Tensor) -> None:
        with torch.no_grad():
            torch._foreach_copy_([*self._parameters], split(values, self._parameters))


def _require_finite(value: float, slope: Tensor) -> None:
    if math.isfinite(value) and bool(slope.isfinite().all()):
        return
    msg = (
        f"ForwardBackward: expected a finite objective and gradient; got {value:.3g} and a "
        f"gradient of norm {float(slope.norm()):.3g}. Start from other parameters, or "
        "use smaller time steps."
    )
    raise FloatingPointError(msg)


def _check_kinks(problem: ControlProblem, kinks: _Kinks) -> None:
    """Refuse kinks whose proximal maps, one after another, are not that of their sum."""
    kinds: dict[int, set[type]] = {}
    for _, term in kinks:
        parameters = [p for part in term.parts(problem.flow) for p in part]
        if len({id(p) for p in parameters}) < len(parameters):
            msg = (
                f"ForwardBackward: expected parameters of its own for each step with {term!r}; got "
                "fields that share some. Give each step a field of its own, or use L2 or H1."
            )
            raise ValueError(msg)
        for p in parameters:
            kinds.setdefault(id(p), set()).add(type(term))
    for kind in kinds.values():
        if len(kind) > 1 and not kind <= {L1, TotalVariation}:
            names = " and ".join(sorted(each.__name__ for each in kind))
            msg = (
                "ForwardBackward: expected regularisers whose proximal map is known together; got "
                f"{names} on the same parameters. Use one of them, or L1 and TotalVariation."
            )
            raise ValueError(msg)
