"""The experiments by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from darboux.experiments import (
    deep_hamiltonian,
    digits_density,
    energy,
    half_moons,
    stability,
)
from darboux.experiments.result import Result


class Run(Protocol):
    """A function that runs an experiment."""

    def __call__(self, out: Path, *, quick: bool, seed: int = 0) -> Result:
        """Write the figures to a folder that exists, and return what was found."""


@dataclass(frozen=True)
class Experiment:
    """An experiment and what it shows.

    Args:
        run: does it.
        summary: what it shows, in a line.

    Example:
        >>> EXPERIMENTS["energy"].summary
        'energy of the pendulum over long times, method by method'
    """

    run: Run
    summary: str


EXPERIMENTS: dict[str, Experiment] = {
    "deep-hamiltonian": Experiment(
        deep_hamiltonian.run, "a Hamiltonian network of 1000 layers: no gradient vanishes"
    ),
    "digits-density": Experiment(
        digits_density.run, "a normalising flow of handwritten digits, in bits per dimension"
    ),
    "energy": Experiment(energy.run, "energy of the pendulum over long times, method by method"),
    "half-moons": Experiment(
        half_moons.run, "three normalising flows of the two half-moons beside the exact density"
    ),
    "stability": Experiment(
        stability.run, "phase portraits of stable and unstable layers, method by method"
    ),
}


def experiment_named(name: str) -> Experiment:
    """Return an experiment.

    Args:
        name: one of `EXPERIMENTS`, written with hyphens or underscores.

    Raises:
        ValueError: naming those that there are.

    Example:
        >>> experiment_named("deep_hamiltonian") is EXPERIMENTS["deep-hamiltonian"]
        True
    """
    found = EXPERIMENTS.get(name.replace("_", "-"))
    if found is None:
        raise ValueError(f"Expected an experiment among {', '.join(EXPERIMENTS)}; got {name!r}.")
    return found
