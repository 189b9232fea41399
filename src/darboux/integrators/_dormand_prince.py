"""The adaptive method of Dormand and Prince."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import final

import numpy as np
from torch import Tensor

from darboux.integrators._adaptive import Adaptive
from darboux.integrators._dormand_prince_pair import embedded_step, interpolated, plain_step
from darboux.integrators._outputs import Outputs, Slope, along
from darboux.integrators._path import Path
from darboux.integrators._step_control import Tolerance, Tries, Try, Walk
from darboux.solvers._convergence import Numbers, like
from darboux.structure._arguments import Count, NonNegative, checked

_SAFETY = 0.9

_SHRINK, _GROW = 0.2, 10.0  # of one step to the next


@final
@checked
@dataclass(frozen=True, kw_only=True)
class DormandPrince(Adaptive):
    """The method of order 5 with an embedded one of order 4, which picks its steps.

    A `step` from t to t + h takes as many smaller steps as the tolerance asks for: the difference
    of the two results, over atol + rtol max(|z|, |z'|) in the root mean square, is at most 1. The
    last slope of a step is the first one of the next. They are the steps of torchdiffeq's dopri5.

    **Every sample has its own steps**: the first axis is that of independent samples, and what
    one of them gives does not depend on the others. So the field is called with one time for
    each sample, a tensor (batch, 1, ..., 1) that broadcasts against z.

    The steps are searched without derivatives. Where some are wanted, the accepted steps are
    taken again: derivatives of any order, in reverse and forward mode, are those of the
    numerical solution on its steps, which are kept as fractions of h. Rejected tries have no
    part in them.

    `torch.func.vmap` over samples and `torch.compile` of one whole graph are refused, because
    the steps depend on values. Autocast is switched off inside.

    Shapes: z and f(t, z) are (batch, channels, *space), or any shape whose first axis is that
    of independent samples. The dtype, real or complex, and the device follow z; time is kept in
    float64.

    Source: section 2.2; Dormand and Prince 1980; Shampine 1986; Hairer, Norsett and Wanner,
    Solving Ordinary Differential Equations I, II.4.

    Args:
        rtol: the error of one step that is allowed, relative to each entry; less than 4 eps of
            the dtype counts as that.
        atol: the absolute part of it.
        max_steps: how many steps a sample may try in one call.
        min_step: how short steps may become; rounding of t if 0.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> DormandPrince().step(lambda t, z: -z, 0.0, 2.0, z)  # e⁻² = 0.1353
        tensor([[0.1353]], dtype=torch.float64)
    """

    rtol: NonNegative = 1e-6
    atol: NonNegative = 1e-8
    max_steps: Count = 10_000
    min_step: NonNegative = 0.0

    order = 5

    def tries(self, path: Path, tolerance: Tolerance) -> Tries:
        """Return how steps are tried."""
        del path
        return _Pair(tolerance)

    def taken(
        self, path: Path, places: Numbers, z: Tensor, first: Tensor, outputs: Outputs
    ) -> Tensor:
        """Return the result of given steps, with its derivatives, and those of the outputs."""
        last = places.shape[1] - 2
        for k, (start, end) in enumerate(pairwise(places.T)):
            begin = like(start, z)
            h = like(end - start, z) * path.h
            after, slopes = plain_step(path.slope, path.clock(begin), h, z, first)
            if k < last or outputs.places:
                slopes.append(path.slope(along(path.clock(like(end, z)), z), after))
            outputs.collect(partial(interpolated, z, slopes, h), start, end, z.device)
            z, first = after, slopes[-1]
        return z


@final
class _Pair(Tries):
    """Steps of order 5 with an error of order 4, and what control makes of it."""

    method = "DormandPrince"
    order = 5
    beyond = True
    hint = (
        "Use AdaptiveRadau(), 'radau' in odeint, if the field is stiff there, RadauIIA(3), "
        "LobattoIIIC(3) or ImplicitEuler() for fixed steps, or a larger tolerance if it is not "
        "smooth."
    )

    def __init__(self, tolerance: Tolerance) -> None:
        super().__init__()
        self.tolerance = tolerance

    def attempt(self, field: Slope, t: Tensor, h: Tensor, at: Walk) -> Try:
        """Return one step."""
        step = embedded_step(field, t, h, at.z, at.slope)
        error = self.tolerance.norm(step.error, at.z, step.after)
        between = partial(interpolated, at.z, step.slopes, h)
        return Try(step.after, step.slopes[-1], error, _next_factor(error), between)


def _next_factor(error: Numbers) -> Numbers:
    """Return the next step over the present one."""
    # 0.9 e^(-1/5) within [0.2, 10], and at least 1 after an error below 1.
    # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
    with np.errstate(divide="ignore"):
        factor = _SAFETY * error ** (-1 / _Pair.order)
    return np.maximum(factor.clip(_SHRINK, _GROW), error < 1)
