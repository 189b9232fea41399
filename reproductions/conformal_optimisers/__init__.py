"""Conformal Hamiltonian optimisers (Figure 4): the camelback function, and tuned comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from reproductions.common.result import Result
from reproductions.conformal_optimisers.descents import (
    ADAM,
    BALL,
    FIGURE,
    GD,
    NESTEROV,
    RELATIVISTIC,
    Descent,
    descend,
)
from reproductions.conformal_optimisers.energies import FACTORS, LIMITS, defect, limit, rises
from reproductions.conformal_optimisers.functions import Function, camelback, suite
from reproductions.conformal_optimisers.pictures import draw_camelback, draw_suite
from reproductions.conformal_optimisers.statements import (
    conformal,
    fastest,
    reached,
    stable,
    vanishing,
)
from reproductions.conformal_optimisers.tuning import built, tune

_TRIALS, _QUICK = 96, 24  # in each of four rounds; a third of them where a step is expensive
_LEAD = (
    "Gradient descent, the heavy ball, Nesterov's method, relativistic descent and Adam from "
    "(-0.5, 0.8) on the camelback function, with the parameters of Figure 4, where relativistic "
    "descent is (57) with steps of length 1e-4, μ = 0.9259 and ε = {rest:g}, which the figure does "
    "not tell: no step is longer than 1e-4. Then the same methods on three functions, each with "
    "the settings that reach the goal first among {trials} trials a method (a third of them for "
    "matrix completion): random ones, and neighbours of the best. Relativistic descent also tries "
    "the tuned heavy ball and Nesterov's method, which it contains."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Descend, compare, and measure what each method keeps.

    Source: section 6.1, Figure 4; França, Sulam, Robinson and Vidal 2020.
    """
    generator = torch.Generator().manual_seed(seed)
    figure = {
        name: descend(camelback(12_000 if name == RELATIVISTIC else 1000), build)
        for name, build in FIGURE.items()
    }
    trials = _QUICK if quick else _TRIALS
    functions = suite(generator)
    if quick:
        functions = [replace(functions[0], goal=1e-6)]
    tuned = {f.name: _tuned(f, trials, generator) for f in functions}
    settings = {f: {name: how for name, (how, _) in of.items()} for f, of in tuned.items()}
    found = {f: {name: its for name, (_, its) in of.items()} for f, of in tuned.items()}
    defects, limits = {n: defect(n) for n in FACTORS}, {n: limit(n) for n in LIMITS}
    energies = [rises(h) for h in (0.4, 0.2, 0.1, 0.05)]
    return Result(
        title="Conformal Hamiltonian optimisers",
        lead=_LEAD.format(rest=1e-10, trials=4 * trials),
        numbers={
            **{
                f"camelback, {name}: first step below 1e-8": float(first)
                for name, its in figure.items()
                if (first := its.first(1e-8)) is not None
            },
            **{k: v for f in functions for k, v in _steps(f.name, found[f.name]).items()},
            **{
                f"{f}, {name}: {what}": value
                for f, of in settings.items()
                for name, how in of.items()
                for what, value in how.items()
            },
            **{f"{name}: largest entry of DᵀJD - cJ": value for name, value in defects.items()},
            **{f"{name}: largest stable h²λ/m": value for name, value in limits.items()},
            **{f"rises of H, h = {r.h:g}": float(r.count) for r in energies},
            **{f"largest rise of H, h = {r.h:g}": r.largest for r in energies},
        },
        statements=[
            *reached(figure),
            *(fastest(f, found[f.name]) for f in functions),
            *conformal(defects),
            *stable(limits),
            *vanishing(energies),
        ],
        figures={
            draw_camelback(figure, out / "camelback.png"): "Figure 4: losses and trajectories.",
            draw_suite(found, functions, out / "suite.png"): (
                "Losses with tuned settings; the grey line is the goal."
            ),
        },
    )


Tuned = dict[str, tuple[dict[str, float], Descent]]


def _tuned(function: Function, trials: int, generator: torch.Generator) -> Tuned:
    """Return the best settings of each method, and what becomes of them."""
    tuned: Tuned = {}
    count = trials // 3 if len(function.start) > 1 else trials
    for method in (GD, BALL, NESTEROV, ADAM, RELATIVISTIC):
        others = _included(tuned) if method == RELATIVISTIC else []
        how = tune(function, method, others, trials=count, generator=generator)
        tuned[method] = how, descend(function, built(method, how))
    return tuned


def _included(tuned: Tuned) -> list[dict[str, float]]:
    """Return the tuned heavy ball and Nesterov's method, without and with bounded steps."""
    classical = [tuned[BALL][0], tuned[NESTEROV][0]]
    return [{**how, "delta": delta} for how in classical for delta in (0.0, 1e-4, 1e-2, 1.0)]


def _steps(function: str, found: dict[str, Descent]) -> dict[str, float]:
    """Return the steps to the goal, where it is reached, and the last losses."""
    numbers = {}
    for name, its in found.items():
        if its.reached is not None:
            numbers[f"{function}, {name}: steps to the goal"] = float(its.reached)
        numbers[f"{function}, {name}: loss at the end"] = float(its.values[-1])
    return numbers
