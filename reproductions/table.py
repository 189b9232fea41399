"""The experiments by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from darboux._workshop import require
from reproductions.common.result import Result


@dataclass(frozen=True)
class Experiment:
    """An experiment and what it shows.

    It runs as ``run(out, *, quick, seed)`` and writes its figures to a folder that exists; where
    `data` is not empty, it also takes data=FOLDER.
    """

    run: Callable[..., Result]
    summary: str  # what it shows, in a line
    data: str = ""  # what folder it reads, in words; empty if it needs none


def _run(name: str, out: Path, **options: Any) -> Result:
    """Run a topic, which is imported only now: the list of them needs no workshop."""
    require("reproductions", "PIL", "accelerate", "matplotlib")
    topic = import_module(f"reproductions.{name.replace('-', '_')}")
    result: Result = topic.run(out, **options)
    return result


_SUMMARIES = {
    "activity-recognition": "curves of rotations from a watch, compared whatever their speed",
    "adversarial-noise": "noise that misleads plain classifiers, and one with certified radii",
    "approximate-equivariance": "equivariance error off the grid: bound and measurement",
    "conformal-optimisers": "heavy balls, relativistic descent, Adam on a camelback (Figure 4)",
    "deep-hamiltonian": "a Hamiltonian network of 1000 layers: no gradient vanishes",
    "deep-limits": "minimisers as the number of layers grows: Theorem 3.3 with its rates",
    "diffusion-tensors": "diffusion tensors of a brain, denoised on their manifold and off it",
    "digits-density": "a normalising flow of handwritten digits, in bits per dimension",
    "discrete-weights": "binary and ternary weights beside real ones, by successive approximations",
    "energy": "energy of the pendulum over long times, method by method",
    "equivariant-denoiser": "ordinary and equivariant denoisers on turned rectangles (Figure 3)",
    "geodesics": "tracks of data: are they straight, and near to optimal transport?",
    "half-moons": "three normalising flows of the two half-moons beside the exact density",
    "ill-posed-training": "training without a solution, and with a regulariser (Example 3.2.1)",
    "image-reconstruction": "images from indirect measurements, with certificates and without",
    "interferogram": "phases of radar interferometry, denoised on the circle and off it",
    "invertible-classifiers": "invertible classifiers beside a plain ResNet of the same size",
    "metric-rates": "natural gradients near a minimiser, metric by metric, beside their theory",
    "open-problems": "energies, inverses, bounds and features: small experiments on open problems",
    "optimal-control": "learned steps and Runge-Kutta methods on plane problems (Figure 1)",
    "optimisers-on-networks": "five optimisers of small networks, against steps and seconds",
    "random-matrices": "singular values of deep Jacobians beside free probability",
    "rotated-images": (
        "rotated digits and photographs: ordinary, augmented and equivariant networks"
    ),
    "sample-complexity": "how many training images equivariance saves",
    "stability": "phase portraits of stable and unstable layers, method by method",
    "standard-map": "chaos from two shears: the standard map beside its theory",
    "successive-approximations": "a network trained from zero by the maximum principle",
    "volume-segmentation": "an invertible 3-D U-Net where a plain one runs out of memory",
    "wasserstein-flow": "two-layer networks as measures of particles: flows, balance, margins",
}
_DATA = {
    "activity-recognition": "a folder with BasicMotions_TRAIN.ts and BasicMotions_TEST.ts",
    "discrete-weights": "a folder with the four IDX files of Fashion-MNIST, beside digits",
    "geodesics": "a folder with the four IDX files of Fashion-MNIST, beside digits",
    "invertible-classifiers": "a folder with the four IDX files of Fashion-MNIST",
    "optimisers-on-networks": "a folder with the four IDX files of Fashion-MNIST, beside digits",
}
EXPERIMENTS = {
    name: Experiment(partial(_run, name), summary, _DATA.get(name, ""))
    for name, summary in _SUMMARIES.items()
}


def experiment_named(name: str) -> Experiment:
    """Return an experiment by its name, written with hyphens or underscores."""
    found = EXPERIMENTS.get(name.replace("_", "-"))
    if found is None:
        raise ValueError(f"Expected an experiment among {', '.join(EXPERIMENTS)}; got {name!r}.")
    return found
