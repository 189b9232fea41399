"""Deep limits: what minimisers and minimal values do as the number of steps grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from darboux.control._jumps import minimum_with_jumps
from darboux.control._nonsmooth import TotalVariation
from darboux.control._problem import ControlProblem
from darboux.control._prolong import prolong
from darboux.control._regularizer import ProximalRegularizer, Regularizer
from darboux.control._time import parameters_in_time, stacked
from darboux.control._trust_region import Minimum, Objective, smooth_minimum
from darboux.flow import Flow, UniformSteps
from darboux.solvers import ConvergenceError
from darboux.structure._arguments import Count, Measured, checked

_MOST = 5000  # parameters, whose Hessian fits into memory

_RESOLVED = 0.01  # the largest error of minimisers, relative to their differences


@final
@checked
@dataclass(frozen=True, eq=False)
class DeepLimit:
    """What `deep_limit` found, from the fewest steps to the most.

    All norms are those of L²(0, T): ‖θ^(K)‖² = Σ_k h ‖θ_k‖², with θ^(K)(t) = θ_k on
    [t_k, t_{k+1}).

    Source: sections 3.3 and 3.4.3.

    Args:
        problems: the problem for each K, its parameters at the minimiser.
        values: E^(K)(θ^(K)), the minimal values.
        coercivity: the smallest eigenvalues of ∇²E^(K) at the minimisers, in the inner product of
            L²; parameters of the loss count as they are.
        errors: ‖∇E^(K)‖ / coercivity, about how far the exact minimisers are; ∞ if the Hessian is
            not positive definite, and nothing is known.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(1, 1), dx.activations.Tanh())
        >>> flow = dx.Flow([field], dx.integrators.Euler()).double()
        >>> z = torch.linspace(-1, 1, 5).double()[:, None]
        >>> problem = dx.control.ControlProblem(
        ...     flow, z, lambda y: (y - 2 * z).square().mean(), 0.01 * dx.control.H1()
        ... )
        >>> found = dx.control.deep_limit(problem, (4, 8, 16))
        >>> found.depths, found.resolved
        ((4, 8, 16), True)
    """

    problems: tuple[ControlProblem, ...]
    values: tuple[Measured, ...]
    coercivity: tuple[Measured, ...]
    errors: tuple[Measured, ...]

    @property
    def depths(self) -> tuple[int, ...]:
        """K."""
        return tuple(len(problem.flow.fields) for problem in self.problems)

    @property
    def value_differences(self) -> tuple[float, ...]:
        """|E^(K) - E^(K')| for neighbours K < K'."""
        return tuple(abs(b - a) for a, b in pairwise(self.values))

    @property
    def distances(self) -> tuple[float, ...]:
        """‖θ^(K) - θ^(K')‖ for neighbours K < K'."""
        return tuple(distance(a.flow, b.flow) for a, b in pairwise(self.problems))

    @property
    def distances_to_finest(self) -> tuple[float, ...]:
        """‖θ^(K) - θ^(K*)‖ for the largest K*, at which it is 0."""
        finest = self.problems[-1].flow
        return tuple(distance(problem.flow, finest) for problem in self.problems)

    @property
    def resolved(self) -> bool:
        """Whether each minimiser is known to 1 % of the smallest distance between neighbours."""
        return max(self.errors) <= _RESOLVED * min(self.distances)

    def rates(self, least: int = 8) -> tuple[float, float]:
        """Return p of |E^(K) - E^(K')| ~ K^-p and of ‖θ^(K) - θ^(K')‖ ~ K^-p, fitted to K >= least.

        Raises:
            ConvergenceError: if the minimisers are not resolved.
            ValueError: if fewer than two differences have such a K.
        """
        if not self.resolved:
            msg = (
                f"DeepLimit: expected minimisers known to {_RESOLVED:.0%} of their distances, at "
                f"least {min(self.distances):.1e}; got errors up to {max(self.errors):.1e}. Where "
                "the Hessian is not positive definite, minimisers are not isolated, and there is "
                "no rate: use a larger weight of the regulariser."
            )
            raise ConvergenceError(msg)
        ks = [k for k in self.depths[:-1] if k >= least]
        if len(ks) < 2:
            msg = (
                f"DeepLimit: expected two differences of K >= {least} or more; got depths "
                f"{self.depths}. Use more depths, or a smaller `least`."
            )
            raise ValueError(msg)
        return _slope(ks, self.value_differences), _slope(ks, self.distances)


@checked
def deep_limit(
    problem: ControlProblem,
    depths: Sequence[Count],
    *,
    start: Callable[[int], Flow] | None = None,
    max_iter: Count = 200,
) -> DeepLimit:
    """Minimise E^(K) for flows of more and more steps, and compare their minimisers in L²(0, T).

    The first minimisation starts with the flow of the problem, prolonged where it has fewer
    steps; each later one with the minimiser before, prolonged. Theorem 3.3 says
    that with a regulariser in H¹ minimal values converge and minimisers accumulate at those of
    the limit. If ∇²E^(K) >= c > 0 in L², near the minimisers and for all K, they converge
    at rates, which differences between neighbours show: for Euler, 1/K both. Minimisers are local
    ones, found by a trust region with the whole Hessian, so for thousands of parameters at most.
    The problem that is given keeps its parameters.

    Source: section 3.3, Theorem 3.3; section 3.4.3; Thorpe and van Gennip 2018.

    Args:
        problem: in double precision, twice differentiable, with equal steps.
        depths: increasing numbers of steps K, each a multiple of the one before.
        start: K -> the flow with which the minimisation for K starts; prolonged if None.
        max_iter: steps of the trust region for each K.

    Raises:
        TypeError: if steps are not equal.
        ValueError: if depths are no such numbers, fields share parameters, or parameters are too
            many or not in double precision.
        ConvergenceError: if the jumps of a minimiser with a total variation are not found.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(1, 1), dx.activations.Tanh())
        >>> flow = dx.Flow([field], dx.integrators.Euler()).double()
        >>> z = torch.linspace(-1, 1, 5).double()[:, None]
        >>> problem = dx.control.ControlProblem(
        ...     flow, z, lambda y: (y - 2 * z).square().mean(), 0.01 * dx.control.H1()
        ... )
        >>> rates = dx.control.deep_limit(problem, (4, 8, 16, 32)).rates()
        >>> [0.8 < rate < 1.3 for rate in rates]
        [True, True]
    """
    _check_depths(problem.flow, depths)
    _check_loss(problem)
    problems: list[ControlProblem] = []
    minima: list[Minimum] = []
    current = replace(problem, loss=deepcopy(problem.loss))
    for depth in depths:
        flow = _started(current.flow, depth) if start is None else deepcopy(start(depth))
        current = replace(problem, flow=flow, loss=deepcopy(current.loss))
        _check_parameters(current, depth, _horizon(problem.flow))
        minima.append(_minimised(current, max_iter))
        problems.append(current)
    return DeepLimit(
        tuple(problems),
        values=tuple(found.value for found in minima),
        coercivity=tuple(found.coercivity for found in minima),
        errors=tuple(found.error for found in minima),
    )


def _minimised(problem: ControlProblem, max_iter: int) -> Minimum:
    """Move the parameters to a minimiser, in the norm of L² for those of the flow."""
    depth = len(problem.flow.fields)
    names = problem.parameters()
    sizes = [p.numel() for p in names.values()]
    kinds = [name.startswith("flow.") for name in names]
    weights = np.repeat(np.where(kinds, _horizon(problem.flow) / depth, 1.0), sizes)
    smooth, variation = _without_variation(problem.regularizer)
    objective = Objective(replace(problem, regularizer=smooth))
    if variation == 0:
        return smooth_minimum(objective, weights, max_iter=max_iter)
    shape = depth, sum(values[0].numel() for values in parameters_in_time(problem.flow))
    return minimum_with_jumps(objective, weights, shape, variation, max_iter=max_iter)


def _without_variation(regularizer: Regularizer | None) -> tuple[Regularizer | None, float]:
    """Return the smooth part of R, and the weight of the total variation in it."""
    smooth: Regularizer | None = None
    variation = 0.0
    for weight, term in () if regularizer is None else regularizer.terms():
        if isinstance(term, TotalVariation):
            variation += weight
        elif isinstance(term, ProximalRegularizer):
            msg = (
                f"deep_limit: expected a regulariser with two derivatives, or a multiple of "
                f"TotalVariation; got {term!r}. Use L2 or H1."
            )
            raise TypeError(msg)
        else:
            smooth = weight * term if smooth is None else smooth + weight * term
    return smooth, variation


def distance(a: Flow, b: Flow) -> float:
    """Return ‖θ_a - θ_b‖ in L²(0, T), where b has a multiple of the steps of a."""
    one, two = _path(a), _path(b)
    difference = two - one.repeat_interleave(len(two) // len(one), dim=0)
    return math.sqrt(_horizon(b) * float(difference.square().sum(dim=1).mean()))


def _path(flow: Flow) -> Tensor:
    """Return θ_k, (K, parameters of a field)."""
    return torch.cat([values.detach().flatten(1) for values in stacked(flow)], dim=1)


def _started(flow: Flow, depth: int) -> Flow:
    return prolong(flow, depth // len(flow.fields))


def _slope(ks: Sequence[int], values: Sequence[float]) -> float:
    """Return p of values ~ K^-p by least squares in logarithms; the last values belong to ks."""
    return -float(np.polyfit(np.log(ks), np.log(values[-len(ks) :]), 1)[0])


def _horizon(flow: Flow) -> float:
    """Return T, or refuse steps that are not equal."""
    if not isinstance(flow.rule, UniformSteps):
        msg = (
            f"deep_limit: expected equal steps, h = T/K; got {flow.rule!r}. Leave steps out, or "
            "give a horizon."
        )
        raise TypeError(msg)
    return flow.rule.horizon


def _check_depths(flow: Flow, depths: Sequence[int]) -> None:
    each = [len(flow.fields), *depths]
    grows = len(depths) > 1 and all(b % a == 0 for a, b in pairwise(each))
    if not grows or flow.shared or any(a == b for a, b in pairwise(depths)):
        msg = (
            f"deep_limit: expected a flow with one field a step, and two depths or more, each a "
            f"multiple of the one before and the first of {len(flow.fields)}, the fields of the "
            f"flow; got {tuple(depths)}. Use (4, 8, 16, 32), for instance."
        )
        raise ValueError(msg)


def _check_loss(problem: ControlProblem) -> None:
    loss = problem.loss.parameters() if isinstance(problem.loss, nn.Module) else ()
    if not {*loss}.isdisjoint(problem.flow.parameters()):
        msg = (
            "deep_limit: expected a loss with parameters of its own; got one that has some of the "
            "flow, which are others for each K. Make R of what depends on them: a Regularizer."
        )
        raise ValueError(msg)


def _check_parameters(problem: ControlProblem, depth: int, horizon: float) -> None:
    fields, end = problem.flow.fields, _horizon(problem.flow)
    if len(fields) != depth or end != horizon:
        msg = (
            f"deep_limit: expected a start with {depth} fields and the horizon {horizon:g}; got "
            f"{len(fields)} and {end:g}."
        )
        raise ValueError(msg)
    own = [p for field in fields for p in field.parameters() if p.requires_grad]
    if len(own) != len({id(p) for p in own}):
        msg = (
            "deep_limit: expected fields with parameters of their own, which are functions of "
            "time; got some that fields share. Copy them, or make them parameters of the loss."
        )
        raise ValueError(msg)
    parameters = problem.parameters().values()
    count = sum(p.numel() for p in parameters)
    if any(p.dtype != torch.float64 for p in parameters):
        msg = (
            "deep_limit: expected parameters in float64, in which small differences of minimal "
            "values can be seen; got another type. Use flow.double() and data in float64."
        )
        raise ValueError(msg)
    if count > _MOST:
        msg = (
            f"deep_limit: expected at most {_MOST} parameters, whose Hessian is computed; got "
            f"{count}. Use fewer features or smaller depths."
        )
        raise ValueError(msg)
