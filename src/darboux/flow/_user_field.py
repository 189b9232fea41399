"""A function f(t, y) of a user as the field of what methods step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.flow._state_form import WROTE, StateForm
from darboux.integrators import Field, Time
from darboux.structure._arguments import shown, takes


def as_field(f: Any, form: StateForm, z: Tensor) -> Field:
    """Return (t, z) -> f(t, y) as the slope of z."""
    # Fields of this package see z itself, with their methods beside f(t, z).
    prepared: Field = f.prepare() if isinstance(f, VectorField) else f
    if not form.is_flat and (isinstance(f, VectorField) or hasattr(f, "drift")):
        return prepared
    watched = not torch.compiler.is_compiling()  # graphs keep no count of what is written
    counted = watched and _writes(z) >= 0
    return _UserField(prepared, form, z.real.dtype, z.device, watched, counted)


def between(field: Field, low: float | None, high: float | None) -> Field:
    """Return the field as it is strictly between two times where it jumps, if there are such."""
    if low is high is None:
        return field
    if not isinstance(field, _UserField):
        msg = (
            "odeint: expected a function f(t, y) with jump_t, which is asked just before and after "
            f"a jump; got a field that moves with time, {shown(field)}. Use a function."
        )
        raise TypeError(msg)
    after = field.low if low is None else field.next_to(low, math.inf)
    before = field.high if high is None else field.next_to(high, -math.inf)
    return replace(field, low=after, high=before)


@dataclass(frozen=True)
class _UserField:
    """f(t, y) with y in the form and t in the dtype that users expect."""

    f: Any
    form: StateForm
    dtype: torch.dtype  # of t
    device: torch.device
    watched: bool
    counted: bool  # whether z knows how often it was written into
    low: float = -math.inf  # of the times that f sees
    high: float = math.inf

    def __call__(self, t: Time, z: Tensor) -> Tensor:
        """Return the slope of z."""
        form, counted = self.form, self.counted  # in one piece: it counts in every stage
        before = z._version if counted else 0
        members = form.unpack(z) if form.is_flat else (z,)
        time = self._time(t) if isinstance(t, Tensor) else self._clock(t)
        try:
            slope = self.f(time, members if form.is_tuple else members[0])
        except TypeError:
            if takes(self.f, 2):
                raise
            msg = (
                f"odeint: expected f to be a function of (t, y); got {shown(self.f)}. Use "
                "lambda t, y: f(y) where time does not matter."
            )
            raise TypeError(msg) from None
        if form.is_tuple or form.as_pairs:
            slope = form.pack_slope(slope, members)
        elif not isinstance(slope, Tensor) or slope.shape != members[0].shape:
            raise form.misfit(slope, members)
        elif form.is_flat:
            slope = slope.reshape(1, -1)
        if counted and z._version != before:
            raise ValueError(WROTE)
        return slope.clone() if self.watched and _may_be_overwritten(slope) else slope

    def next_to(self, t: float, direction: float) -> float:
        """Return the number beside a time, as f can tell them apart."""
        time = torch.tensor([t, direction], dtype=self.dtype)
        return float(torch.nextafter(time[0], time[1]))

    def _clock(self, t: float) -> Tensor:
        if not self.low <= t <= self.high:
            t = min(max(t, self.low), self.high)
        return torch.scalar_tensor(t, dtype=self.dtype, device=self.device)

    def _time(self, t: Tensor) -> Tensor:
        """Return one time for each sample that has a clock, else a 0-dimensional tensor."""
        time = t.to(dtype=self.dtype, device=self.device)
        if self.low > -math.inf or self.high < math.inf:
            time = time.clamp(self.low, self.high)
        return time if self.form.per_sample or time.ndim == 0 else time.reshape(())


def _writes(x: Tensor) -> int:
    """Return how often a tensor was written into, -1 where nobody counts, in inference mode."""
    try:
        return x._version
    except RuntimeError:
        return -1


def _may_be_overwritten(slope: Tensor) -> bool:
    """Return whether a slope may be a buffer, which f fills anew in its next evaluation."""
    if _writes(slope) != 0:
        return True
    try:
        return not slope.untyped_storage().resizable()  # memory of NumPy
    except NotImplementedError:  # a tensor of `torch.func`
        return False
