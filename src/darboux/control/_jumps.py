"""Minimisers with a total variation in time: functions with few jumps, found to full accuracy."""

from __future__ import annotations

import numpy as np

from darboux.control._trust_region import Array, Minimum, Objective, descended
from darboux.solvers import ConvergenceError

_SLACK = 1e-6  # of |p| <= μ, relative

_EQUAL = 1e-10  # what differs by less does not jump


def minimum_with_jumps(
    objective: Objective, weights: Array, shape: tuple[int, int], weight: float, *, max_iter: int
) -> Minimum:
    """Move to a local minimiser of E + μ Σ ‖θ_{k+1} - θ_k‖₁, by an active set of jumps.

    The first entries of θ are the function of time, (K, width). For jumps v of given signs, and no
    others, E + μ Σ |v| is smooth. A jump leaves the set where its sign would change, and enters
    it where |∂E/∂v| > μ. Coercivity is that of functions that jump at the same places.
    """
    v = _jumps(objective.position(), shape)
    bounds = np.zeros_like(v)
    bounds[shape[1] : shape[0] * shape[1]] = weight
    signs = np.sign(v) * (bounds > 0)
    summed = _sums(np.eye(len(v)), shape)
    for _ in range(max_iter):
        active = (signs != 0) | (bounds == 0)
        basis = summed[:, active]
        u, found = descended(
            objective,
            basis,
            v[active],
            slope=(bounds * signs)[active],
            gram=basis.T @ (weights[:, None] * basis),
            max_iter=max_iter,
        )
        wrong = u * signs[active] < 0
        if wrong.any():
            v[active] = _until_zero(v[active], u, wrong)
            signs[v == 0] = 0
            continue
        v[active] = u
        derivative = summed.T @ objective.with_gradient(summed @ v)[1]
        excess = np.where(active, 0.0, abs(derivative) - bounds)
        entering = int(excess.argmax())  # one at a time, or two could send each other out for ever
        if excess[entering] <= _SLACK * weight:
            return found
        signs[entering] = -np.sign(derivative[entering])
    msg = (
        f"deep_limit: expected a minimiser whose jumps are found within {max_iter} changes; got "
        f"{np.count_nonzero(signs)} jumps with K = {shape[0]} that still change. Use a larger "
        "weight of TotalVariation, or a larger max_iter."
    )
    raise ConvergenceError(msg)


def _jumps(theta: Array, shape: tuple[int, int]) -> Array:
    """Return θ with its function of time replaced by θ_0, θ_1 - θ_0, ..."""
    found = theta.copy()
    path = theta[: shape[0] * shape[1]].reshape(shape)
    changes = np.diff(path, axis=0)
    changes[abs(changes) <= _EQUAL * (1 + abs(path).max())] = 0
    found[shape[1] : path.size] = changes.ravel()
    return found


def _sums(v: Array, shape: tuple[int, int]) -> Array:
    """Return θ of jumps, column by column."""
    found = v.copy()
    found[: shape[0] * shape[1]] = (
        v[: shape[0] * shape[1]].reshape(*shape, -1).cumsum(axis=0).reshape(-1, v.shape[1])
    )
    return found


def _until_zero(v: Array, u: Array, wrong: Array) -> Array:
    """Return how far the way from v to u goes until the first of some entries is 0."""
    shares = np.where(wrong, v / np.where(wrong, v - u, 1.0), np.inf)
    found = v + shares.min() * (u - v)
    found[shares == shares.min()] = 0
    return found
