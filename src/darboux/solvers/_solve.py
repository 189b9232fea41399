"""Fixed points x = g(x) of a batch, with derivatives by the implicit function theorem."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from darboux.solvers._convergence import Map, Numbers, Target, beginning, entries, norms, numbers
from darboux.solvers._iterations import anderson, fixed_point
from darboux.solvers._linearised import Dense, Linearised, MatrixFree
from darboux.solvers._newton import Linearise, continuation, newton
from darboux.solvers._transforms import hidden, is_differentiated, nesting, without_autocast
from darboux.structure._arguments import Count, Natural, Within, checked

Method = Literal["auto", "fixed-point", "anderson", "newton"]
"""How an equation is solved; "auto" picks by what is known of it."""

_DENSE = 256  # unknowns of a sample, up to which its matrix is factorised

_RATE = 0.3  # contraction up to which plain iteration is the cheaper one

_TOLERANCE = 8.0  # units of rounding

_COMPILED = (
    "solve: expected eager execution; got torch.compile with fullgraph=True, but the number of "
    "iterations depends on the values. Use fullgraph=False, or an explicit method."
)


_Tolerance = Annotated[float, Within("a relative tolerance strictly in (0, 1)", above=0, below=1)]


@checked
def solve(
    g: Map,
    guess: Tensor,
    *,
    method: Method = "auto",
    tol: _Tolerance | None = None,
    max_iter: Count = 50,
    context: str = "solve",
    scale: Tensor | None = None,
    dense: Natural = _DENSE,
) -> Tensor:
    """Return x with x = g(x), differentiable in everything that g closes over.

    "fixed-point" iterates x <- g(x), and "anderson" accelerates that, which pays where g
    contracts slowly; "newton" takes damped Newton steps, with the Jacobian of
    each sample up to `dense` unknowns and GMRES beyond, and where they lead nowhere follows the
    solution of x = x_0 + λ (g(x) - x_0) from the guess x_0; "auto" iterates as long as that
    contracts well, and goes on with Newton's method for the samples that converge slowly.

    Derivatives of first and second order, in reverse and forward mode, are exact, by the
    implicit function theorem; those of third and higher order are **not**. None reaches the
    guess, on which x does not depend. What is smooth is meant: at kinks of g an element of
    the generalised derivative is taken.

    Shapes: guess and g(x) are (batch, ...); samples are independent of each other, each
    converges on its own and then rests. Computed in the dtype of the guess, without autocast.
    `torch.func.vmap` over the data is refused: use the batch. So is `torch.compile` of one
    whole graph.

    Source: the implicit function theorem; Christianson 1994 for its use in differentiation.

    Args:
        g: the map.
        guess: the first iterate.
        method: "auto", "fixed-point", "anderson" or "newton".
        tol: the error that is allowed, relative to the size of a sample; rounding if None.
        max_iter: the number of iterations of each kind, >= 1.
        context: the name of the caller, for messages.
        scale: a size of each sample, (batch,), below which differences are rounding, where x
            is small beside what g computes with.
        dense: up to how many unknowns the Jacobian of a sample is one matrix.

    Raises:
        ConvergenceError: naming the worst sample, its error, and what to try.
        TypeError: if an argument is of another type.
        ValueError: if an argument makes no sense, or g changes the shape.
        RuntimeError: inside `torch.func.vmap` or a compiled graph.

    Example:
        >>> c = torch.tensor(2.0, requires_grad=True)
        >>> x = solve(lambda x: (x + c / x) / 2, torch.ones(1, 1))
        >>> x, torch.autograd.grad(x.sum(), c)[0]  # √c and its slope 1/(2√c)
        (tensor([[1.4142]], grad_fn=<AddBackward0>), tensor(0.3536))
    """
    return solved(
        g,
        guess,
        method=method,
        tol=tol,
        max_iter=max_iter,
        context=context,
        scale=scale,
        dense=dense,
    )


def solved(g: Map, guess: Tensor, **settings: Any) -> Tensor:
    """Return what `solve` does, of arguments that are known to be sound: once in each step."""
    if torch.compiler.is_compiling():
        raise RuntimeError(_COMPILED)
    _check(guess)
    return hidden(_solved)(g, guess, **settings)


def _solved(
    g: Map,
    guess: Tensor,
    *,
    method: Method = "auto",
    tol: float | None = None,
    max_iter: int = 50,
    context: str = "solve",
    scale: Tensor | None = None,
    dense: int = _DENSE,
) -> Tensor:
    with without_autocast(guess):
        start = guess.detach()
        image = g(start)  # with its graph, which shows whether there is anything to differentiate
        _check_image(image, start)
        if start.numel() == 0:
            return image
        target = Target(_tolerance(tol, start), max_iter, context, _floor(start, scale))
        seen = is_differentiated(image)
        linearise = partial(_linearised, context=context, dense=dense, alone=not seen)
        root = _root(g, start, image.detach(), target, method, linearise)
        return _with_derivatives(g, root, linearise) if seen else root


def _root(
    g: Map, start: Tensor, image: Tensor, target: Target, method: Method, linearise: Linearise
) -> Tensor:
    """Return the fixed point, detached: no_grad does not stop forward mode."""

    def plain(x: Tensor) -> Tensor:
        return g(x).detach()

    with torch.no_grad():
        if method == "anderson":
            return anderson(plain, start, target, image=image).check(target, method)
        progress = beginning(start, np.zeros(len(start), dtype=bool))
        if method != "newton":
            rate = _RATE if method == "auto" else np.inf
            progress = fixed_point(plain, start, target, rate=rate, image=image)
        if method == "fixed-point" or progress.solved.all():
            return progress.check(target, method)
        # what is not finite at the start is so on any way from there
        hopeful = progress.solved | numbers(image.reshape(len(image), -1).isfinite().all(dim=1))
        if not hopeful.all():
            return replace(progress, solved=hopeful).check(target, method)
        # a detached g would hide its derivatives from forward mode
        progress = newton(g, progress, target, linearise)
        if not progress.solved.all():
            progress = continuation(g, start, progress, target, linearise)
        return progress.check(target, "newton")


def _linearised(g: Map, x: Tensor, *, context: str, dense: int, alone: bool) -> Linearised:
    return Dense(g, x, alone=alone) if entries(x) <= dense else MatrixFree(g, x, context=context)


def _with_derivatives(g: Map, root: Tensor, linearise: Linearise) -> Tensor:
    """Return the root x* with the derivatives of x(θ), the solution of x = g(x, θ)."""
    # Let M = (I - g'(x*))⁻¹ be fixed and Φ(x) = x + M (g(x) - x). Then Φ(x(θ)) = x(θ), and
    # Φ' = I - M (I - g'(x)) vanishes at x*, so it is O(dθ) where x - x* is. Hence
    # Φ(x) - x(θ) = Φ'·(x - x(θ)) + O(|x - x(θ)|²): the constant x* is off by O(dθ), Φ(x*) by
    # O(dθ²), and Φ(Φ(x*)) by O(dθ³). Two steps give two orders of derivatives.
    # g(x) - x counts from its present value, which is rounding, so that the value stays x*.
    with torch.no_grad():
        # An outer forward mode applies the rule of an autograd.Function where the inner level
        # does not exist, although g may know tensors of it: only a matrix serves there.
        equation = Dense(g, root) if nesting() > 1 else linearise(g, root)
    x = root
    for _ in range(2):
        x = x + equation.moved(g(x) - x)
    return x


def _tolerance(tol: float | None, x: Tensor) -> float:
    return _TOLERANCE * torch.finfo(x.dtype).eps if tol is None else tol


def _floor(start: Tensor, scale: Tensor | None) -> Numbers:
    floor = np.maximum(numbers(norms(start)), torch.finfo(start.dtype).tiny)
    return floor if scale is None else np.maximum(floor, numbers(scale))


def _check(guess: Tensor) -> None:
    if guess.dim() == 0 or not guess.is_floating_point():
        msg = (
            f"solve: expected a guess of real numbers, (batch, ...); got {guess.dtype} of shape "
            f"{tuple(guess.shape)}. Use unsqueeze(0) or torch.view_as_real."
        )
        raise ValueError(msg)


def _check_image(image: Tensor, x: Tensor) -> None:
    if image.shape != x.shape or image.dtype != x.dtype:
        msg = (
            f"solve: expected g(x) like x, {x.dtype} of shape {tuple(x.shape)}; got {image.dtype} "
            f"of shape {tuple(image.shape)}. Convert what g closes over to the dtype of the guess."
        )
        raise ValueError(msg)
