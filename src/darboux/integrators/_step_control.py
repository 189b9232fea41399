"""The search for the steps of each sample: error norms, PI control, and the walk itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators._dormand_prince_pair import Outputs, Slope, along, embedded_step

_ORDER = 5

_SAFETY = 0.9

_SHRINK, _GROW = 0.2, 10.0  # of one step to the next

_FIRST = 1e-6  # the first step where nothing moves

_LAST = 1.01  # a step that gets this close to the end is stretched to it

_LEAST = 16 * torch.finfo(torch.float64).eps  # of the duration

RESOLUTION = 2.0  # units of rounding of t that a step must have, for f to tell times apart

_STIFF = (
    "Use RadauIIA(3), LobattoIIIC(3) or ImplicitEuler() with fixed steps if the field is stiff "
    "there, or a larger tolerance if it is not smooth."
)

_VMAP = (
    "{method}: expected a batch on the first axis; got tensors of torch.func.vmap, under which "
    "steps cannot depend on errors. Put the samples on the first axis: each has its own steps."
)


class StiffnessError(RuntimeError):
    """Raised when adaptive steps become too small or too many, naming the sample and the time."""


@dataclass(frozen=True)
class Tolerance:
    """What error a step may have: that of an entry is measured against atol + rtol |z|."""

    rtol: float
    atol: float
    sizes: tuple[int, ...] = ()  # entries of the members of a state, of which the worst counts

    def norm(self, error: Tensor, z: Tensor, after: Tensor) -> Tensor:
        """Return the root mean square of error/(atol + rtol max(|z|, |z'|)), (batch,), float64.

        It is infinite, too, where an error is no number.
        """
        wide = torch.promote_types(z.dtype, torch.float32)
        # relative to less than the rounding of the dtype nothing can be accurate
        rtol = max(self.rtol, 4 * torch.finfo(z.dtype).eps)
        scale = self.atol + rtol * torch.maximum(z.abs(), after.abs()).to(wide.to_real())
        ratio = error.to(wide) / scale
        ratio = (ratio.abs() if ratio.is_complex() else ratio).reshape(len(z), -1).square()
        if len(self.sizes) < 2:
            return ratio.mean(dim=1).sqrt().double().nan_to_num(torch.inf, torch.inf)
        members = [part.mean(dim=1) for part in ratio.split(self.sizes, dim=1)]
        return torch.stack(members).amax(dim=0).sqrt().double().nan_to_num(torch.inf, torch.inf)


@dataclass(frozen=True)
class Search:
    """What is integrated: how far, and with what care."""

    field: Slope
    time: float
    duration: float
    tolerance: Tolerance
    max_steps: int
    min_step: float
    method: str

    def run(self, z: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Return the accepted steps and z(t + duration)."""
        # The steps are given by their ends as fractions of the duration, (batch, 1 + steps),
        # float64, from 0 to 1; samples that are there earlier rest at 1.
        places, at = self._walked(z, slope, Outputs(()), ends=True)
        return places, at.z

    def sample(self, z: Tensor, slope: Tensor, outputs: Outputs) -> Tensor:
        """Return the accepted steps, of which the last ones may lead beyond the duration."""
        return self._walked(z, slope, outputs, ends=False)[0]

    def _walked(
        self, z: Tensor, slope: Tensor, outputs: Outputs, *, ends: bool
    ) -> tuple[Tensor, _Walk]:
        at = self._start(z, slope, ends=ends)
        places = [at.place]
        for _ in range(self.max_steps):
            self._check_size(at)
            at = self._advance(at, outputs)
            places.append(at.place)
            if look(at.place.min, self.method) >= 1:
                break
        else:
            raise StiffnessError(self._too_many(at))
        return _aligned(torch.stack(places, dim=1)), at

    def _start(self, z: Tensor, slope: Tensor, *, ends: bool) -> _Walk:
        times = z.new_full((len(z),), self.time, dtype=torch.float64)
        size = self._first_step(times, z, slope)
        zero = torch.zeros_like(size)
        bounded = torch.full_like(size, ends, dtype=torch.bool)
        return _Walk(z, slope, zero, size / abs(self.duration), bounded, zero)

    def _advance(self, at: _Walk, outputs: Outputs) -> _Walk:
        """Return where the samples stand after one try."""
        left = 1 - at.place
        active, ends = left > 0, at.bounded & (_LAST * at.size >= left)
        size = torch.where(ends, left, at.size).where(active, 0.0)
        h, times = size * self.duration, self.time + at.place * self.duration
        step = embedded_step(self.field, times, h, at.z, at.slope)
        error = self.tolerance.norm(step.error, at.z, step.after)
        accepted = (error <= 1) & active
        place = torch.where(ends, 1.0, at.place + size).where(accepted, at.place)
        outputs.collect(at.z, step.slopes, h, at.place, place)
        rows = accepted.reshape(-1, *(1,) * (at.z.ndim - 1))
        return _Walk(
            torch.where(rows, step.after, at.z),
            torch.where(rows, step.slopes[-1], at.slope),
            place,
            torch.where(active, size * _next_factor(error), at.size),
            at.bounded | (error == torch.inf),
            error,
        )

    def _check_size(self, at: _Walk) -> None:
        end = self.time + self.duration
        most = self._least(max(abs(self.time), abs(end)), at.z)
        if look(at.size.min, self.method) * abs(self.duration) >= most:
            return  # the rest takes longer
        sizes = torch.where(at.place < 1, at.size, torch.inf)
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
        # asks that h⁵ max(‖f‖, ‖f'‖) = 0.01, in the norm of the tolerance.
        # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
        norm, longest = self.tolerance.norm, abs(self.duration)
        shortest = self._least(abs(self.time), z)
        size, speed = norm(z, z, z), norm(slope, z, z)
        small = (size < 1e-5) | (speed < 1e-5)
        trial = torch.where(small, _FIRST, 0.01 * size / speed)
        trial = trial.clamp(min=shortest).clamp(max=longest)
        h = trial * (1 if self.duration > 0 else -1)
        moved = self.field(along(t + h, z), z + along(h, z) * slope)
        change = norm(moved - slope, z, z) / trial
        fastest = torch.maximum(speed, change)
        flat = torch.clamp(1e-3 * trial, min=_FIRST)
        second = torch.where(fastest <= 1e-15, flat, (0.01 / fastest).pow(1 / _ORDER))
        # a field that is not finite there gives 0: begin far below, and let the control find out
        second = torch.where(second > 0, second, 1e-3 * trial)
        first = torch.minimum(100 * trial, second)
        return first.clamp(min=shortest).clamp(max=longest)

    def _too_many(self, at: _Walk) -> str:
        worst = int(at.place.argmin())
        size = float(at.size[worst]) * abs(self.duration)
        found = f"got more, the last one of {size:.3g},"
        return self._message(at, worst, f"at most {self.max_steps} steps (max_steps)", found)

    def _message(self, at: _Walk, worst: int, expected: str, found: str) -> str:
        time = self.time + float(at.place[worst]) * self.duration
        lost = bool(at.tried[worst] == torch.inf)
        return (
            f"{self.method}: expected {expected}; {found} at t = {time:.6g} in sample {worst} of "
            f"{len(at.place)}{', where f is not finite' if lost else ''}. {_STIFF}"
        )


@dataclass(frozen=True)
class _Walk:
    """Where each sample stands."""

    z: Tensor
    slope: Tensor
    place: Tensor
    size: Tensor
    bounded: Tensor  # no try leads beyond the end, because one of them was not finite
    tried: Tensor  # the error of the last try


def _next_factor(error: Tensor) -> Tensor:
    """Return the next step over the present one, (batch,)."""
    # 0.9 e^(-1/5) within [0.2, 10], and at least 1 after an error below 1.
    # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
    factor = _SAFETY * error.pow(-1 / _ORDER)
    return torch.maximum(factor.clamp(_SHRINK, _GROW), (error < 1).to(factor.dtype))


def look(number: Callable[[], Tensor], method: str) -> float:
    """Return the value of a number."""
    try:
        return float(number())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(_VMAP.format(method=method)) from error


def _aligned(places: Tensor) -> Tensor:
    """Return the places without repetitions of rejected tries, filled up with the last."""
    moved = torch.diff(places, dim=1, prepend=places[:, :1]) > 0
    index = moved.cumsum(dim=1)
    shape = (len(places), int(index.max()) + 1)
    return places[:, -1:].expand(shape).scatter(1, index, places)
