"""Optimisers on networks: loss against steps and against seconds, all of them tuned equally."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reproductions.common.classification import LabelledImages
from reproductions.common.result import Result
from reproductions.discrete_weights.data import Task, digits, fashion
from reproductions.optimisers_on_networks.networks import EVERY, convolutional, dense, orthogonal
from reproductions.optimisers_on_networks.pictures import draw_losses
from reproductions.optimisers_on_networks.statements import costs, numbers, statements
from reproductions.optimisers_on_networks.training import Problem, compared

_BATCH = 128
_TUNING = 1000  # the first seed that tuning takes, with which nothing is judged
_IMAGES = (12_000, 2_000)
_LEAD = (
    "Every optimiser has six settings, which are tried with a seed of their own; the one with the "
    "least loss at the end is judged with {seeds} other seeds. SGD, relativistic descent (order 1) "
    "and K-FAC have momentum 0.9, Adam and Muon their usual constants; Muon takes the matrices, "
    "and Adam with a tenth of its step size the other parameters. K-FAC measures its metric every "
    "{every} steps. Seconds are those of one processor, with everything that a step needs. "
    "Batches have {batch} images. {shortened}"
)


def run(out: Path, *, quick: bool, seed: int = 0, data: Path | None = None) -> Result:
    """Train small networks on digits and clothes by five optimisers.

    Source: section 6.1, equations (53) and (57); section 6.2, equation (60).
    """
    if data is None and not quick:
        raise ValueError(
            "Expected data: a folder with the four IDX files of Fashion-MNIST; got none. Name it "
            "with --data, or use --quick, which takes the digits alone."
        )
    problems = _problems(quick=quick, data=data)
    seeds = range(seed, seed + (2 if quick else 3))
    found = {p.name: compared(p, seeds, _TUNING + seed) for p in problems}
    return Result(
        title="Optimisers on networks",
        lead=_LEAD.format(
            seeds=len(seeds),
            every=EVERY,
            batch=_BATCH,
            shortened="Trainings are short." if quick else "",
        ),
        numbers=numbers(found),
        costs=costs(found),
        statements=statements(found),
        figures={
            draw_losses(found, "steps", out / "steps.png"): (
                "Loss of the batches, a running mean over tenths of the training and over seeds, "
                "against steps."
            ),
            draw_losses(found, "seconds of one processor", out / "seconds.png"): (
                "The same against seconds."
            ),
        },
    )


def _problems(*, quick: bool, data: Path | None) -> list[Problem]:
    """Return the networks with their images."""
    task = _standardised(digits(), *(2_000, 2_000))
    steps = (40, 20) if quick else (300, 200)
    found = [
        Problem(name, partial(build, 64, 48), task.training, task.held_out, count, _BATCH)
        for name, build, count in zip(
            ("digits, dense", "digits, one layer orthogonal"),
            (dense, orthogonal),
            steps,
            strict=True,
        )
    ]
    if data is not None:
        clothes = _standardised(fashion(data), *_IMAGES)
        found.append(
            Problem(
                *("Fashion-MNIST, convolutional", partial(convolutional, 6)),
                *(clothes.training, clothes.held_out),
                *(60 if quick else 500, _BATCH),
            )
        )
    return found


def _standardised(task: Task, training: int, held_out: int) -> Task:
    """Return the first images, with mean 0 and variance 1 of all training pixels."""
    images = task.training.images[:training]
    mean, deviation = images.mean(), images.std()

    def part(side: LabelledImages, count: int) -> LabelledImages:
        return LabelledImages((side.images[:count] - mean) / deviation, side.classes[:count])

    return Task(task.source, part(task.training, training), part(task.held_out, held_out))
