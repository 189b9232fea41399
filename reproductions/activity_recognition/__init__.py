"""Activities by the motion of a watch: curves of rotations, compared whatever their speed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from darboux.manifolds import SO
from reproductions.activity_recognition.data import NAME, Motions, made_up, recorded
from reproductions.activity_recognition.measures import (
    distances,
    euclidean,
    invariant,
    right,
    rotations,
    slower,
    warped,
)
from reproductions.activity_recognition.networks import trained
from reproductions.activity_recognition.pictures import draw_curves, draw_distances
from reproductions.activity_recognition.statements import (
    EUCLIDEAN,
    INVARIANT,
    WARPED,
    counted,
    invariances,
    learned,
    no_better,
    on_group,
    unmoved,
)
from reproductions.common.result import Result, Statement

_NAMES = ("standing", "running", "walking", "badminton")
_MADE_UP = ("one axis", "another axis", "circling", "hardly at all")
_KNOWN = {EUCLIDEAN: 24, WARPED: 36}  # of 40, by others' programs
_LEAD = (
    "The gyroscope of a watch is integrated to rotations, a curve in SO(3), and a motion is given "
    "the class of the nearest one that is known. Distances: that of the angular velocities as "
    "numbers; dynamic time warping of these; and that of curves of rotations with the infimum "
    "over their parametrisations, which forgets speed and where the watch pointed at first. Beside "
    "them, a small network on curves of rotations, which forgets the latter alone. Data: "
    "{source}. {caution}"
)
_CAUTION = (
    "One motion more or less is {step:.1f} points, so differences of a few points say nothing. "
    "Of BasicMotions' gyroscope time warping is known to name 36 of 40, and ROCKET, which learns "
    "from 2000 random convolutions, 39."
)


def run(out: Path, *, quick: bool, seed: int = 0, data: Path | None = None) -> Result:
    """Compare distances of motions by their nearest neighbours.

    Source: section 2.3; Celledoni, Eslitzbichler and Schmeding 2016.
    """
    training, judged = _motions(data, quick=quick, seed=seed)
    curves = rotations(training.velocities), rotations(judged.velocities)
    tables = {
        EUCLIDEAN: distances(euclidean, judged.velocities, training.velocities),
        WARPED: distances(warped, judged.velocities, training.velocities),
        INVARIANT: distances(invariant, curves[1], curves[0]),
    }
    found = {name: right(table, training, judged) for name, table in tables.items()}
    names = _MADE_UP if data is None else _NAMES
    networks = [
        trained(curves[0], training, classes=len(names), seed=seed + k)
        for k in range(2 if quick else 5)
    ]
    scores = torch.stack([network(curves[1]) for network in networks]).detach()
    turned = torch.stack([network(_start() @ curves[1]) for network in networks]).detach()
    named = scores.argmax(-1) == judged.classes
    source = "simple motions, made up" if data is None else data.name
    caution = _CAUTION.format(step=100 / len(judged.classes))
    return Result(
        title="Activities by the motion of a watch",
        lead=_LEAD.format(source=source, caution=caution),
        numbers=_numbers(found)
        | {"motions named rightly, network on SO(3)^m": float(named.sum(1).double().mean())},
        statements=[
            on_group(curves[1]),
            *invariances(_moved(judged, tables)),
            *_accuracies(found, known=data is not None),
            learned(named, least=0.85),
            unmoved(scores, turned),
        ],
        figures={
            draw_curves(judged, names, out / "curves.png"): (
                "Three motions of each class: where the first axis of the watch points, seen along "
                "the third."
            ),
            draw_distances(tables, training, judged, out / "distances.png"): (
                "Distances of judged motions from those that are known, in the order "
                f"{', '.join(names)}; dark is near."
            ),
        },
    )


def _motions(data: Path | None, *, quick: bool, seed: int) -> tuple[Motions, Motions]:
    """Return motions to learn from and to judge by."""
    if data is not None:
        return recorded(data, split="TRAIN"), recorded(data, split="TEST")
    if not quick:
        msg = (
            f"Expected data: a folder with {NAME}_TRAIN.ts and {NAME}_TEST.ts; got none. Name it "
            "with --data, or use --quick, which makes up simple motions instead."
        )
        raise ValueError(msg)
    generator = torch.Generator().manual_seed(seed)
    training, judged = (made_up(20, samples=40, generator=generator) for _ in range(2))
    return training, judged


def _start() -> Tensor:
    """Return another orientation of the watch at the beginning, (3, 3)."""
    return SO(3).random_point(generator=torch.Generator().manual_seed(0))


def _moved(motions: Motions, tables: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Return how far motions are from themselves, changed, over the median distance of two."""
    velocities, curves = motions.velocities, rotations(motions.velocities)
    slow = slower(velocities)
    gaps = {
        "half the speed": (invariant(curves, rotations(slow)), warped(velocities, slow)),
        "another orientation at the beginning": (
            invariant(curves, _start() @ curves),
            warped(velocities, velocities),
        ),
    }
    return {
        what: {
            name: float(gap.median() / tables[name].median())
            for name, gap in zip((INVARIANT, WARPED), both, strict=True)
        }
        for what, both in gaps.items()
    }


def _accuracies(found: Mapping[str, Tensor], *, known: bool) -> list[Statement]:
    """Return how many motions are named rightly."""
    if known:
        return [*counted(found, least=_KNOWN), no_better(found)]
    count = len(found[INVARIANT])
    return counted(found, least={WARPED: round(0.9 * count), INVARIANT: round(0.9 * count)})


def _numbers(found: Mapping[str, Tensor]) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, of in found.items():
        numbers[f"motions named rightly, {name}"] = int(of.sum())
        numbers[f"motions, {name}"] = len(of)
    return numbers
