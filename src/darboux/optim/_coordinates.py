"""The discrete gradient of Itoh and Abe along coordinates, by values of the loss alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy.optimize import brentq
from torch import Tensor

from darboux.optim._closure_energy import ClosureEnergy
from darboux.solvers._convergence import ConvergenceError

_DOUBLINGS = 100


def coordinatewise(
    energy: ClosureEnergy, z: Tensor, value: float, steps: Tensor, reach: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the row after one step, and how far each coordinate went.

    z_i' = z_i - h_i (E(w_i) - E(w_{i-1}))/(z_i' - z_i) for one i after the other, where w_i has
    the first i coordinates of z' and the others of z. Of the solutions one next to which E falls
    by a little more than (z_i' - z_i)²/h_i is taken, and z_i' = z_i where there is none.

    Args:
        energy: E.
        z: the row, (1, n).
        value: E(z).
        steps: h, (n,).
        reach: how far to look for z_i' at first, (n,), > 0.
    """
    z, reach = z.clone(), reach.clone()
    for i, (h, first) in enumerate(zip(steps.tolist(), reach.tolist(), strict=True)):
        if h == 0:
            continue
        line = _Line(energy, z, i, value, h)
        alpha = _solution(line, first, torch.finfo(z.dtype).eps * max(abs(line.start), first))
        value = line.put(alpha)
        if alpha != 0:
            reach[i] = abs(alpha)
    return z, reach


class _Line:
    """α -> E(z + α e) - E(z) + α²/h, in whose zeros a coordinate ends."""

    def __init__(self, energy: ClosureEnergy, z: Tensor, i: int, value: float, h: float) -> None:
        self.energy, self.z, self.i, self.value, self.h = energy, z, i, value, h
        self.start = z[0, i].item()
        self.known = {0.0: value}

    def put(self, alpha: float) -> float:
        """Move the coordinate, and return the loss there."""
        self.z[0, self.i] = self.start + alpha
        return self.known[alpha]

    def __call__(self, alpha: float) -> float:
        self.z[0, self.i] = self.start + alpha
        self.known[alpha] = self.energy(self.z).item()
        moved = self.z[0, self.i].item() - self.start  # what rounding leaves of α
        rise = self.known[alpha] - self.value + moved * moved / self.h
        return math.inf if math.isnan(rise) else rise


def _solution(line: _Line, first: float, least: float) -> float:
    """Return the last α before a zero where the function is not positive; 0 if it is nowhere."""
    size = first
    while size > least:
        for inside in (size, -size):
            if line(inside) < 0:
                return _before_zero(line, inside)
        size /= 8
    return 0.0


def _before_zero(line: Callable[[float], float], inside: float) -> float:
    below, outside = inside, 2 * inside
    for _ in range(_DOUBLINGS):
        if line(outside) > 0:
            break
        below, outside = outside, 2 * outside
    else:
        msg = (
            "DiscreteGradientDescent: expected a loss that is bounded below; got one that falls "
            f"along a coordinate as far as {outside:.3g}. Nothing was changed."
        )
        raise ConvergenceError(msg)
    seen = [below]

    def noted(alpha: float) -> float:
        value = line(alpha)
        if value <= 0:
            seen.append(alpha)
        return min(value, 1e300)

    brentq(noted, below, outside, xtol=abs(outside) * 1e-15, rtol=1e-14, disp=False)
    return max(seen, key=abs)
