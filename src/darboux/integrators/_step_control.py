"""The search for the steps of each sample: error norms, and the walk itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from darboux.integrators._outputs import Outputs, Slope, Stops, along
from darboux.solvers._convergence import Mask, Numbers, choose, like, numbers

_FIRST = 1e-6  # the first step where nothing moves

_LAST = 1.01  # a step that gets this close to the end is stretched to it

_LEAST = 16 * torch.finfo(torch.float64).eps  # of the duration

RESOLUTION = 2.0  # units of rounding of t that a step must have, for f to tell times apart

VMAP = (
    "{method}: expected a batch on the first axis; got tensors of torch.func.vmap, under which "
    "steps cannot depend on errors. Put the samples on the first axis: each has its own steps."
)


class StiffnessError(RuntimeError):
    """Raised when adaptive steps become too small or too many, naming the sample and the time."""


Watch = Callable[
    [Literal["step", "accept_step", "reject_step"], float | Tensor, Tensor, float | Tensor], None
]
"""What hears of tries from t by h, as (event, t, z, h)."""


@dataclass(frozen=True)
class Manner:
    """How a way is to be gone, beside the tolerances of the method."""

    sizes: tuple[int, ...] = ()  # entries of the members of a state, of which the worst counts
    measure: Callable[[Tensor], Tensor] | None = None  # the size of errors of a single sample
    watch: Watch | None = None
    ends: bool = False  # whether the last step ends with the way


@dataclass(frozen=True)
class Tolerance:
    """What error a step may have: that of an entry is measured against atol + rtol |z|."""

    rtol: float
    atol: float
    sizes: tuple[int, ...] = ()  # as for `Manner`
    measure: Callable[[Tensor], Tensor] | None = None

    def norm(self, error: Tensor, z: Tensor, after: Tensor) -> Numbers:
        """Return the root mean square of error/(atol + rtol max(|z|, |z'|)) of each sample.

        It is infinite, too, where an error is no number.
        """
        return self.measured(error / torch.maximum(self.scale(z), self.scale(after)))

    def measured(self, ratio: Tensor | Numbers) -> Numbers:
        """Return the root mean square of each sample, or what is measured instead."""
        if self.measure is None:
            return self.size(ratio)
        return _finite(numbers(self.measure(torch.as_tensor(ratio))))

    def size(self, ratio: Tensor | Numbers) -> Numbers:
        """Return the root mean square of the entries of each sample, or of its worst member."""
        if isinstance(ratio, np.ndarray) and len(self.sizes) < 2:
            return _finite(np.sqrt(np.einsum("ij,ij->i", ratio, ratio) / ratio.shape[1]))
        return _finite(numbers(self._mean_square(torch.as_tensor(ratio)).sqrt()))

    def scale(self, z: Tensor) -> Tensor:
        """Return atol + rtol |z|, at least in float32."""
        size = z.abs()
        if size.dtype.itemsize < 4:
            size = size.float()
        return size.mul(self.relative(z.dtype)).add(self.atol)

    def relative(self, dtype: torch.dtype) -> float:
        """Return rtol: relative to less than the rounding of a dtype nothing can be accurate."""
        return max(self.rtol, 4 * torch.finfo(dtype).eps)

    def _mean_square(self, ratio: Tensor) -> Tensor:
        squares = (ratio.abs() if ratio.is_complex() else ratio).square()
        squares = squares if squares.ndim == 2 else squares.reshape(squares.shape[0], -1)
        if len(self.sizes) < 2:
            return squares.mean(dim=1)
        parts = squares.unflatten(1, (-1, sum(self.sizes))).split(self.sizes, dim=2)
        return torch.stack([part.mean(dim=(1, 2)) for part in parts]).amax(dim=0)


@dataclass(frozen=True)
class Walk:
    """Where each sample stands."""

    z: Tensor
    slope: Tensor
    place: Numbers
    size: Numbers
    bounded: Mask  # no try leads beyond the end, because one of them was not finite
    tried: Numbers  # the error of the last try
    kept: Any = None  # what a method remembers


@dataclass(frozen=True)
class Try:
    """One step by h from z, and what a method makes of it."""

    after: Tensor
    slope: Tensor  # of the result, where it is accepted
    error: Numbers  # accepted up to 1, and infinite where f was not finite
    factor: Numbers  # of the next step over this one
    between: Callable[[Tensor], Tensor]  # the state at a fraction of the step, (batch,)
    kept: Any = None


class Tries(ABC):
    """How a method tries a step, each sample with its own h."""

    method: str
    order: int  # the error of one step falls like its size to this power
    hint: str  # what to do where steps get nowhere
    beyond = False  # whether steps may lead beyond the last time

    def begin(self, z: Tensor) -> Any:
        """Return what the method remembers before its first try."""
        del z

    @abstractmethod
    def attempt(self, field: Slope, t: Tensor, h: Tensor, at: Walk) -> Try:
        """Try a step of each sample, by h = 0 of those that are at the end."""


@dataclass(frozen=True)
class Search:
    """What is integrated: how far, and with what care."""

    field: Slope
    time: float
    duration: float
    tolerance: Tolerance
    max_steps: int
    min_step: float
    tries: Tries
    max_step: float = np.inf
    first_step: float | None = None
    watch: Watch | None = None

    def run(self, z: Tensor, slope: Tensor) -> tuple[Numbers, Tensor]:
        """Return the accepted steps and z(t + duration)."""
        # The steps are given by their ends as fractions of the duration, (batch, 1 + steps),
        # from 0 to 1; samples that are there earlier rest at 1.
        places, at = self._walked(z, slope, Outputs(()), ends=True)
        return places, at.z

    def sample(self, z: Tensor, slope: Tensor, outputs: Stops, *, ends: bool) -> Numbers:
        """Return the accepted steps, of which the last ones may lead beyond the duration."""
        return self._walked(z, slope, outputs, ends=ends or not self.tries.beyond)[0]

    def _walked(
        self, z: Tensor, slope: Tensor, outputs: Stops, *, ends: bool
    ) -> tuple[Numbers, Walk]:
        at = self._start(z, slope, ends=ends)
        places = [at.place]
        for _ in range(self.max_steps):
            self._check_size(at)
            at = self._advance(at, outputs)
            places.append(at.place)
            if outputs.over or at.place.min() >= 1:
                break
        else:
            raise StiffnessError(self._too_many(at))
        return _aligned(np.stack(places, axis=1)), at

    def _start(self, z: Tensor, slope: Tensor, *, ends: bool) -> Walk:
        times = z.new_full((len(z),), self.time, dtype=torch.float64)
        if self.first_step is None:
            first = numbers(self._first_step(times, z, slope))
        else:
            first = np.full(len(z), min(self.first_step, abs(self.duration)))
        size = self._limited(first / abs(self.duration))
        zero, bounded = np.zeros_like(size), np.full(len(z), ends)
        return Walk(z, slope, zero, size, bounded, zero, self.tries.begin(z))

    def _advance(self, at: Walk, outputs: Stops) -> Walk:
        """Return where the samples stand after one try."""
        left = 1 - at.place
        active, ends = left > 0, at.bounded & (_LAST * at.size >= left)
        size = np.where(active, np.where(ends, left, at.size), 0.0)
        h = like(size * self.duration, at.z)
        times = like(self.time + at.place * self.duration, at.z)
        self._tell("step", times, at.z, h)
        step = self.tries.attempt(self.field, times, h, at)
        accepted = (step.error <= 1) & active
        self._tell("accept_step" if accepted.any() else "reject_step", times, at.z, h)
        place = np.where(accepted, np.where(ends, 1.0, at.place + size), at.place)
        outputs.collect(step.between, at.place, place, at.z.device)
        return Walk(
            choose(accepted, step.after, at.z),
            choose(accepted, step.slope, at.slope),
            place,
            np.where(active, self._limited(size * step.factor), at.size),
            at.bounded | (step.error == np.inf),
            step.error,
            step.kept,
        )

    def _limited(self, size: Numbers) -> Numbers:
        return np.minimum(size, self.max_step / abs(self.duration))

    def _tell(
        self,
        event: Literal["step", "accept_step", "reject_step"],
        t: Tensor,
        z: Tensor,
        h: Tensor,
    ) -> None:
        if self.watch is not None:
            self.watch(event, t, z, h)

    def _check_size(self, at: Walk) -> None:
        end = self.time + self.duration
        most = self._least(max(abs(self.time), abs(end)), at.z)
        if at.size.min() * abs(self.duration) >= most:
            return  # the rest takes longer
        sizes = np.where(at.place < 1, at.size, np.inf)
        for k, (place, size) in enumerate(zip(at.place.tolist(), sizes.tolist(), strict=True)):
            size *= abs(self.duration)
            least = self._least(abs(self.time + place * self.duration), at.z)
            if size < least:
                found = f"got {size:.3g}"
                raise StiffnessError(self._message(at, k, f"steps of at least {least:.3g}", found))

    def _least(self, time: float, z: Tensor) -> float:
        """Return the shortest step at a time, by which it changes in the dtype that f sees."""
        rounding = RESOLUTION * torch.finfo(z.dtype).eps * time
        return max(self.min_step, rounding, _LEAST * abs(self.duration))

    def _first_step(self, t: Tensor, z: Tensor, slope: Tensor) -> Tensor:
        """Return the length of the first step of each sample, (batch,), float64, > 0."""

        # It makes one explicit Euler step h_0 = 0.01 ‖z‖/‖f‖ to see the second derivative, and
        # asks that h^order max(‖f‖, ‖f'‖) = 0.01, in the norm of the tolerance.
        # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
        def norm(slope: Tensor) -> Tensor:
            return like(self.tolerance.norm(slope, z, z), t)

        longest, shortest = abs(self.duration), self._least(abs(self.time), z)
        size, speed = norm(z), norm(slope)
        small = (size < 1e-5) | (speed < 1e-5)
        trial = torch.where(small, _FIRST, 0.01 * size / speed)
        trial = trial.clamp(min=shortest).clamp(max=longest)
        h = trial * (1 if self.duration > 0 else -1)
        moved = self.field(along(t + h, z), z + along(h, z) * slope)
        change = norm(moved - slope) / trial
        fastest = torch.maximum(speed, change)
        flat = torch.clamp(1e-3 * trial, min=_FIRST)
        second = torch.where(fastest <= 1e-15, flat, (0.01 / fastest).pow(1 / self.tries.order))
        # a field that is not finite there gives 0: begin far below, and let the control find out
        second = torch.where(second > 0, second, 1e-3 * trial)
        first = torch.minimum(100 * trial, second)
        return first.clamp(min=shortest).clamp(max=longest)

    def _too_many(self, at: Walk) -> str:
        worst = int(at.place.argmin())
        size = float(at.size[worst]) * abs(self.duration)
        found = f"got more, the last one of {size:.3g},"
        return self._message(at, worst, f"at most {self.max_steps} steps (max_steps)", found)

    def _message(self, at: Walk, worst: int, expected: str, found: str) -> str:
        time = self.time + float(at.place[worst]) * self.duration
        lost = bool(at.tried[worst] == np.inf)
        return (
            f"{self.tries.method}: expected {expected}; {found} at t = {time:.6g} in sample "
            f"{worst} of {len(at.place)}{', where f is not finite' if lost else ''}. "
            f"{self.tries.hint}"
        )


def _finite(sizes: Numbers) -> Numbers:
    """Return the sizes of errors, infinite where they are no numbers."""
    return np.fmin(sizes, np.inf)


def _aligned(places: Numbers) -> Numbers:
    """Return the places without repetitions of rejected tries, filled up with the last."""
    index = (np.diff(places, axis=1, prepend=places[:, :1]) > 0).cumsum(axis=1)
    aligned = np.repeat(places[:, -1:], index.max() + 1, axis=1)
    np.put_along_axis(aligned, index, places, axis=1)
    return aligned
