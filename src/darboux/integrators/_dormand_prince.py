"""The adaptive method of Dormand and Prince."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.integrators._dormand_prince_pair import plain_step
from darboux.integrators._integrator import (
    Field,
    Integrator,
    StepSize,
    Time,
    step_size,
    wrong_shape,
)
from darboux.integrators._step_control import Search, Tolerance, along, holds_anywhere
from darboux.solvers._transforms import hidden, is_differentiated

_COMPILED = (
    "DormandPrince: expected eager execution; got torch.compile with fullgraph=True, but the "
    "number of steps depends on the values. Use fullgraph=False, or an explicit method with fixed "
    "steps, for instance Kutta4()."
)


@final
@dataclass(frozen=True, kw_only=True)
class DormandPrince(Integrator):
    """The method of order 5 with an embedded one of order 4, which picks its steps.

    A `step` from t to t + h takes as many smaller steps as the tolerance asks for, under PI
    control: the difference of the two results, over atol + rtol max(|z|, |z'|) in the root mean
    square, is at most 1. The last slope of a step is the first one of the next.

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
    of independent samples. The dtype and device follow z.

    Source: section 2.2; Dormand and Prince 1980; Hairer, Norsett and Wanner, Solving Ordinary
    Differential Equations I, II.4.

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

    rtol: float = 1e-6
    atol: float = 1e-8
    max_steps: int = 10_000
    min_step: float = 0.0

    order = 5

    def __post_init__(self) -> None:
        for name in ("rtol", "atol", "min_step"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                msg = f"DormandPrince: expected a finite {name} >= 0; got {value}. Use 1e-6."
                raise ValueError(msg)
        if self.rtol == self.atol == 0:
            msg = "DormandPrince: expected rtol > 0 or atol > 0; got 0 for both. Use rtol=1e-6."
            raise ValueError(msg)
        if self.max_steps < 1:
            msg = f"DormandPrince: expected max_steps >= 1; got {self.max_steps}. Use 10_000."
            raise ValueError(msg)

    def step(self, field: Field, t: Time, h: StepSize, state: Tensor) -> Tensor:
        """Return z(t + h) from z(t).

        Args:
            field: (t, z) -> f(t, z), of the shape of z; t is (batch, 1, ..., 1).
            t: the time, a number or a 0-dimensional tensor.
            h: how far to go, a number or a 0-dimensional tensor, of either sign.
            state: z, (batch, ...).

        Raises:
            StiffnessError: if steps become too short or too many, naming the sample.
            ValueError: if h is a tensor with axes, or f(t, z) has another shape than z or is
                not finite.
            RuntimeError: inside `torch.func.vmap` or a compiled graph.
        """
        if torch.compiler.is_compiling():
            raise RuntimeError(_COMPILED)
        if state.ndim == 0:
            msg = "DormandPrince: expected z of shape (batch, ...); got a number. Use z.reshape(1)."
            raise ValueError(msg)
        with torch.autocast(state.device.type, enabled=False):
            # one graph break instead of many graphs that depend on values
            return hidden(self._integrated)(field, t, step_size(h, state), state)

    def _integrated(self, field: Field, t: Time, h: StepSize, z: Tensor) -> Tensor:
        path = _Path(field, t, h)
        first = path.slope(path.time(z.new_zeros(len(z), dtype=torch.float64), z), z)
        if z.numel() == 0:
            return z + h * first
        _check_finite(first, t)
        seen = [is_differentiated(x) for x in (first, z, t, h)]
        places, after = self._search(path, z.detach(), first.detach(), seen)
        return path.taken(places, z, first) if any(seen) else after

    def _search(
        self, path: _Path, z: Tensor, slope: Tensor, seen: list[bool]
    ) -> tuple[Tensor, Tensor]:
        """Return the steps and the result, both without derivatives, of forward mode too.

        Every slope on the way tells in `seen` whether a derivative may be asked for: parameters
        may enter a field late.
        """
        duration = _number(path.h)
        if duration == 0:
            return torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(len(z), 2).to(z.device), z

        grad = torch.is_grad_enabled()

        def plain(t: Tensor, z: Tensor) -> Tensor:
            with torch.set_grad_enabled(grad):
                slope = path.slope(t, z)
                seen.append(is_differentiated(slope))
            return slope.detach()

        with torch.no_grad():
            tolerance = Tolerance(self.rtol, self.atol)
            limits = (self.max_steps, self.min_step, "DormandPrince")
            return Search(plain, _number(path.t), duration, tolerance, *limits).run(z, slope)


@dataclass(frozen=True)
class _Path:
    """A field along the time from t to t + h."""

    field: Field
    t: Time
    h: StepSize

    def slope(self, t: Tensor, z: Tensor) -> Tensor:
        """Return f(t, z), in the dtype of z."""
        slope = self.field(t, z)
        if slope.shape != z.shape:
            raise wrong_shape(slope, z)
        return slope.to(z.dtype)

    def time(self, place: Tensor, z: Tensor) -> Tensor:
        """Return t + place h for each sample, shaped to broadcast against z."""
        return along(self.t + place * self.h, z)

    def taken(self, places: Tensor, z: Tensor, first: Tensor) -> Tensor:
        """Return the result of given steps, with its derivatives."""
        steps = places.shape[1] - 1
        for k in range(steps):
            t, size = self.time(places[:, k], z), places[:, k + 1] - places[:, k]
            z = plain_step(self.slope, t, along(size * self.h, z), z, first)
            if k + 1 < steps:
                first = self.slope(self.time(places[:, k + 1], z), z)
        return z


def _number(value: float | Tensor) -> float:
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _check_finite(slope: Tensor, t: Time) -> None:
    lost = ~slope.detach().reshape(len(slope), -1).isfinite().all(dim=1)
    if holds_anywhere(lost, "DormandPrince"):
        msg = (
            f"DormandPrince: expected finite f(t, z); got infinite or nan slopes at t = "
            f"{_number(t):.6g} in sample {int(lost.to(torch.int8).argmax())} of {len(lost)}. "
            "Correct the state or the field."
        )
        raise ValueError(msg)
