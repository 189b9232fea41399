"""The explicit methods that pick their steps, by name."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, final

from torch import Tensor

from darboux.gradients import Stack
from darboux.integrators._adaptive import Adaptive, Longest
from darboux.integrators._dormand_prince_8 import DORMAND_PRINCE_8
from darboux.integrators._embedded_coefficients import (
    BOGACKI_SHAMPINE,
    DORMAND_PRINCE_5,
    FEHLBERG,
    HEUN_EULER,
    TSITOURAS,
)
from darboux.integrators._embedded_pair import EmbeddedPair, PairTries
from darboux.integrators._outputs import Between, along
from darboux.integrators._path import Path
from darboux.integrators._step_control import Tolerance, Tries
from darboux.solvers._convergence import Numbers, like
from darboux.structure._arguments import Count, NonNegative, Positive, Within, checked

_Factor = Annotated[float, Within("a number in (0, 1]", above=0, most=1)]

_Growth = Annotated[float, Within("a finite number of 1 or more", least=1)]


@dataclass(frozen=True, kw_only=True)
class EmbeddedRungeKutta(Adaptive, ABC):
    """The methods whose error is the difference of the two results of an `EmbeddedPair`."""

    rtol: NonNegative = 1e-6
    atol: NonNegative = 1e-8
    max_steps: Count = 10_000
    min_step: NonNegative = 0.0
    max_step: Longest = float("inf")
    first_step: Positive | None = None
    safety: _Factor = 0.9
    shrink: _Factor = 0.2
    grow: _Growth = 10.0

    pair: ClassVar[EmbeddedPair]

    def tries(self, path: Path, tolerance: Tolerance) -> Tries:
        """Return how steps are tried."""
        del path
        name = type(self).__name__
        return PairTries(self.pair, tolerance, name, self.safety, self.shrink, self.grow)

    def begin(self, z: Tensor, first: Tensor) -> Stack:
        """Return z and its slope, the first one of a step."""
        return z, first

    def substep(
        self, path: Path, places: Numbers, k: int, stack: Stack, *, dense: bool
    ) -> tuple[Stack, Between]:
        """Return z and its slope after step k, and the states within it."""
        z, first = stack
        start, end = places[:, k], places[:, k + 1]
        h = like(end - start, z) * path.h
        after, slopes = self.pair.stepped(path.slope, path.clock(like(start, z)), h, z, first)
        if dense or k + 2 < places.shape[1]:
            slopes.append(path.slope(along(path.clock(like(end, z)), z), after))
        return (after, slopes[-1]), partial(self.pair.between, z, slopes, h)


@final
@checked
@dataclass(frozen=True, kw_only=True)
class DormandPrince(EmbeddedRungeKutta):
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
        max_step: how long steps may become.
        first_step: the length of the first one; found by one evaluation if None.
        safety: c in the next step over this one, c e^(-1/p), where e is the error and p the
            order.
        shrink: the least that factor may be.
        grow: the most.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> DormandPrince().step(lambda t, z: -z, 0.0, 2.0, z)  # e⁻² = 0.1353
        tensor([[0.1353]], dtype=torch.float64)
    """

    order = 5
    pair = DORMAND_PRINCE_5


@final
@checked
@dataclass(frozen=True, kw_only=True)
class DormandPrince8(EmbeddedRungeKutta):
    """The method of order 8 with an embedded one of order 7, for small tolerances.

    Thirteen evaluations a step. Between its long steps states are interpolated to order 5, which
    may err a hundred times as much as the steps do: a `step` ends with one, `odeint` interpolates.
    The steps, the samples, the derivatives and the arguments are as for `DormandPrince`.

    Source: section 2.2; Prince and Dormand 1981; Bogacki and Shampine 1990.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> DormandPrince8(rtol=1e-12).step(lambda t, z: -z, 0.0, 2.0, z)
        tensor([[0.1353]], dtype=torch.float64)
    """

    order = 8
    pair = DORMAND_PRINCE_8


@final
@checked
@dataclass(frozen=True, kw_only=True)
class Tsitouras(EmbeddedRungeKutta):
    """The method of Tsitouras of order 5 with an embedded one of order 4.

    Six evaluations a step, as for `DormandPrince`, and smaller errors on many problems. The
    steps, the samples, the derivatives and the arguments are those of it.

    Source: section 2.2; Tsitouras 2011.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> Tsitouras().step(lambda t, z: -z, 0.0, 2.0, z)
        tensor([[0.1353]], dtype=torch.float64)
    """

    order = 5
    pair = TSITOURAS


@final
@checked
@dataclass(frozen=True, kw_only=True)
class BogackiShampine(EmbeddedRungeKutta):
    """The method of order 3 with an embedded one of order 2, for large tolerances.

    Three evaluations a step. The steps, the samples, the derivatives and the arguments are as for
    `DormandPrince`.

    Source: section 2.2; Bogacki and Shampine 1989.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> BogackiShampine(rtol=1e-4).step(lambda t, z: -z, 0.0, 2.0, z)
        tensor([[0.1353]], dtype=torch.float64)
    """

    order = 3
    pair = BOGACKI_SHAMPINE


@final
@checked
@dataclass(frozen=True, kw_only=True)
class Fehlberg(EmbeddedRungeKutta):
    """The method of order 2 with an embedded one of order 1 by Fehlberg.

    Three evaluations a step, the last of them that of the result: the next step begins with the
    slope there. The estimated error, of a method of order 1 that is made to be accurate, is often
    a hundredth of the true one: `BogackiShampine` keeps to its tolerance, and takes fewer
    evaluations. The steps, the samples, the derivatives and the arguments are as for
    `DormandPrince`.

    Source: section 2.2; Fehlberg 1969.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> Fehlberg(rtol=1e-7).step(lambda t, z: -z, 0.0, 2.0, z)
        tensor([[0.1353]], dtype=torch.float64)
    """

    order = 2
    pair = FEHLBERG


@final
@checked
@dataclass(frozen=True, kw_only=True)
class HeunEuler(EmbeddedRungeKutta):
    """The improved Euler method with Euler's inside it, which picks its steps.

    Two evaluations a step, the last of them that of the result. The steps, the samples, the
    derivatives and the arguments are as for `DormandPrince`.

    Source: section 2.2; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I,
    II.4.

    Raises:
        ValueError: if a number lies outside its range.

    Example:
        >>> import torch
        >>> z = torch.ones(1, 1, dtype=torch.float64)
        >>> HeunEuler(rtol=1e-5).step(lambda t, z: -z, 0.0, 2.0, z)
        tensor([[0.1353]], dtype=torch.float64)
    """

    order = 2
    pair = HEUN_EULER
