"""The search for the steps of each sample: error norms, PI control, and the walk itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.integrators._dormand_prince_pair import Slope, embedded_step

_EPS = torch.finfo(torch.float64).eps

_ORDER = 5

_SAFETY, _INTEGRAL = 0.9, 0.04  # of the PI controller of Gustafsson, with Hairer's constants

_PROPORTIONAL = 1 / _ORDER - 0.75 * _INTEGRAL

_SHRINK, _GROW = 0.2, 10.0  # of one step to the next

_QUIET = 1e-4  # smaller errors count as this much in the control

_FIRST = 1e-6  # the first step where nothing moves

_LAST = 1.01  # a step that gets this close to the end is stretched to it

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

    def norm(self, error: Tensor, z: Tensor, after: Tensor) -> Tensor:
        """Return the root mean square of error/(atol + rtol max(|z|, |z'|)), (batch,), float64."""
        wide = torch.promote_types(z.dtype, torch.float32)
        # relative to less than the rounding of the dtype nothing can be accurate
        rtol = max(self.rtol, 4 * torch.finfo(z.dtype).eps)
        scale = self.atol + rtol * torch.maximum(z.abs(), after.abs()).to(wide)
        ratio = (error.to(wide) / scale).reshape(len(z), -1)
        return ratio.square().mean(dim=1).sqrt().double()


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
        at = self._start(z, slope)
        places = [at.place]
        for _ in range(self.max_steps):
            self._check_size(at)
            at = self._advance(at)
            places.append(at.place)
            if not holds_anywhere(at.place < 1, self.method):
                break
        else:
            raise StiffnessError(self._too_many(at))
        return _aligned(torch.stack(places, dim=1)), at.z

    def _start(self, z: Tensor, slope: Tensor) -> _Walk:
        times = along(z.new_full((len(z),), self.time, dtype=torch.float64), z)
        size = _first_step(self.field, times, z, slope, self.tolerance, self.duration)
        zero = torch.zeros_like(size)
        quiet = torch.full_like(size, _QUIET)
        return _Walk(z, slope, zero, size / abs(self.duration), quiet, zero)

    def _advance(self, at: _Walk) -> _Walk:
        """Return where the samples stand after one try."""
        left = 1 - at.place
        ends = _LAST * at.size >= left
        size = torch.where(ends, left, at.size)
        h = along(size * self.duration, at.z)
        times = along(self.time + at.place * self.duration, at.z)
        step = embedded_step(self.field, times, h, at.z, at.slope)
        error = self.tolerance.norm(step.error, at.z, step.after)
        accepted = (error <= 1) & (left > 0)
        place = torch.where(ends, torch.ones_like(size), at.place + size)
        factor = _next_factor(error, at.error, held=~(at.tried <= 1))
        return _Walk(
            _choose(accepted, step.after, at.z),
            _choose(accepted, step.slope, at.slope),
            torch.where(accepted, place, at.place),
            torch.where(left > 0, size * factor, at.size),
            torch.where(accepted, error.clamp(min=_QUIET), at.error),
            error,
        )

    def _check_size(self, at: _Walk) -> None:
        end = self.time + self.duration
        least = max(self.min_step, 16 * _EPS * max(abs(self.time), abs(end)))
        size = torch.where(at.place < 1, at.size * abs(self.duration), torch.inf)
        worst = int(size.argmin())
        if float(size[worst]) < least:
            found = f"got {float(size[worst]):.3g}"
            raise StiffnessError(self._message(at, worst, f"steps of at least {least:.3g}", found))

    def _too_many(self, at: _Walk) -> str:
        worst = int(at.place.argmin())
        size = float(at.size[worst]) * abs(self.duration)
        found = f"got more, the last one of {size:.3g},"
        return self._message(at, worst, f"at most {self.max_steps} steps (max_steps)", found)

    def _message(self, at: _Walk, worst: int, expected: str, found: str) -> str:
        time = self.time + float(at.place[worst]) * self.duration
        lost = not at.tried[worst].isfinite()
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
    error: Tensor  # of the last accepted step, as the control remembers it
    tried: Tensor  # the error of the last try


def _next_factor(error: Tensor, before: Tensor, *, held: Tensor) -> Tensor:
    """Return the next step over the present one, (batch,)."""
    # Accepted: 0.9 e^(-0.17) e_before^(0.04), at most 1 right after a rejection. Rejected:
    # 0.9 e^(-0.17), below 1. Both within [0.2, 10].
    # Gustafsson 1991; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
    proportional = _SAFETY * error.nan_to_num(torch.inf, torch.inf).pow(-_PROPORTIONAL)
    accepted = error <= 1
    factor = torch.where(accepted, proportional * before.pow(_INTEGRAL), proportional)
    most = torch.where(accepted & ~held, _GROW, 1.0)
    return torch.minimum(factor.clamp(min=_SHRINK), most)


def _first_step(
    field: Slope, t: Tensor, z: Tensor, slope: Tensor, tolerance: Tolerance, duration: float
) -> Tensor:
    """Return the length of the first step of each sample, (batch,), float64, > 0."""
    # It makes one explicit Euler step h_0 = 0.01 ‖z‖/‖f‖ to see the second derivative, and
    # asks that h⁵ max(‖f‖, ‖f'‖) = 0.01, in the norm of the tolerance.
    # Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4.
    longest = abs(duration)
    size, speed = tolerance.norm(z, z, z), tolerance.norm(slope, z, z)
    small = (size < 1e-5) | (speed < 1e-5)
    trial = torch.where(small, _FIRST, 0.01 * size / speed).clamp(max=longest)
    h = along(trial, z) * (1 if duration > 0 else -1)
    change = tolerance.norm(field(t + h, z + h * slope) - slope, z, z) / trial
    fastest = torch.maximum(speed, change.nan_to_num(torch.inf))
    flat = torch.clamp(1e-3 * trial, min=_FIRST)
    second = torch.where(fastest <= 1e-15, flat, (0.01 / fastest).pow(1 / _ORDER))
    # a field that is not finite there gives 0: begin far below, and let the control find out
    second = torch.where(second > 0, second, 1e-3 * trial)
    return torch.minimum(100 * trial, second).clamp(max=longest)


def along(values: Tensor, z: Tensor) -> Tensor:
    """Return values of samples, shaped to broadcast against z, in its dtype."""
    return values.to(z.dtype).reshape(-1, *(1,) * (z.ndim - 1))


def holds_anywhere(mask: Tensor, method: str) -> bool:
    """Return whether an entry is set."""
    try:
        return bool(mask.any())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(_VMAP.format(method=method)) from error


def _choose(mask: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return x where the mask of samples is set, y elsewhere."""
    return torch.where(mask.reshape(-1, *(1,) * (x.ndim - 1)), x, y)


def _aligned(places: Tensor) -> Tensor:
    """Return the places without repetitions of rejected tries, filled up with the last."""
    moved = torch.diff(places, dim=1, prepend=places[:, :1]) > 0
    index = moved.cumsum(dim=1)
    shape = (len(places), int(index.max()) + 1)
    return torch.ones(shape, dtype=places.dtype, device=places.device).scatter(1, index, places)
