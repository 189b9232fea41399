"""The statements about networks on phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

import darboux as dx
from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.interferogram.training import Trained

CIRCLE, PLANE, ANGLES = "circle", "plane", "angles"
NOISY, MEAN = "no filter", "local mean"
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Run:
    """A trained network and what was measured of it."""

    trained: Trained
    errors: Mapping[float, Tensor]  # by coherence, in each tile of the elevation model
    shifted: float  # mean distance of Ψ(φ + c) and Ψ(φ) + c, at the worst shift c
    near: Mapping[str, float]  # mean errors near jumps of the true phase, and elsewhere


Runs = Mapping[str, Sequence[Run]]


def certified(whole: dx.Certificate, inner: dx.Certificate) -> list[Statement]:
    """Return what certificates say of the network on the circle."""
    shifts = {type(row.structure) for row in inner.rows if row.level == "claim"}
    return [
        Statement(
            f"{CIRCLE}: certified to make phases of phases",
            f"{len(whole.rows)} attacks, none succeeded",
            holds=whole.holds and dx.OnManifold in {type(row.structure) for row in whole.rows},
        ),
        Statement(
            f"{CIRCLE}: what it does in the plane is certified to commute with turns",
            f"{len(inner.rows)} attacks, none succeeded",
            holds=inner.holds and dx.Equivariant in shifts,
        ),
    ]


def shifts(runs: Runs) -> Statement:
    """Return whether the network on the circle commutes with shifts of all phases."""
    worst = {name: maximum(run.shifted for run in of) for name, of in runs.items()}
    return Statement(
        "it commutes with shifts of all phases to rounding",
        "; ".join(f"{name}: {value:.1e} rad at most" for name, value in worst.items()),
        holds=worst[CIRCLE] <= _ROUNDING,
    )


def jumps(runs: Runs) -> Statement:
    """Return whether only the network of angles errs where phases jump."""

    def ratio(run: Run) -> float:
        return run.near["near"] / run.near["elsewhere"]

    found = {name: [ratio(run) for run in of] for name, of in runs.items()}
    return Statement(
        "near jumps of the phase the errors of angles are more than twice those elsewhere, the "
        "others less than 1.25 times",
        "; ".join(f"{name}: {maximum(of):.2f}" for name, of in found.items()),
        holds=minimum(found[ANGLES]) > 2 and maximum(found[CIRCLE] + found[PLANE]) < 1.25,
    )


def lower(
    runs: Runs, other: str, errors: Mapping[float, Tensor] | None, coherence: float
) -> Statement:
    """Return whether the network on the circle errs less in every run, by two standard errors."""
    pairs = [
        (run.errors[coherence], of[coherence])
        for run, of in zip(runs[CIRCLE], _others(runs, other, errors), strict=True)
    ]
    gaps = [second - first for first, second in pairs]
    return Statement(
        f"coherence {coherence:g}: lower wrapped error on the {CIRCLE} than with {other}",
        "; ".join(
            f"{float(first.mean()):.4f} and {float(second.mean()):.4f} rad, "
            f"difference {float(gap.mean()):.4f} ± {_standard_error(gap):.4f}"
            for (first, second), gap in zip(pairs, gaps, strict=True)
        ),
        holds=all(float(gap.mean()) > 2 * _standard_error(gap) for gap in gaps),
    )


def _others(
    runs: Runs, name: str, errors: Mapping[float, Tensor] | None
) -> list[Mapping[float, Tensor]]:
    if errors is None:
        return [run.errors for run in runs[name]]
    return [errors] * len(runs[CIRCLE])


def _standard_error(values: Tensor) -> float:
    return float(values.std()) / len(values) ** 0.5
