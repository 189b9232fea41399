"""The statements about the trained denoisers of rectangles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.equivariant_denoiser.measures import ANGLES
from reproductions.equivariant_denoiser.training import Trained

ORDINARY, EQUIVARIANT = "ordinary", "equivariant"
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Run:
    """A trained denoiser and its errors on pictures at angles."""

    trained: Trained  # the denoiser
    errors: Mapping[int, float]  # mean squared error by angle in degrees
    quarter: float  # relative error of commuting with a quarter turn

    def ratio(self, angle: int) -> float:
        """Return the error at an angle over that of upright pictures."""
        return self.errors[angle] / self.errors[0]


Runs = Mapping[str, Sequence[Run]]


def statements(runs: Runs, *, every: int) -> list[Statement]:
    """Return what the paper says of its Figure 3, beside what was measured."""
    return [
        _lower(runs),
        _sooner(runs, every),
        *(_ratio(runs, angle) for angle in ANGLES),
        _quarter(runs),
    ]


def reached(errors: Sequence[float], level: float, *, every: int) -> int | None:
    """Return the first iteration with an error below a level, None if there is none.

    Example:
        >>> reached([0.5, 0.3, 0.2], 0.3, every=10), reached([0.5], 0.3, every=10)
        (30, None)
    """
    below = (k for k, error in enumerate(errors, start=1) if error < level)
    first = next(below, None)
    return None if first is None else first * every


def _lower(runs: Runs) -> Statement:
    pairs = [tuple(r.trained.errors[-1] for r in pair) for pair in _pairs(runs)]
    return Statement(
        "the equivariant denoiser ends with a lower held-out error in every run",
        "; ".join(f"{mine:.2e} and {plain:.2e}" for plain, mine in pairs),
        holds=all(mine < plain for plain, mine in pairs),
    )


def _sooner(runs: Runs, every: int) -> Statement:
    found = []
    for plain, mine in _pairs(runs):
        best = min(plain.trained.errors)
        own = (plain.trained.errors.index(best) + 1) * every
        found.append((reached(mine.trained.errors, best, every=every), own))
    return Statement(
        "it undercuts the lowest error of the ordinary one in fewer iterations in every run",
        "; ".join(f"{'never' if first is None else first} and {own}" for first, own in found),
        holds=all(first is not None and first < own for first, own in found),
    )


def _ratio(runs: Runs, angle: int) -> Statement:
    pairs = [tuple(r.ratio(angle) for r in pair) for pair in _pairs(runs)]
    return Statement(
        f"its error at {angle}° over that of upright pictures is lower in every run",
        "; ".join(f"{mine:.3f} and {plain:.3f}" for plain, mine in pairs),
        holds=all(mine < plain for plain, mine in pairs),
    )


def _quarter(runs: Runs) -> Statement:
    mine, plain = ([run.quarter for run in runs[name]] for name in (EQUIVARIANT, ORDINARY))
    return Statement(
        "it commutes with a quarter turn to rounding",
        f"relative error {maximum(mine):.1e} at most; of the ordinary one "
        f"{minimum(plain):.1e} at least",
        holds=maximum(mine) <= _ROUNDING,
    )


def _pairs(runs: Runs) -> list[tuple[Run, Run]]:
    """Return the runs with equal images, the ordinary one first."""
    return list(zip(runs[ORDINARY], runs[EQUIVARIANT], strict=True))
