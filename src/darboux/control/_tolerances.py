"""Gradients with built-in error: solver tolerances that follow the size of the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import torch
from torch import Tensor

from darboux.structure._arguments import Count, Positive, Within, checked, shown

_FINER = 0.1  # the tolerance that errors are measured with, relative to the present one

_Fraction = Annotated[float, Within("a number in (0, 1)", above=0, below=1)]


@checked
def gradient_tolerances(
    parameters: Iterable[Tensor],
    loss: Callable[[float], Tensor],
    *,
    steps: Count,
    fraction: _Fraction = 0.1,
    first: Positive = 1e-2,
    least: Positive = 1e-10,
    every: Count = 10,
) -> Iterator[float]:
    """Yield a tolerance τ for each step of a training, with ‖g_τ - g‖ <= fraction · ‖g‖.

    A gradient with such an error η = fraction still descends: along steps of 1/L, where L
    bounds the curvature, E falls by (1 - η²) ‖g‖² / 2L or more, 1 % less than with the exact
    gradient for η = 0.1. So tolerances may be loose at first, and have to follow ‖g‖ to 0. The
    error is taken to be proportional to τ. It is measured every few steps against a
    gradient with τ/10, at the cost of two gradients and more where τ has to fall; between them τ
    follows the norm of the gradients that the training leaves in ``.grad``.

    Source: section 3.4.1; Carter 1991; Conn, Gould and Toint 2000, section 8.4.

    Args:
        parameters: of the optimizer.
        loss: τ -> E computed with tolerance τ, (), on the same data every time.
        steps: how many tolerances to yield.
        fraction: η.
        first: the first τ, and the largest.
        least: below which τ never falls.
        every: after how many steps the error is measured again.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a number is out of range, or there are no parameters; later, if the
            training leaves no gradient.
        FloatingPointError: later, if a gradient is not finite.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()).double()
        >>> z = torch.randn(20, 2).double()
        >>> def loss(tolerance):
        ...     method = dx.integrators.DormandPrince(rtol=tolerance, atol=tolerance)
        ...     return (dx.Flow(field, method, steps=1)(z) - z.sin()).square().mean()
        >>> adam = torch.optim.Adam(field.parameters(), lr=0.05)
        >>> tolerances = dx.control.gradient_tolerances(field.parameters(), loss, steps=40)
        >>> losses = dx.solvers.descend(adam, loss, tolerances)
        >>> losses[-1] < losses[0]
        True
    """
    if least > first:
        msg = (
            f"gradient_tolerances: expected `least` of at most `first`; got {least:g} and "
            f"{first:g}. Give a smaller `least`."
        )
        raise ValueError(msg)
    given = [parameters] if isinstance(parameters, Tensor) else [*parameters]
    if not all(isinstance(p, Tensor) for p in given):
        msg = f"gradient_tolerances: expected parameters, which are tensors; got {shown(given)}."
        raise TypeError(msg)
    chosen = [p for p in given if p.requires_grad]
    if not chosen:
        msg = "gradient_tolerances: expected parameters with requires_grad; got none."
        raise ValueError(msg)
    return _tolerances(chosen, loss, range(steps), fraction, (least, first), every)


def _tolerances(
    parameters: list[Tensor],
    loss: Callable[[float], Tensor],
    steps: range,
    fraction: float,
    limits: tuple[float, float],
    every: int,
) -> Iterator[float]:
    least, tolerance = limits
    slope = 0.0  # of the error over τ
    for step in steps:
        if step % every == 0:
            slope, norm = _measured(parameters, loss, tolerance, fraction, least)
        else:
            norm = _norm_of_last(parameters)
        allowed = fraction * norm / slope if slope > 0 else math.inf
        tolerance = min(max(allowed, least), limits[1])
        yield tolerance


def _measured(
    parameters: list[Tensor],
    loss: Callable[[float], Tensor],
    tolerance: float,
    fraction: float,
    least: float,
) -> tuple[float, float]:
    """Return error/τ and ‖g‖, where the error is small enough."""
    coarse = _gradient(parameters, loss, tolerance)
    while True:
        fine = _gradient(parameters, loss, _FINER * tolerance)
        slope = float((coarse - fine).norm()) / (tolerance - _FINER * tolerance)
        norm = float(fine.norm())
        if slope * tolerance <= fraction * norm or tolerance <= least:
            return slope, norm
        tolerance, coarse = _FINER * tolerance, fine


def _gradient(
    parameters: list[Tensor], loss: Callable[[float], Tensor], tolerance: float
) -> Tensor:
    found = torch.autograd.grad(loss(tolerance), parameters, materialize_grads=True)
    gradient = torch.cat([part.flatten() for part in found])
    if not bool(gradient.isfinite().all()):
        msg = (
            f"gradient_tolerances: expected finite gradients; got others with τ = {tolerance:g}. "
            "Use a smaller learning rate, or a smaller `first`."
        )
        raise FloatingPointError(msg)
    return gradient


def _norm_of_last(parameters: list[Tensor]) -> float:
    """Return the norm of what the last step of the training left in ``.grad``."""
    found = [p.grad.flatten() for p in parameters if p.grad is not None]
    if not found:
        msg = (
            "gradient_tolerances: expected the gradient of the last step in .grad; got none. Take "
            "a step of the optimizer for each tolerance, and zero gradients before it only."
        )
        raise ValueError(msg)
    return float(torch.cat(found).norm())
