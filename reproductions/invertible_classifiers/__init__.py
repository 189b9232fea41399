"""Invertible classifiers beside an ordinary residual network of the same size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from darboux.models import coupling_classifier, plain_resnet_classifier, residual_classifier
from reproductions.common.classification import LabelledImages
from reproductions.common.extremes import maximum
from reproductions.common.result import Result, Statement
from reproductions.invertible_classifiers.data import Task, task_of
from reproductions.invertible_classifiers.inversion import bytes_kept, gradient_difference, restored
from reproductions.invertible_classifiers.pictures import draw_learning, draw_memory, draw_restored
from reproductions.invertible_classifiers.training import Budget, Fitted, fitted

COUPLING, RESIDUAL, PLAIN = "coupling (i-RevNet)", "residual (i-ResNet)", "plain ResNet"
_SHOWN = 10
_CONSTANT = 0.97  # of the residual branches
_LEAD = (
    "Three networks with the same number of blocks and parameters learn to classify images: two "
    "that are invertible up to their head, and an ordinary residual network. Nothing of an image "
    "is lost before the head: the image comes back from the features. Undoing the layers spares "
    "the memory of their activations."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    images: int  # to learn from
    held_out: int  # to judge by
    budget: Budget  # of each training
    seeds: int  # runs of each network
    margin: float  # how many points of accuracy invertible networks may lose
    width: int  # channels of the first stage


_FULL = Size(images=60000, held_out=10000, budget=Budget(epochs=3), seeds=1, margin=1.0, width=16)
_QUICK = Size(images=1536, held_out=512, budget=Budget(epochs=6), seeds=1, margin=3.0, width=8)


def run(out: Path, *, quick: bool, seed: int = 0, data: Path | None = None) -> Result:
    """Train the three networks alike, compare them, and restore images from features.

    Source: section 4.2.2; Jacobsen, Smeulders, Oyallon 2018; Behrmann et al. 2019.
    """
    size = _QUICK if quick else _FULL
    task = task_of(data, images=size.images, held_out=size.held_out, seed=seed, quick=quick)
    found = {
        name: [fitted(build, task, size.budget, seed=seed + k) for k in range(size.seeds)]
        for name, build in _networks(task.classes, size.width).items()
    }
    invertible = {name: found[name][0].network for name in (COUPLING, RESIDUAL)}
    few = LabelledImages(task.held_out.images[:_SHOWN], task.held_out.classes[:_SHOWN])
    back = {name: restored(network, few.images) for name, network in invertible.items()}
    batch = LabelledImages(*(t[: size.budget.batch] for t in task.training))
    kept = {
        name: (bytes_kept(network, batch, "autograd"), bytes_kept(network, batch, "constant"))
        for name, network in invertible.items()
    }
    errors = {name: float((x - few.images).abs().max()) for name, x in back.items()}
    slope = gradient_difference(invertible[COUPLING], batch)
    return Result(
        title=f"Invertible classifiers: {task.source}",
        lead=f"{_LEAD} Data: {task.source}. Budget of each network: {_words(size, task)}.",
        numbers=_numbers(found, kept, errors, slope),
        costs={
            f"seconds of a training, {name}": sum(r.seconds for r in runs) / len(runs)
            for name, runs in found.items()
        },
        statements=[
            _same_size(found),
            *(_close(found, name, size.margin) for name in invertible),
            *(_comes_back(name, error) for name, error in errors.items()),
            *(_spares(name, *sizes) for name, sizes in kept.items()),
            _same_gradient(slope),
        ],
        figures=_figures(found, kept, size.budget.batch, few, back, out),
    )


def _networks(classes: int, width: int) -> Mapping[str, Callable[[], nn.Sequential]]:
    """Return what builds each of the networks."""
    return {
        COUPLING: partial(coupling_classifier, 1, classes, channels=width, hidden=2 * width),
        RESIDUAL: partial(
            residual_classifier,
            1,
            classes,
            channels=width,
            hidden=width,
            constant=_CONSTANT,
            by="spectral",
        ),
        PLAIN: partial(plain_resnet_classifier, 1, classes, widths=(width, 2 * width, 4 * width)),
    }


def _words(size: Size, task: Task) -> str:
    budget = size.budget
    return (
        f"{len(task.training.images)} images, mirrored at random, {budget.epochs} epochs in "
        f"batches of {budget.batch}, AdamW with a one-cycle schedule up to {budget.rate:g} and "
        f"weight decay {budget.decay:g}, {size.seeds} seed{'s' * (size.seeds > 1)}"
    )


def _mean(runs: list[Fitted]) -> float:
    """Return the mean accuracy over the seeds, in per cent."""
    return 100 * sum(run.accuracy for run in runs) / len(runs)


def _numbers(
    found: Mapping[str, list[Fitted]],
    kept: Mapping[str, tuple[int, int]],
    errors: Mapping[str, float],
    slope: float,
) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, runs in found.items():
        numbers[f"parameters, {name}"] = runs[0].parameters
        numbers[f"last training loss, {name}"] = sum(r.losses[-1] for r in runs) / len(runs)
        for k, each in enumerate(runs):
            numbers[f"held-out accuracy in %, {name}, run {k + 1}"] = 100 * each.accuracy
    for name, (everything, little) in kept.items():
        numbers[f"bytes kept with memory=autograd, {name}"] = everything
        numbers[f"bytes kept with memory=constant, {name}"] = little
        numbers[f"largest error of restored pixels, {name}"] = errors[name]
    return {**numbers, f"relative difference of gradients, {COUPLING}": slope}


def _same_size(found: Mapping[str, list[Fitted]]) -> Statement:
    sizes = [runs[0].parameters for runs in found.values()]
    near = maximum(abs(n / sizes[-1] - 1) for n in sizes) <= 0.05
    text = "parameters are those of the plain ResNet to within 5 %"
    return Statement(text, ", ".join(map(str, sizes)), holds=near)


def _close(found: Mapping[str, list[Fitted]], name: str, margin: float) -> Statement:
    mine, plain = _mean(found[name]), _mean(found[PLAIN])
    text = f"{name}: accuracy at most {margin:g} point{'s' * (margin != 1)} below the plain ResNet"
    return Statement(text, f"{mine:.2f} % and {plain:.2f} %", holds=mine >= plain - margin)


def _comes_back(name: str, error: float) -> Statement:
    text = f"{name}: images come back from the last invertible features"
    measured = f"pixels, of standard deviation 1, off by {error:.1e} at most"
    return Statement(text, measured, holds=error < 1e-3)


def _spares(name: str, everything: int, little: int) -> Statement:
    text = f"{name}: memory='constant' keeps less than half of what autograd keeps"
    measured = f"{little / 2**20:.1f} MiB and {everything / 2**20:.1f} MiB"
    return Statement(text, measured, holds=2 * little < everything)


def _same_gradient(slope: float) -> Statement:
    text = f"{COUPLING}: its gradients are those of autograd"
    return Statement(text, f"relative difference {slope:.1e}", holds=slope < 1e-3)


def _figures(
    found: Mapping[str, list[Fitted]],
    kept: Mapping[str, tuple[int, int]],
    batch: int,
    few: LabelledImages,
    back: Mapping[str, Tensor],
    out: Path,
) -> dict[Path, str]:
    """Draw, and return the pictures with their captions."""
    return {
        draw_learning(found, out / "learning.png"): (
            "Held-out error and training loss of the three networks, trained alike."
        ),
        draw_restored(few.images, back, out / "restored.png"): (
            "Held-out images, the images that come back from the features before the head, and "
            "the difference, magnified."
        ),
        draw_memory(kept, batch, out / "memory.png"): (
            "What a training step keeps in memory, with all activations and without."
        ),
    }
