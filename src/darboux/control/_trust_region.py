"""Minimisers to full accuracy: a trust region with the whole Hessian, for few parameters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from torch import Tensor

from darboux.control._problem import ControlProblem

Array = NDArray[np.float64]

_GRADIENT = 1e-9  # ‖∇E‖ at the end, in units of max(1, E)

_ROWS = 512  # of the Hessian at a time


class Minimum(NamedTuple):
    """E where a descent ended, ‖∇E‖ and the smallest eigenvalue of ∇²E, in an inner product."""

    value: float
    gradient: float
    coercivity: float

    @property
    def error(self) -> float:
        """About how far the next stationary point is, ∞ if it need not be a minimiser."""
        return self.gradient / self.coercivity if self.coercivity > 0 else np.inf


@final
class Objective:
    """E of a problem in double precision, as a function of all its parameters in one array."""

    def __init__(self, problem: ControlProblem) -> None:
        self._problem = problem
        self._parameters = [*problem.parameters().values()]
        self._sizes = [p.numel() for p in self._parameters]

    def position(self) -> Array:
        """Return where the parameters are."""
        return _array(_flat(self._parameters))

    def with_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return E and ∇E."""
        value = self._value(theta)
        return float(value.detach()), _array(self._gradient(value))

    def hessian(self, theta: Array, basis: Array) -> Array:
        """Return Bᵀ ∇²E B, for a basis B, (parameters, directions)."""
        gradient = self._gradient(self._value(theta), create_graph=True)
        directions = torch.from_numpy(basis.T.copy()).to(gradient)
        rows = torch.cat([self._products(gradient, part) for part in directions.split(_ROWS)])
        hessian = _array(rows) @ basis
        return (hessian + hessian.T) / 2

    def _value(self, theta: Array) -> Tensor:
        values = torch.from_numpy(theta).to(self._parameters[0]).split(self._sizes)
        with torch.no_grad():
            for parameter, part in zip(self._parameters, values, strict=True):
                parameter.copy_(part.view_as(parameter))
        return self._problem.objective()

    def _gradient(self, value: Tensor, *, create_graph: bool = False) -> Tensor:
        found = torch.autograd.grad(
            value, self._parameters, create_graph=create_graph, materialize_grads=True
        )
        return _flat(found)

    def _products(self, gradient: Tensor, rows: Tensor) -> Tensor:
        """Return rows ∇²E, (rows, parameters)."""
        found = torch.autograd.grad(
            gradient,
            self._parameters,
            rows,
            retain_graph=True,
            is_grads_batched=True,
            materialize_grads=True,
        )
        return torch.cat([part.flatten(1) for part in found], dim=1)


def smooth_minimum(objective: Objective, weights: Array, *, max_iter: int) -> Minimum:
    """Move to a local minimiser; Σ_i w_i θ_i² is the square of the norm."""
    scale = np.sqrt(weights)
    start = objective.position() * scale
    return descended(objective, np.diag(1 / scale), start, max_iter=max_iter)[1]


def descended(
    objective: Objective,
    basis: Array,
    start: Array,
    *,
    slope: Array | float = 0.0,
    gram: Array | None = None,
    max_iter: int,
) -> tuple[Array, Minimum]:
    """Return u at a local minimum of E(B u) + slope · u, and that minimum; ‖u‖² = uᵀ gram u."""

    def value_and_gradient(u: Array) -> tuple[float, Array]:
        value, gradient = objective.with_gradient(basis @ u)
        return value + float(np.sum(slope * u)), gradient @ basis + slope

    first, _ = value_and_gradient(start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what is not reached, the result tells
        found = minimize(
            value_and_gradient,
            start,
            jac=True,
            hess=lambda u: objective.hessian(basis @ u, basis),
            method="trust-exact",
            options={"gtol": _GRADIENT * max(1.0, abs(first)), "maxiter": max_iter},
        )
    least = float(eigh(found.hess, gram, eigvals_only=True, subset_by_index=[0, 0])[0])
    u, value, gradient = _polished(value_and_gradient, found.x, found.hess, least)
    dual = gradient if gram is None else np.linalg.solve(gram, gradient)
    return u, Minimum(value, float(np.sqrt(gradient @ dual)), least)


def _polished(
    value_and_gradient: Callable[[Array], tuple[float, Array]],
    u: Array,
    hessian: Array,
    least: float,
) -> tuple[Array, float, Array]:
    """Return the end of a Newton step if ∇E is smaller there; values of E no longer tell."""
    value, gradient = value_and_gradient(u)
    if least > 0:
        further = u - np.linalg.solve(hessian, gradient)
        there, last = value_and_gradient(further)
        if np.linalg.norm(last) < np.linalg.norm(gradient):
            return further, there, last
        value_and_gradient(u)  # puts the parameters back
    return u, value, gradient


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])


def _array(x: Tensor) -> Array:
    return cast("Array", x.detach().cpu().numpy())
