"""The adaptive method of Radau IIA for stiff problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from torch import Tensor

from darboux.gradients import Stack
from darboux.integrators._adaptive import Adaptive, Longest
from darboux.integrators._implicit_runge_kutta import StageEquations, matrix
from darboux.integrators._outputs import Between, along
from darboux.integrators._path import Path
from darboux.integrators._radau_newton import flat
from darboux.integrators._radau_stages import COEFFICIENTS, NODES, ahead
from darboux.integrators._radau_tries import RadauTries, states_between
from darboux.integrators._step_control import Tolerance, Tries
from darboux.solvers._convergence import Numbers, like, norms
from darboux.solvers._solve import solved
from darboux.structure._arguments import Count, NonNegative, Positive, checked


@final
@checked
@dataclass(frozen=True, kw_only=True)
class AdaptiveRadau(Adaptive):
    """The method of Radau IIA of order 5 for stiff fields, which picks its steps.

    Z_i = h Σ_j a_ij f(t + c_j h, z + Z_j), i = 1, 2, 3,  z' = z + Z_3,

    by simplified Newton iterations, whose Jacobian f' and inverses are kept as long as they serve.
    The error of order 3, (γ - h f')⁻¹(h f(t, z) + Σ_i e_i Z_i) over atol + rtol max(|z|, |z'|) in
    the root mean square, is at most 1. A-stable, and damped at infinity: fast modes that have
    died away do not make steps short. It is the method of SciPy's ``Radau``.

    **Every sample has its own steps**: the first axis is that of independent samples, and what
    one of them gives does not depend on the others. So the field is called with one time for
    each sample, a tensor (batch, 1, ..., 1) that broadcasts against z. f' is one matrix for each
    sample, of at most 512 entries: that of autograd, or of differences where f leaves torch.

    The steps are searched without derivatives. Where some are wanted, the stages of the accepted
    steps are solved to rounding, which changes values by less than the tolerance, and derivatives
    of first and second order are theirs, by the implicit function theorem.

    `torch.func.vmap` over samples and `torch.compile` of one whole graph are refused, because
    the steps depend on values. Autocast is switched off inside.

    Shapes: z and f(t, z) are (batch, channels, *space), or any shape whose first axis is that
    of independent samples. The dtype and the device follow z; time is kept in float64.

    Source: section 2.2; Hairer and Wanner, Solving Ordinary Differential Equations II, IV.8.

    Args:
        rtol: the error of one step that is allowed, relative to each entry; less than 4 eps of
            the dtype counts as that.
        atol: the absolute part of it.
        max_steps: how many steps a sample may try in one call.
        min_step: how short steps may become; rounding of t if 0.
        max_step: how long steps may become.
        first_step: the length of the first one; found by one evaluation if None.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
        >>> def van_der_pol(t, z):
        ...     x, v = z.unbind(1)
        ...     return torch.stack([v, 1000 * (1 - x * x) * v - x], dim=1)
        >>> AdaptiveRadau().step(van_der_pol, 0.0, 2000.0, z)[0, 0]
        tensor(1.7062, dtype=torch.float64)
    """

    rtol: NonNegative = 1e-6
    atol: NonNegative = 1e-8
    max_steps: Count = 10_000
    min_step: NonNegative = 0.0
    max_step: Longest = float("inf")
    first_step: Positive | None = None

    order = 5
    b_stable = False  # of each step; steps depend on z

    def tries(self, path: Path, tolerance: Tolerance) -> Tries:
        """Return how steps are tried."""
        return RadauTries(path, tolerance)

    def begin(self, z: Tensor, first: Tensor) -> Stack:
        """Return z and a guess of the increments of the first step."""
        del first
        return z, z.new_zeros(len(z), 3, *z.shape[1:])

    def substep(
        self, path: Path, places: Numbers, k: int, stack: Stack, *, dense: bool
    ) -> tuple[Stack, Between]:
        """Return z and the next guess after step k, and the states within it."""
        del dense
        z, guess = stack
        rows, sizes = matrix(COEFFICIENTS, z), np.diff(places, axis=1)
        begin, h = like(places[:, k], z), like(sizes[:, k], z) * path.h
        times = tuple(along(path.clock(begin) + node * h, z) for node in NODES)
        equations = StageEquations(path.field, times, along(h, rows.expand(1, 3, 3)), z, rows)
        increments = solved(
            equations.increments,
            guess.detach(),
            method="newton",
            context=repr(self),
            scale=norms(z.detach()),
            dense=3 * flat(z).shape[1],
        )
        joined = flat(increments)
        if k + 1 < sizes.shape[1]:
            ratio = sizes[:, k + 1] / np.where(sizes[:, k] > 0, sizes[:, k], 1.0)
            weight = along(like(ratio, z), joined)
            guess = (weight * ahead(joined.detach(), ratio)).reshape(guess.shape)
        return (z + increments[:, 2], guess), partial(states_between, z, joined)
