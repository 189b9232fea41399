"""The search for the steps of each sample, without derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators._controller import Tolerance, first_step, next_factor, quiet
from darboux.integrators._embedded import Slope, embedded_step
from darboux.integrators._step_size import StiffnessError, holds_anywhere

_EPS = torch.finfo(torch.float64).eps

_LAST = 1.01  # a step that gets this close to the end is stretched to it

_STIFF = (
    "Use RadauIIA(3), LobattoIIIC(3) or ImplicitEuler() with fixed steps if the field is stiff "
    "there, or a larger tolerance if it is not smooth."
)


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
        at = self.start(z, slope)
        places = [at.place]
        for _ in range(self.max_steps):
            self._check_size(at)
            at = self.advance(at)
            places.append(at.place)
            if not holds_anywhere(at.place < 1, self.method):
                break
        else:
            raise StiffnessError(self._too_many(at))
        return _aligned(torch.stack(places, dim=1)), at.z

    def start(self, z: Tensor, slope: Tensor) -> Walk:
        """Return where the samples stand at the beginning."""
        times = self.times(z.new_zeros(len(z), dtype=torch.float64), z)
        size = first_step(self.field, times, z, slope, self.tolerance, self.duration)
        zero = torch.zeros_like(size)
        return Walk(z, slope, zero, size / abs(self.duration), quiet(zero), zero)

    def advance(self, at: Walk) -> Walk:
        """Return where the samples stand after one try."""
        left = 1 - at.place
        ends = _LAST * at.size >= left
        size = torch.where(ends, left, at.size)
        h = (size * self.duration).to(at.z.dtype).reshape(-1, *(1,) * (at.z.ndim - 1))
        step = embedded_step(self.field, self.times(at.place, at.z), h, at.z, at.slope)
        error = self.tolerance.norm(step.error, at.z, step.after)
        accepted = (error <= 1) & (left > 0)
        place = torch.where(ends, torch.ones_like(size), at.place + size)
        factor = next_factor(error, at.error, held=~(at.tried <= 1))
        return Walk(
            _choose(accepted, step.after, at.z),
            _choose(accepted, step.slope, at.slope),
            torch.where(accepted, place, at.place),
            torch.where(left > 0, size * factor, at.size),
            torch.where(accepted, quiet(error), at.error),
            error,
        )

    def times(self, place: Tensor, z: Tensor) -> Tensor:
        """Return t + place · duration, shaped to broadcast against z, in its dtype."""
        times = self.time + place * self.duration
        return times.to(z.dtype).reshape(-1, *(1,) * (z.ndim - 1))

    def _check_size(self, at: Walk) -> None:
        end = self.time + self.duration
        least = max(self.min_step, 16 * _EPS * max(abs(self.time), abs(end)))
        size = torch.where(at.place < 1, at.size * abs(self.duration), torch.inf)
        worst = int(size.argmin())
        if float(size[worst]) < least:
            found = f"got {float(size[worst]):.3g}"
            raise StiffnessError(self._message(at, worst, f"steps of at least {least:.3g}", found))

    def _too_many(self, at: Walk) -> str:
        worst = int(at.place.argmin())
        size = float(at.size[worst]) * abs(self.duration)
        found = f"got more, the last one of {size:.3g},"
        return self._message(at, worst, f"at most {self.max_steps} steps (max_steps)", found)

    def _message(self, at: Walk, worst: int, expected: str, found: str) -> str:
        time = self.time + float(at.place[worst]) * self.duration
        lost = not at.tried[worst].isfinite()
        return (
            f"{self.method}: expected {expected}; {found} at t = {time:.6g} in sample {worst} of "
            f"{len(at.place)}{', where f is not finite' if lost else ''}. {_STIFF}"
        )


@dataclass(frozen=True)
class Walk:
    """Where each sample stands."""

    z: Tensor
    slope: Tensor
    place: Tensor
    size: Tensor
    error: Tensor
    tried: Tensor


def _choose(mask: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return x where the mask of samples is set, y elsewhere."""
    return torch.where(mask.reshape(-1, *(1,) * (x.ndim - 1)), x, y)


def _aligned(places: Tensor) -> Tensor:
    """Return the places without repetitions of rejected tries, filled up with the last."""
    moved = torch.diff(places, dim=1, prepend=places[:, :1]) > 0
    index = moved.cumsum(dim=1)
    shape = (len(places), int(index.max()) + 1)
    return torch.ones(shape, dtype=places.dtype, device=places.device).scatter(1, index, places)
