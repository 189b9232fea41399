"""What is said of the trainings, problem by problem."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reproductions.common.result import Statement
from reproductions.optimisers_on_networks.training import Compared

Found = Mapping[str, Sequence[Compared]]


def statements(found: Found) -> list[Statement]:
    """Return the statements about every problem."""
    said = []
    for problem, every in found.items():
        by_name = {each.name: each for each in every}
        said += [
            _learnt(problem, every),
            _fewer(problem, by_name["K-FAC"], by_name["SGD"]),
            _dearer(problem, by_name["K-FAC"], by_name["SGD"]),
            _bounded(problem, by_name["relativistic"], by_name["SGD"]),
        ]
    return said


def _learnt(problem: str, every: Sequence[Compared]) -> Statement:
    """Return whether all of them learn."""
    worst = max((run.final, each.name) for each in every for run in each.runs)
    return Statement(
        f"{problem}: each optimiser ends below half of the loss of guessing, ln 10",
        f"the largest is {worst[0]:.3f}, of {worst[1]}",
        holds=worst[0] < math.log(10) / 2,
    )


def _fewer(problem: str, kfac: Compared, sgd: Compared) -> Statement:
    """Return whether K-FAC needs fewer steps to where SGD ends."""
    level = sgd.final
    steps = kfac.reached(level)
    total = len(sgd.runs[0].losses)
    return Statement(
        f"{problem}: K-FAC reaches the loss that SGD ends with in fewer steps",
        f"{level:.4f} after {steps} of {total} steps" if steps else f"{level:.4f} is not reached",
        holds=steps is not None and steps < total,
    )


def _dearer(problem: str, kfac: Compared, sgd: Compared) -> Statement:
    """Return whether its steps cost more."""
    ratio = kfac.seconds / sgd.seconds
    return Statement(
        f"{problem}: a step of K-FAC costs more than one of SGD",
        f"{ratio:.1f} times as much",
        holds=ratio > 1,
    )


def _bounded(problem: str, relativistic: Compared, sgd: Compared) -> Statement:
    """Return whether bounded velocities leave the loss as it is."""
    return Statement(
        f"{problem}: relativistic descent ends within a factor of four of the loss of SGD",
        f"{relativistic.final:.4f} and {sgd.final:.4f}",
        holds=0.25 < relativistic.final / sgd.final < 4,
    )


def numbers(found: Found) -> dict[str, float]:
    """Return what was measured, but for the time."""
    measured: dict[str, float] = {}
    for problem, every in found.items():
        level = next(each.final for each in every if each.name == "SGD")
        for each in every:
            steps = each.reached(level)
            values = {
                "loss at the end": each.final,
                "largest of the seeds": max(run.final for run in each.runs),
                "smallest of the seeds": min(run.final for run in each.runs),
                "share named rightly": each.accuracy,
                **({"steps to where SGD ends": steps} if steps else {}),
                **each.setting,
            }
            measured |= {f"{problem}: {each.name}: {what}": x for what, x in values.items()}
    return measured


def costs(found: Found) -> dict[str, float]:
    """Return the time of steps, and until the loss is that which SGD ends with."""
    measured: dict[str, float] = {}
    for problem, every in found.items():
        level = next(each.final for each in every if each.name == "SGD")
        for each in every:
            name, steps = f"{problem}: {each.name}", each.reached(level)
            measured[f"{name}: milliseconds a step"] = 1e3 * each.seconds
            if steps:
                measured[f"{name}: seconds to where SGD ends"] = steps * each.seconds
    return measured
