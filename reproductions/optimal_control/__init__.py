"""Deep learning as optimal control: learned steps and Runge-Kutta methods on plane problems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from reproductions.common.result import Result
from reproductions.common.tracks import Tracks
from reproductions.optimal_control.data import ball_in_shell, donut_2d, spiral
from reproductions.optimal_control.pictures import (
    draw_evolutions,
    draw_objectives,
    draw_steps,
    draw_transformed,
)
from reproductions.optimal_control.statements import Bars, statements
from reproductions.optimal_control.training import (
    Evolution,
    Runs,
    Size,
    evolved,
    learned_steps,
    runge_kutta,
)

_FULL = Size(points=500, more_points=1000, iterations=2500, more_iterations=1000, newton=40)
_QUICK = Size(points=100, more_points=100, iterations=80, more_iterations=25, newton=12, shown=150)
_BARS = Bars(learned=0.9, moved=0.9, ratio=0.6)
_QUICK_BARS = Bars(learned=0.75, moved=0.75, ratio=0.8)
_LEAD = (
    "Four networks of 20 layers learn the four problems of Benning et al. 2019. They differ in "
    "their steps alone: none, that is layers without identity (Net); z + h tanh(Az + b) with h "
    "= 1/20 (ResNet), with h_k that are learned (ODENet), and with h_k learned on the simplex. "
    "Networks of 15 layers with four Runge-Kutta methods and h = 0.1 learn the same. All points"
    " are seen in every iteration; a line search finds its size. The reference trains for 5000 "
    "to 20 000 iterations in the first part and up to 10 000 in the second, with 500 and 1000 "
    "points. Here it is {iterations} and {more}, with {points} and {more_points}: objectives "
    "still fall at the end. Accuracies are shares of points whose class is the likelier one; "
    "the reference reports figures only. Figure 1 is drawn for {shown} points, λ = 1e-4 and 15 "
    "layers until T = 5, after {newton} Gauss-Newton steps; points should end at (±1, 0). Its "
    "data sets are not named in the paper: these are a guess."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train networks with learned steps and with Runge-Kutta methods, and draw what they do.

    Source: section 1.2, Figure 1; section 3.2, equations (38) and (39); Benning et al. 2019.
    """
    size = _QUICK if quick else _FULL
    shown = evolutions(size, seed)
    runs, methods = learned_steps(size, seed), runge_kutta(size, seed)
    return result(out, size, shown, runs, methods, _QUICK_BARS if quick else _BARS)


def evolutions(size: Size, seed: int) -> dict[str, Evolution]:
    """Return how ResNets move two data sets in the plane and one in space."""
    found = {}
    for name, draw in (
        ("donut", donut_2d),
        ("spiral", spiral),
        ("ball in a shell", ball_in_shell),
    ):
        points = draw(size.shown, torch.Generator().manual_seed(seed))
        torch.manual_seed(seed)
        found[name] = evolved(points, size)
    return found


def result(
    out: Path,
    size: Size,
    shown: Mapping[str, Evolution],
    runs: Runs,
    methods: Runs,
    bars: Bars,
) -> Result:
    """Return numbers, statements and pictures of what was trained."""
    return Result(
        title="Deep learning as optimal control",
        lead=_LEAD.format(
            iterations=size.iterations,
            more=size.more_iterations,
            points=size.points,
            more_points=size.more_points,
            newton=size.newton,
            shown=size.shown,
        ),
        numbers=_numbers(runs, methods),
        statements=statements(shown, runs, methods, bars),
        tracks={name: Tracks.of(its.states, its.points.c) for name, its in shown.items()},
        figures={
            draw_evolutions(shown, out / "evolutions.png"): (
                "Features on their way through a ResNet (Figure 1): two data sets in the plane, "
                "one in space."
            ),
            draw_transformed(runs, out / "learned-steps.png"): (
                "Training points before and after the network, with the probability of the "
                "orange class and the line at which it is 1/2."
            ),
            draw_steps(runs, out / "steps.png"): "The step sizes after training.",
            draw_objectives(runs, out / "objectives.png"): "Objectives of the four kinds of steps.",
            draw_transformed(methods, out / "runge-kutta.png"): (
                "The same for Runge-Kutta methods."
            ),
            draw_objectives(methods, out / "runge-kutta-objectives.png"): (
                "Objectives of the four Runge-Kutta methods."
            ),
        },
    )


def _numbers(runs: Runs, methods: Runs) -> dict[str, float]:
    found: dict[str, float] = {}
    for group in (runs, methods):
        for problem, its in group.items():
            for name, one in its.items():
                found[f"{problem}, {name}: objective"] = one.objectives[-1]
                found[f"{problem}, {name}: accuracy"] = one.accuracy
                found[f"{problem}, {name}: validation accuracy"] = one.validation
    for problem, its in runs.items():
        for name, one in its.items():
            found[f"{problem}, {name}: smallest step"] = float(one.steps.min())
            found[f"{problem}, {name}: largest step"] = float(one.steps.max())
    return found
