"""The adaptive method of Dormand and Prince."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.integrators._dormand_prince_pair import Outputs
from darboux.integrators._dormand_prince_path import Path, as_number
from darboux.integrators._integrator import (
    Field,
    Integrator,
    StepSize,
    Time,
    step_size,
)
from darboux.integrators._step_control import Search, Tolerance
from darboux.solvers._transforms import hidden, is_differentiated
from darboux.structure._arguments import Count, NonNegative, checked

_COMPILED = (
    "DormandPrince: expected eager execution; got torch.compile with fullgraph=True, but the "
    "number of steps depends on the values. Use fullgraph=False, or an explicit method with fixed "
    "steps, for instance Kutta4()."
)


@final
@checked
@dataclass(frozen=True, kw_only=True)
class DormandPrince(Integrator):
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
    by_sample = True

    def __post_init__(self) -> None:
        if self.rtol == self.atol == 0:
            msg = "DormandPrince: expected rtol > 0 or atol > 0; got 0 for both. Use rtol=1e-6."
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
        step_size(h, state)  # refuses one with axes
        with torch.autocast(state.device.type, enabled=False):
            # one graph break instead of many graphs that depend on values
            return hidden(self._integrated)(field, t, h, state)

    def solution(
        self,
        field: Field,
        t: Time,
        offsets: Sequence[StepSize],
        z: Tensor,
        *,
        sizes: tuple[int, ...] = (),
    ) -> list[Tensor]:
        """Return z(t + s) for all s of `offsets`, by one sequence of steps.

        They do not end at the times t + s: states there are interpolated, to order 4, and the
        last step may lead beyond the last time, unless f is not finite there.

        Args:
            field: as for `step`.
            t: the time of z.
            offsets: numbers or 0-dimensional tensors that never fall, or never rise, from 0 on.
            z: the state, (batch, ...).
            sizes: the entries of the members that z, (batch, entries), is made of: errors are
                those of the worst member.

        Raises:
            StiffnessError, ValueError, RuntimeError: as for `step`.
        """
        if torch.compiler.is_compiling():
            raise RuntimeError(_COMPILED)
        with torch.autocast(z.device.type, enabled=False):
            return hidden(self._sampled)(field, t, offsets, z, sizes)

    def _integrated(self, field: Field, t: Time, h: StepSize, z: Tensor) -> Tensor:
        path = Path(field, t, h)
        first = path.first(z)
        if z.numel() == 0:
            return z + step_size(h, z) * first
        seen = [is_differentiated(x) for x in (first, z, t, h)]
        if as_number(h) == 0:
            places, after = torch.tensor([[0.0, 1.0]], dtype=torch.float64), z.detach()
            places = places.expand(len(z), 2).to(z.device)
        else:
            search = self._search(path, seen, ())
            with torch.no_grad():
                places, after = search.run(z.detach(), first.detach())
        return path.taken(places, z, first, Outputs(())) if any(seen) else after

    def _sampled(
        self,
        field: Field,
        t: Time,
        offsets: Sequence[StepSize],
        z: Tensor,
        sizes: tuple[int, ...],
    ) -> list[Tensor]:
        numbers = [as_number(offset) for offset in offsets]
        path = Path(field, t, numbers[-1])
        still = len(numbers) if z.numel() == 0 else numbers.count(0.0)
        places = [number / numbers[-1] for number in numbers[still:]]
        values = [z] * still + self._passed(path, z, places, sizes)
        return [
            path.shifted(number, offset - number, value) if is_differentiated(offset) else value
            for offset, number, value in zip(offsets, numbers, values, strict=True)
        ]

    def _passed(
        self, path: Path, z: Tensor, places: list[float], sizes: tuple[int, ...]
    ) -> list[Tensor]:
        """Return the states at some places, fractions of the path."""
        first = path.first(z)
        if not places:
            return []
        seen, outputs = [is_differentiated(x) for x in (first, z, path.t)], Outputs(places)
        search = self._search(path, seen, sizes)
        with torch.no_grad():
            taken = search.sample(z.detach(), first.detach(), outputs)
        if any(seen):
            outputs = Outputs(places)
            path.taken(taken, z, first, outputs)
        return outputs.found()

    def _search(self, path: Path, seen: list[bool], sizes: tuple[int, ...]) -> Search:
        """Return the search for the steps, without derivatives, of forward mode too.

        Every slope on the way tells in `seen` whether a derivative may be asked for: parameters
        may enter a field late.
        """
        grad = torch.is_grad_enabled()

        def plain(t: Tensor, z: Tensor) -> Tensor:
            with torch.set_grad_enabled(grad):
                slope = path.slope(t, z)
                seen.append(is_differentiated(slope))
            return slope.detach()

        tolerance = Tolerance(float(self.rtol), float(self.atol), sizes)
        limits = (self.max_steps, self.min_step, "DormandPrince")
        return Search(plain, as_number(path.t), as_number(path.h), tolerance, *limits)
