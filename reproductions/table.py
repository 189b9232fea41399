"""The experiments by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reproductions import (
    approximate_equivariance,
    deep_hamiltonian,
    digits_density,
    energy,
    equivariant_denoiser,
    half_moons,
    invertible_classifiers,
    rotated_images,
    sample_complexity,
    stability,
    volume_segmentation,
)
from reproductions.common.result import Result
from reproductions.invertible_classifiers.data import FOLDER


@dataclass(frozen=True)
class Experiment:
    """An experiment and what it shows.

    It runs as ``run(out, *, quick, seed)`` and writes its figures to a folder that exists; where
    `data` is not empty, it also takes data=FOLDER.
    """

    run: Callable[..., Result]
    summary: str  # what it shows, in a line
    data: str = ""  # what folder it reads, in words; empty if it needs none


EXPERIMENTS: dict[str, Experiment] = {
    "approximate-equivariance": Experiment(
        approximate_equivariance.run, "equivariance error off the grid: bound and measurement"
    ),
    "deep-hamiltonian": Experiment(
        deep_hamiltonian.run, "a Hamiltonian network of 1000 layers: no gradient vanishes"
    ),
    "digits-density": Experiment(
        digits_density.run, "a normalising flow of handwritten digits, in bits per dimension"
    ),
    "energy": Experiment(energy.run, "energy of the pendulum over long times, method by method"),
    "equivariant-denoiser": Experiment(
        equivariant_denoiser.run,
        "ordinary and equivariant denoisers on turned rectangles (Figure 3)",
    ),
    "half-moons": Experiment(
        half_moons.run, "three normalising flows of the two half-moons beside the exact density"
    ),
    "invertible-classifiers": Experiment(
        invertible_classifiers.run,
        "invertible classifiers beside a plain ResNet of the same size",
        FOLDER,
    ),
    "rotated-images": Experiment(
        rotated_images.run,
        "rotated digits and photographs: ordinary, augmented and equivariant networks",
    ),
    "sample-complexity": Experiment(
        sample_complexity.run, "how many training images equivariance saves"
    ),
    "stability": Experiment(
        stability.run, "phase portraits of stable and unstable layers, method by method"
    ),
    "volume-segmentation": Experiment(
        volume_segmentation.run, "an invertible 3-D U-Net where a plain one runs out of memory"
    ),
}


def experiment_named(name: str) -> Experiment:
    """Return an experiment by its name, written with hyphens or underscores."""
    found = EXPERIMENTS.get(name.replace("_", "-"))
    if found is None:
        raise ValueError(f"Expected an experiment among {', '.join(EXPERIMENTS)}; got {name!r}.")
    return found
