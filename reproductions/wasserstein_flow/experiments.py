"""What is measured of the flows: by width, by start, by metric, by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from reproductions.wasserstein_flow.margins import Margin, margin
from reproductions.wasserstein_flow.measures import wasserstein
from reproductions.wasserstein_flow.particles import (
    Flowed,
    Measure,
    concentrated,
    diverse,
    flowed,
    risk,
)

NEURONS = 5  # of the teacher in ten dimensions
PLANE = 3  # of the teacher in the plane
METRICS = {
    "Wasserstein": (1.0, 0.0),
    "Fisher-Rao": (0.0, 1.0),
    "Wasserstein-Fisher-Rao": (1.0, 1.0),
}


@dataclass(frozen=True)
class Size:
    """How large the experiments are."""

    widths: tuple[int, ...]  # of the students
    seeds: int  # of students of a width, and of classifiers
    steps: int  # of their flows
    pairs: tuple[int, ...]  # widths J that are compared with 2J
    noise: tuple[int, ...]  # numbers of spurious coordinates
    layers: tuple[int, ...]  # widths of classifiers
    points: int  # of a class of data
    long: int  # steps of classifiers


def by_width(size: Size, seed: int) -> dict[int, list[float]]:
    """Return E at the end relative to E = ½ E f*² of no student, for each width."""
    found: dict[int, list[float]] = {}
    teacher = diverse(NEURONS, 10, _generator(seed))
    for width in size.widths:
        starts = [diverse(width, 10, _generator(seed, width, i)) for i in range(size.seeds)]
        ends = [flowed(start, teacher, rate=1.0, steps=size.steps) for start in starts]
        found[width] = [float(end.losses[-1]) / level(teacher) for end in ends]
    return found


def level(teacher: Measure) -> float:
    """Return ½ E f*², the loss of the network that is 0."""
    nothing = Measure(teacher.a[:0], teacher.c[:0], teacher.w[:0])
    return float(risk(nothing, teacher))


def in_the_plane(size: Size, seed: int) -> tuple[Measure, dict[str, Flowed]]:
    """Return a teacher, and flows to it from everywhere and from one place."""
    teacher = diverse(PLANE, 2, _generator(seed))
    starts = {
        "diverse": diverse(40, 2, _generator(seed, 40)),
        "concentrated": concentrated(40, 2, _generator(seed, 40)),
    }
    return teacher, {
        name: flowed(start, teacher, rate=1.0, steps=size.steps, seen=100)
        for name, start in starts.items()
    }


def distances(size: Size, seed: int) -> dict[int, tuple[float, float]]:
    """Return W₂ of measures with J and 2J particles at the start and at the end, in the mean."""
    each = [_distances(size, seed, i) for i in range(size.seeds)]
    return {
        width: (
            sum(found[width][0] for found in each) / len(each),
            sum(found[width][1] for found in each) / len(each),
        )
        for width in size.pairs
    }


def _distances(size: Size, seed: int, number: int) -> dict[int, tuple[float, float]]:
    teacher = diverse(PLANE, 2, _generator(seed))
    widths = sorted({*size.pairs, *(2 * width for width in size.pairs)})
    starts = {width: diverse(width, 2, _generator(seed, number, width)) for width in widths}
    steps = min(size.steps, 300)
    ends = {
        width: flowed(start, teacher, rate=0.5, steps=steps).end for width, start in starts.items()
    }
    return {
        width: (
            wasserstein(starts[width], starts[2 * width]),
            wasserstein(ends[width], ends[2 * width]),
        )
        for width in size.pairs
    }


def by_metric(size: Size, seed: int) -> dict[str, Flowed]:
    """Return flows of the same start in three metrics."""
    teacher, start = diverse(PLANE, 2, _generator(seed)), diverse(16, 2, _generator(seed, 16))
    return {
        name: flowed(
            start, teacher, rate=1.0, steps=size.steps, transport=transport, reaction=reaction
        )
        for name, (transport, reaction) in METRICS.items()
    }


def drifts(seed: int) -> tuple[dict[float, float], float]:
    """Return the largest imbalance after Euler steps by step size, and after boosts."""
    teacher, start = diverse(NEURONS, 10, _generator(seed)), diverse(20, 10, _generator(seed, 20))

    def drift(h: float, *, balanced: bool) -> float:
        end = flowed(start, teacher, rate=h, steps=round(20 / h), balanced=balanced).end
        return float(end.imbalance.abs().max())

    steps = (0.5, 0.25, 0.125)
    return {h: drift(h, balanced=False) for h in steps}, drift(steps[0], balanced=True)


def margins(
    size: Size, seed: int, *, noise: Sequence[int] = (), widths: Sequence[int] = ()
) -> Mapping[bool, Mapping[int, list[Margin]]]:
    """Return margins by the number of spurious coordinates, or by the width; both layers or one."""
    return {
        both: {
            value: [
                margin(
                    points=size.points,
                    features=3 + (value if noise else size.noise[len(size.noise) // 2]),
                    width=size.layers[-1] if noise else value,
                    steps=size.long,
                    both=both,
                    seed=1000 * seed + i,
                )
                for i in range(size.seeds)
            ]
            for value in noise or widths
        }
        for both in (True, False)
    }


def _generator(*numbers: int) -> torch.Generator:
    """Return random numbers of their own for each seed, width and repetition."""
    seed = 0
    for number in numbers:
        seed = 10_007 * seed + number
    return torch.Generator().manual_seed(seed)
