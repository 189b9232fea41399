"""Methods of two steps, whose state is a pair: leapfrog and reversible Heun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.integrators._integrator import (
    Field,
    Integrator,
    StepSize,
    Time,
    shifted,
    step_size,
)

_Pair = tuple[Tensor, Tensor]


@final
@dataclass(frozen=True)
class LeapfrogMidpoint(Integrator):
    """The two-step method z_{k+1} = z_{k-1} + 2h f(t_k, z_k), of order 2, for any field.

    The state is the pair (z_{k-1}, z_k). Its map (x, z) -> (z, x + 2h f(t, z)) is a shear
    followed by an exchange, so that |det| = 1 and `step_back` undoes it in closed form,
    whatever f is. The first step is one of the improved Euler method.

    One evaluation for each step, and two more in the first. The method is stable on
    undamped oscillations only: solutions that decay grow a spurious part of alternating sign.

    Shapes: z is (batch, channels, *space), or any one shape; the state is a pair of them.

    Source: sections 2.2.3 and 4.3.1; Chang et al. 2018 for networks of this kind.

    Example:
        >>> import torch
        >>> method, x = LeapfrogMidpoint(), torch.ones(1, 2, dtype=torch.float64)
        >>> def field(t, z):
        ...     return torch.stack([z[:, 1], -z[:, 0].relu()], dim=1)
        >>> state = method.init(field, 0.0, 0.1, x)
        >>> before = method.step_back(field, 0.0, 0.1, method.step(field, 0.0, 0.1, state))
        >>> torch.testing.assert_close(before, state)
    """

    order = 2
    doubled = True
    invertible = True

    def init(self, field: Field, t: Time, h: StepSize, z: Tensor) -> _Pair:
        """Return (z_{-1}, z): the past from which one step leads to that of improved Euler.

        z_{-1} + 2h k_1 = z + h/2 (k_1 + k_2), k_1 = f(t, z), k_2 = f(t + h, z + h k_1); no time
        before t is asked for.

        Raises:
            ValueError: if h is a tensor with axes, or f(t, z) has another shape than z.
        """
        size = step_size(h, z)
        here = field(t, z)
        there = field(t + h, shifted(z, here, size))
        return shifted(shifted(z, here, size, weight=-1.5), there, size, weight=0.5), z

    def step(self, field: Field, t: Time, h: StepSize, state: _Pair) -> _Pair:
        """Return (z_k, z_{k+1}) from (z_{k-1}, z_k), z_k at time t.

        Args:
            field: (t, z) -> f(t, z), of the shape of z.
            t: the time.
            h: the step size, a number or a 0-dimensional tensor, of either sign.
            state: (z_{k-1}, z_k).

        Raises:
            ValueError: if h is a tensor with axes, or f(t, z) has another shape than z.
        """
        past, z = state
        return z, shifted(past, field(t, z), step_size(h, z), weight=2.0)

    def step_back(self, field: Field, t: Time, h: StepSize, state: _Pair) -> _Pair:
        """Return (z_{k-1}, z_k), z_k at time t, from (z_k, z_{k+1}), with the errors of `step`."""
        z, future = state
        return shifted(future, field(t, z), step_size(h, z), weight=-2.0), z

    def value(self, state: _Pair) -> Tensor:
        """Return z_k."""
        return state[1]


@final
@dataclass(frozen=True)
class ReversibleHeun(Integrator):
    """The reversible Heun method, of order 2, for any field; the state is a pair (z, ẑ).

    ẑ' = 2z - ẑ + h f(t, ẑ),  z' = z + h/2 (f(t, ẑ) + f(t+h, ẑ')).

    ẑ starts at z and stays close to it. With m = z + h/2 f(t, ẑ) it is

        a shear of z,         (z, ẑ) -> (m, ẑ),
        a reflection of ẑ,    (m, ẑ) -> (m, 2m - ẑ) = (m, ẑ'),
        a shear of m,         (m, ẑ') -> (m + h/2 f(t+h, ẑ'), ẑ') = (z', ẑ'),

    so that |det| = 1 on pairs and `step_back` undoes it in closed form, whatever f is. It is a
    step by -h from t + h.

    Two evaluations for each step; to keep the slope in the state would save one, but would no
    longer be a map of pairs.

    Shapes: z is (batch, channels, *space), or any one shape; the state is a pair of them.

    Source: sections 2.2.3 and 4.3.1; Kidger et al. 2021.

    Example:
        >>> import torch
        >>> method, x = ReversibleHeun(), torch.ones(1, 2, dtype=torch.float64)
        >>> def field(t, z):
        ...     return torch.stack([z[:, 1], -z[:, 0].relu()], dim=1)
        >>> state = method.init(field, 0.0, 0.1, x)
        >>> before = method.step_back(field, 0.0, 0.1, method.step(field, 0.0, 0.1, state))
        >>> torch.testing.assert_close(before, state)
    """

    order = 2
    symmetric = True
    doubled = True
    invertible = True

    def init(self, field: Field, t: Time, h: StepSize, z: Tensor) -> _Pair:
        """Return (z, z)."""
        del field, t, h
        return z, z

    def step(self, field: Field, t: Time, h: StepSize, state: _Pair) -> _Pair:
        """Return (z', ẑ') at time t + h.

        Args:
            field: (t, z) -> f(t, z), of the shape of z.
            t: the time.
            h: the step size, a number or a 0-dimensional tensor, of either sign.
            state: (z, ẑ).

        Raises:
            ValueError: if h is a tensor with axes, or f(t, z) has another shape than z.
        """
        return _moved(field, t, t + h, step_size(h, state[0]), state, sign=0.5)

    def step_back(self, field: Field, t: Time, h: StepSize, state: _Pair) -> _Pair:
        """Return (z, ẑ) at time t from (z', ẑ') at t + h, with the errors of `step`."""
        return _moved(field, t + h, t, step_size(h, state[0]), state, sign=-0.5)

    def value(self, state: _Pair) -> Tensor:
        """Return z."""
        return state[0]


def _moved(
    field: Field, start: Time, end: Time, h: StepSize, state: _Pair, *, sign: float
) -> _Pair:
    """Return the shear, the reflection and the shear of (z, ẑ)."""
    z, auxiliary = state
    middle = shifted(z, field(start, auxiliary), h, weight=sign)
    reflected = torch.sub(2 * middle, auxiliary)
    return shifted(middle, field(end, reflected), h, weight=sign), reflected
