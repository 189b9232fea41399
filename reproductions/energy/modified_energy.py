"""Backward error analysis on the pendulum: what symplectic methods keep better than H."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from darboux.integrators import Integrator, StormerVerlet, SymplecticEuler
from reproductions.common.figures import DASHES, canvas, label, legend, marked, save
from reproductions.common.result import Statement
from reproductions.energy.pendulum import Track

_TIME = 20.0
COUNTS = (50, 100, 200, 400)  # steps: h = 0.4, 0.2, 0.1, 0.05
_SLACK = 0.25


@dataclass(frozen=True, eq=False)
class Convergence:
    """How far an energy is from constant, over the step size."""

    name: str  # of the energy
    tracks: list[Track]  # of one method over one time, with smaller and smaller steps
    terms: int  # of the modified Hamiltonian, 0 for H itself
    order: int  # the power of h that theory promises

    @cached_property
    def errors(self) -> list[float]:
        """The largest deviation, for each step size."""
        energies = [
            track.modified_errors(terms=self.terms) if self.terms else track.errors
            for track in self.tracks
        ]
        return [float(energy.abs().max()) for energy in energies]

    @property
    def sizes(self) -> list[float]:
        """The step sizes."""
        return [track.h for track in self.tracks]

    @property
    def method(self) -> str:
        """The name of the method."""
        return self.tracks[0].name

    @property
    def slope(self) -> float:
        """The measured power of h, between the two smallest step sizes."""
        h, errors = self.sizes, self.errors
        return float(np.log(errors[-1] / errors[-2]) / np.log(h[-1] / h[-2]))

    def statement(self) -> Statement:
        """Return whether the power is what theory says."""
        text = f"{self.method} keeps {self.name} up to O(h^{self.order})"
        holds = abs(self.slope - self.order) <= _SLACK
        measured = f"slope {self.slope:.3f}, {self.errors[-1]:.2e} at h = {self.sizes[-1]:g}"
        return Statement(text, measured, holds=holds)


def convergences(counts: tuple[int, ...] = COUNTS) -> list[Convergence]:
    """Return the energies that are compared: H, and H̃ with the terms that are not 0."""
    euler = _tracks("symplectic Euler", SymplecticEuler(), counts)
    verlet = _tracks("Störmer-Verlet", StormerVerlet(), counts)
    return [
        Convergence("H", euler, terms=0, order=1),
        Convergence("H + h H₂", euler, terms=1, order=2),
        Convergence("H + h H₂ + h² H₃", euler, terms=2, order=3),
        Convergence("H", verlet, terms=0, order=2),
        Convergence("H + h² H₃", verlet, terms=2, order=4),
    ]


def _tracks(name: str, integrator: Integrator, counts: tuple[int, ...]) -> list[Track]:
    return [Track(name, integrator, _TIME / count, count) for count in counts]


def draw_convergences(found: list[Convergence], path: Path) -> Path:
    """Draw the deviations over the step size, with the powers that theory promises."""
    figure, ((axes,),) = canvas(1, 1, side=(8.4, 4.0))
    methods = list(dict.fromkeys(each.method for each in found))
    for each in found:
        name = f"{each.method}: {each.name}, slope {each.slope:.2f} (theory {each.order})"
        look = marked(methods.index(each.method)) | {"linestyle": DASHES[each.terms]}
        axes.plot(each.sizes, each.errors, label=name, **look)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(found[0].sizes, [f"{h:g}" for h in found[0].sizes])
    axes.minorticks_off()
    legend(figure, axes)
    label(axes, f"pendulum, 0 <= t <= {_TIME:g}", "h", "largest deviation")
    return save(figure, path)
