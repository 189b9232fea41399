"""The energy of the pendulum over long times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from darboux.integrators import (
    Euler,
    GonzalezGradient,
    Kutta4,
    StormerVerlet,
    SymplecticEuler,
)
from reproductions.common.figures import COLOURS, SOFT, canvas, label, legend, line, save
from reproductions.common.result import Result, Statement
from reproductions.energy.modified_energy import COUNTS, convergences, draw_convergences
from reproductions.energy.pendulum import START, Track, pendulum

_STEP = 0.2
_SHORT = 200  # steps of forward Euler, which soon has the pendulum turning over
_BOUND = 0.011
_EXACT = 1e-11
_LEAD = (
    "The pendulum H = ½p² - cos z from (2, 0) with h = 0.2. Symplectic methods keep the energy "
    "near its value for all times, because they keep a modified energy; Runge-Kutta methods "
    "lose or gain energy without end; a discrete gradient keeps it to rounding."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Follow the pendulum by five methods and compare what they do to its energy.

    Source: section 2.2.2.
    """
    del seed
    tracks = _tracks(steps=250 if quick else 10_000)
    kept = convergences(COUNTS[:3] if quick else COUNTS)
    numbers = {"h": _STEP, "t": _STEP * tracks["Störmer-Verlet"].steps}
    for name, track in tracks.items():
        numbers[f"largest energy error, {name}"] = track.worst
        numbers[f"drift of the energy, {name}"] = track.drift()
    for each in kept:
        numbers[f"power of h, {each.name}, {each.method}"] = each.slope
    return Result(
        title="Energy over long times",
        lead=_LEAD,
        numbers=numbers,
        statements=[*_statements(tracks), *(each.statement() for each in kept)],
        figures={
            _draw_errors(tracks, out / "energy.png"): (
                "Energy errors over time. Kutta(4) has the smaller error for a while, but it only "
                "grows; symplectic methods oscillate; the discrete gradient stays at rounding."
            ),
            _draw_orbits(tracks, out / "orbits.png"): (
                "Orbits in phase space: dots are steps, the line is the exact level of H. Forward "
                "Euler is shown for t <= 40 only."
            ),
            draw_convergences(kept, out / "modified.png"): (
                "How far H and the modified Hamiltonian are from constant, over the step size: "
                "each term of the series gains orders."
            ),
        },
    )


def _tracks(*, steps: int) -> dict[str, Track]:
    """Return the trajectories by name."""
    tracks = [
        Track("Störmer-Verlet", StormerVerlet(), _STEP, steps),
        Track("symplectic Euler", SymplecticEuler(), _STEP, steps),
        Track("Kutta(4)", Kutta4(), _STEP, steps),
        Track("Gonzalez", GonzalezGradient(), _STEP, steps),
        Track("forward Euler", Euler(), _STEP, _SHORT),
    ]
    return {track.name: track for track in tracks}


def _statements(tracks: dict[str, Track]) -> list[Statement]:
    """Return what theory says of the energies, beside what was found."""
    verlet, gonzalez, forward = (
        tracks[name] for name in ("Störmer-Verlet", "Gonzalez", "forward Euler")
    )
    return [
        _below("Störmer-Verlet: energy error below 0.011", verlet, _BOUND),
        _steady(verlet),
        _steady(tracks["symplectic Euler"]),
        _lossy(tracks["Kutta(4)"]),
        _below("Gonzalez: energy kept to 1e-11", gonzalez, _EXACT),
        Statement(
            "forward Euler gains energy until the pendulum turns over (H > 1)",
            f"H = {float(pendulum().energy(0.0, forward.states[-1:])):.3g} at t = "
            f"{_STEP * _SHORT:g}",
            holds=bool(forward.states[-1, 0].abs() > 3.15) and forward.worst > 0.6,
        ),
    ]


def _below(text: str, track: Track, bound: float) -> Statement:
    measured = f"at most {track.worst:.3g} up to t = {_STEP * track.steps:g}"
    return Statement(text, measured, holds=track.worst < bound)


def _steady(track: Track) -> Statement:
    """Return whether the mean energy stays where it is, beside its oscillation."""
    text = f"{track.name}: bounded, no drift"
    measured = f"drift {track.drift():.1e}, oscillation {track.worst:.2g}"
    return Statement(text, measured, holds=abs(track.drift()) < 0.02 * track.worst)


def _lossy(track: Track) -> Statement:
    """Return whether a method loses energy for ever: as much in the second half as before."""
    errors = track.errors
    half, end = float(errors[len(errors) // 2]), float(errors[-1])
    measured = f"H changed by {half:.2e} in the first half, by {end - half:.2e} in the second"
    holds = half < 0 and 1.5 * half < end - half < 0.5 * half
    return Statement(f"{track.name}: loses energy without end", measured, holds=holds)


def _draw_errors(tracks: dict[str, Track], path: Path) -> Path:
    """Draw the energy errors over time, signed and logarithmic."""
    figure, ((left, right),) = canvas(1, 2, side=(5.6, 3.9))
    for k, track in enumerate(tracks.values()):
        first = slice(_SHORT + 1)
        left.plot(track.times[first], track.errors[first], linewidth=1.0, **line(k))
        largest = track.errors.abs().clamp(min=1e-17).cummax(dim=0).values
        right.plot(track.times[1:], largest[1:], label=track.name, **line(k))
    left.set_yscale("symlog", linthresh=1e-4)
    right.set_xscale("log")
    right.set_yscale("log")
    label(left, f"energy error, t <= {_STEP * _SHORT:g}", "t", "$H(z, p) - H(z_0, p_0)$")
    label(right, "largest energy error up to t", "t", "$|H(z, p) - H(z_0, p_0)|$")
    legend(figure, right)
    return save(figure, path)


def _draw_orbits(tracks: dict[str, Track], path: Path) -> Path:
    """Draw the last steps of every method in phase space, on the exact level of H."""
    figure, (row,) = canvas(1, len(tracks), side=(2.6, 2.6))
    for axes, track, colour in zip(row, tracks.values(), COLOURS, strict=False):
        _level(axes)
        shown = track.states[-400:]
        angle = (shown[:, 0] + torch.pi).remainder(2 * torch.pi) - torch.pi
        axes.plot(angle, shown[:, 1], ".", color=colour, markersize=2.5)
        axes.set_xlim(-3.3, 3.3)
        axes.set_ylim(-3.3, 3.3)
        axes.set_aspect("equal")
        label(axes, track.name, "z", "p" if axes is row[0] else "")
    return save(figure, path)


def _level(axes: Axes) -> None:
    """Draw the exact orbit, p² = 2 (cos z - cos z_0)."""
    z = np.linspace(-START[0], START[0], 401)
    p = np.sqrt(np.maximum(2 * (np.cos(z) - np.cos(START[0])), 0.0))
    for side in (p, -p):
        axes.plot(z, side, color=SOFT, linewidth=0.8)
