"""Networks with binary and ternary weights beside the same network with real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reproductions.common.extremes import maximum
from reproductions.common.result import Result, Statement
from reproductions.discrete_weights.data import Task, digits, fashion
from reproductions.discrete_weights.networks import (
    BINARY,
    REAL,
    TERNARY,
    WEIGHTS,
    Course,
    Trained,
    trained,
)
from reproductions.discrete_weights.pictures import draw_learning, draw_weights

_LEAD = (
    "A network of dense layers, normalisation and ReLU learns to classify images three times: with "
    "real weights by Adam, and with weights in {{-1, 1}} and {{-1, 0, 1}} by the method of "
    "successive approximations, which maximises the Hamiltonian over the finite set and needs no "
    "real weights behind the discrete ones. Normalisation is trained by Adam in all of them. "
    "Equal steps, no choice of the best epoch. Data: {data}."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    digits: Course  # of the networks on digits
    fashion: Course  # on Fashion-MNIST
    runs: int  # on digits, of each network
    margin: float  # points of accuracy that discrete weights may lose


_FULL = Size(Course(128, 40, 50, 1e-2, 1e-4, 1e-4), Course(256, 10, 100, 1e-3, 1e-3, 4e-6), 5, 1.5)
_QUICK = Size(Course(64, 10, 50, 1e-2, 1e-2, 1e-4), Course(64, 2, 100, 1e-3, 1e-1, 4e-6), 2, 6.0)

Runs = Mapping[str, Sequence[Trained]]


def run(out: Path, *, quick: bool, seed: int = 0, data: Path | None = None) -> Result:
    """Train networks with real, ternary and binary weights, and compare them.

    Source: section 3.4.2; Li and Hao 2018.
    """
    size = _QUICK if quick else _FULL
    tasks = [(digits(), size.digits, size.runs)]
    if data is not None:
        tasks.append((fashion(data), size.fashion, 1))
    found: dict[str, Runs] = {
        task.source: {
            weights: [trained(weights, task, course, seed=seed + k) for k in range(runs)]
            for weights in WEIGHTS
        }
        for task, course, runs in tasks
    }
    return Result(
        title="Binary and ternary weights",
        lead=_LEAD.format(data=" and ".join(_words(task) for task, _, _ in tasks)),
        numbers=_numbers(found),
        costs={
            f"{source}: processor seconds of a training, {weights}": _spent(each)
            for source, runs in found.items()
            for weights, each in runs.items()
        },
        statements=[
            statement
            for source, runs in found.items()
            for statement in (
                *(_in_set(source, weights, runs) for weights in (TERNARY, BINARY)),
                *(_close(source, weights, runs, size.margin) for weights in (TERNARY, BINARY)),
                _sparse(source, runs),
            )
        ],
        figures={
            draw_learning(found, out / "learning.png"): (
                "Held-out accuracy after each epoch, for real, ternary and binary weights; the "
                "mean over the runs."
            ),
            draw_weights(found, out / "weights.png"): (
                "The ternary weights of the first layer: one picture for each of twenty units, -1 "
                "black, 0 grey, 1 white."
            ),
        },
    )


def _words(task: Task) -> str:
    counts = len(task.training.images), len(task.held_out.images)
    return f"{task.source}, {counts[0]} images to learn from and {counts[1]} to judge by"


def _mean(runs: Sequence[Trained]) -> float:
    return sum(each.accuracies[-1] for each in runs) / len(runs)


def _in_set(source: str, weights: str, runs: Runs) -> Statement:
    allowed = WEIGHTS[weights]
    seen = sorted({value for each in runs[weights] for value in each.values})
    return Statement(
        f"{source}: all {weights} weights are in {{{', '.join(f'{v:g}' for v in allowed)}}}",
        f"values {', '.join(f'{v:g}' for v in seen)}",
        holds=set(seen) <= set(allowed),
    )


def _close(source: str, weights: str, runs: Runs, margin: float) -> Statement:
    real, discrete = _mean(runs[REAL]), _mean(runs[weights])
    return Statement(
        f"{source}: {weights} weights are at most {margin:g} points below real ones",
        f"{discrete:.2f} and {real:.2f} %",
        holds=discrete >= real - margin,
    )


def _sparse(source: str, runs: Runs) -> Statement:
    share = 100 * maximum(each.nonzero for each in runs[TERNARY])
    return Statement(
        f"{source}: at most half of the ternary weights are not 0",
        f"{share:.1f} %",
        holds=share <= 50,
    )


def _spent(runs: Sequence[Trained]) -> float:
    return sum(one.seconds for one in runs) / len(runs)


def _numbers(found: Mapping[str, Runs]) -> dict[str, float]:
    """Return what was measured, means over the runs."""
    numbers: dict[str, float] = {}
    for source, runs in found.items():
        for weights, each in runs.items():
            count = len(each)
            numbers[f"{source}: accuracy in %, {weights}"] = _mean(each)
            numbers[f"{source}: weights that are not 0 in %, {weights}"] = (
                100 * sum(one.nonzero for one in each) / count
            )
        numbers[f"{source}: weights"] = runs[REAL][0].weights
    return numbers
