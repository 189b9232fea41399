"""Conjugate gradients on manifolds, with a line search."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from darboux.optim._base import NOT_FINITE, evaluated, needed
from darboux.optim._motions import Flat
from darboux.optim._optimizer import Group, ManifoldOptimizer, Parameters
from darboux.optim._stacks import Stack
from darboux.structure._arguments import Count, NonNegative, Positive, checked

_SUFFICIENT = 1e-4  # of the decrease that the slope promises
_TRIALS = 15
_NEAR = 0.9, 1.1  # of the minimum of the parabola

Vectors = list[Tensor]


@final
class RiemannianCG(ManifoldOptimizer):
    """Conjugate gradients with a line search, for losses that are the same at each evaluation.

    d_k = -grad f(x_k) + β τ(d_{k-1}), x_{k+1} = R(α d_k), with
    β = max(0, min(β_HS, β_DY)) of Hestenes and Stiefel, Dai and Yuan, and α near the minimum of
    the loss along the curve, found by parabolas; -grad f(x_k) alone where d_k is no descent. All
    parameters of all groups are one point of a product manifold, with one α.

    A call of `step` makes up to `max_iter` iterations, begins with the gradient, and keeps
    nothing for the next call. It stops where the gradient is small, or the loss falls no more.

    Shapes: parameters (*batch, *shape) hold points of a manifold of that shape.

    Source: section 6.2.1; Absil, Mahony and Sepulchre, Optimization algorithms on matrix
    manifolds, 2008; Sakai and Iiduka, hybrid Riemannian conjugate gradient methods, 2021.

    Args:
        params: parameters, or groups of them: {"params": ..., "manifold": ...}.
        lr: the length of the first trial step, if the gradient is longer than 1.
        max_iter: the number of iterations of one step.
        tolerance_grad: the length of the gradient at which they stop.
        foreach: whether equal parameters are stepped together.

    Raises:
        TypeError: if an argument is of another type, a manifold is none, or `step` is called
            without a closure.
        ValueError: if a number is out of range, or a parameter is no point of its manifold.
        FloatingPointError: by `step`, if loss or gradient are not finite where it begins.

    Example:
        >>> import torch, darboux as dx
        >>> grassmann, a = dx.manifolds.Grassmann(6, 2), torch.diag(torch.arange(6.0))
        >>> w = torch.nn.Parameter(grassmann.random_point())
        >>> cg = dx.optim.RiemannianCG([{"params": [w], "manifold": grassmann}], max_iter=50)
        >>> def closure():
        ...     cg.zero_grad()
        ...     loss = -(w.T @ a @ w).trace()
        ...     loss.backward()
        ...     return loss
        >>> _ = cg.step(closure)
        >>> round(closure().item(), 4)
        -9.0
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: Positive = 1.0,
        *,
        max_iter: Count = 20,
        tolerance_grad: NonNegative = 1e-7,
        foreach: bool = True,
    ) -> None:
        defaults: Group = {
            **{"lr": lr, "max_iter": max_iter, "tolerance_grad": tolerance_grad},
            **{"foreach": foreach, "shared_storage": False},
        }
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to `max_iter` iterations, and return the loss before the first.

        Raises:
            TypeError: if there is no closure.
            FloatingPointError: if loss or gradient are not finite where it begins.
        """
        again = needed(self, closure, "A line search evaluates it again.")
        loss = evaluated(again)
        with torch.no_grad():
            _Descent(self._pieces(), again).run(_number(loss), self.param_groups[0])
        return loss

    def _pieces(self) -> list[tuple[Stack, Group]]:
        """Return all stacks of parameters with gradients, those on no manifold one by one."""
        pieces: list[tuple[Stack, Group]] = []
        for index, group in enumerate(self.param_groups):
            known = self._grouping(index, group, [p.grad for p in group["params"]])
            places = {p: i for i, p in enumerate(group["params"])}
            flat = [Stack(Flat(), {places[p]: p}, shared=False) for p in known.flat]
            pieces += [(stack, group) for stack in (*known.stacks, *flat)]
        return pieces


class _Descent:
    """Iterations on the product of all manifolds, whose points and vectors are lists."""

    def __init__(self, pieces: list[tuple[Stack, Group]], closure: Callable[[], Any]) -> None:
        self.pieces = pieces
        self.motions = [stack.motion for stack, _ in pieces]
        self.closure = closure
        self.x = [stack.points().clone() for stack, _ in pieces]

    def run(self, value: float, options: Group) -> None:
        gradient = self.gradient()
        v, square = gradient, self.inner(gradient, gradient)
        if not math.isfinite(value + square):
            raise FloatingPointError(NOT_FINITE)
        trial = options["lr"] / max(1.0, math.sqrt(square))
        for _ in range(options["max_iter"]):
            if math.sqrt(square) <= options["tolerance_grad"]:
                return
            slope = -self.inner(gradient, v)
            if not slope < 0:
                v, slope = gradient, -square
            before = self.x
            step, value = self.searched(v, value, slope, trial)
            if step == 0:
                return
            v, gradient, square = self.turned(before, v, gradient, square, slope)
            trial = step * min(10.0, -slope / max(self.inner(gradient, v), _SUFFICIENT * -slope))

    def turned(
        self, before: Vectors, v: Vectors, gradient: Vectors, square: float, slope: float
    ) -> tuple[Vectors, Vectors, float]:
        """Return direction, gradient and its square at the new point."""
        v, old = self.carried(before, v), self.carried(before, gradient)
        gradient = self.gradient()
        square = self.inner(gradient, gradient)
        change = -slope - self.inner(gradient, v)
        stiefel = square - self.inner(gradient, old)
        beta = max(0.0, min(stiefel, square) / change) if change > 0 else 0.0
        return [g.add(u, alpha=beta) for g, u in zip(gradient, v, strict=True)], gradient, square

    def searched(self, v: Vectors, value: float, slope: float, trial: float) -> tuple[float, float]:
        """Move to a point with a smaller loss, and return the step and the loss; 0 if none is."""
        start, best = self.x, (0.0, value)
        for count in range(_TRIALS):
            found = self.tried(start, v, trial)
            bend = found - value - slope * trial
            guess = -slope * trial**2 / (2 * bend) if bend > 0 else math.inf
            if found < best[1] and found <= value + _SUFFICIENT * slope * trial:
                best = trial, found
                if (count > 0 and guess <= 4 * trial) or _NEAR[0] <= guess / trial <= _NEAR[1]:
                    return best
            elif best[0] > 0:  # the guess was worse
                break
            trial = min(max(guess, 0.1 * trial), 4 * trial)
        if best[0] == 0:
            self.put(start)
        else:
            self.tried(start, v, best[0])
        return best

    def tried(self, start: Vectors, v: Vectors, h: float) -> float:
        """Move from a point by -h v, and return the loss there."""
        try:
            moved = zip(self.motions, start, v, strict=True)
            self.put([motion.moved(x, u, h) for motion, x, u in moved])
        except FloatingPointError:
            return math.inf
        with torch.enable_grad():
            value = _number(self.closure())
        return value if math.isfinite(value) else math.inf

    def put(self, points: Vectors) -> None:
        """Set all parameters."""
        self.x = points
        for (stack, _), x in zip(self.pieces, points, strict=True):
            stack.write(x)

    def gradient(self) -> Vectors:
        """Return the Riemannian gradient, of the partial derivatives that the closure left."""
        return [
            stack.motion.gradient(x, stack.gradients([p.grad for p in group["params"]]))
            for (stack, group), x in zip(self.pieces, self.x, strict=True)
        ]

    def inner(self, u: Vectors, v: Vectors) -> float:
        """Return the inner product at the present point."""
        each = zip(self.motions, self.x, u, v, strict=True)
        return sum(float(motion.inner(x, a, b).sum()) for motion, x, a, b in each)

    def carried(self, before: Vectors, u: Vectors) -> Vectors:
        """Return tangent vectors at another point, brought here."""
        each = zip(self.motions, before, self.x, u, strict=True)
        return [motion.brought(y, motion.carried(x, y, a)) for motion, x, y, a in each]


def _number(loss: Any) -> float:
    return float(loss.detach() if isinstance(loss, Tensor) else loss)
