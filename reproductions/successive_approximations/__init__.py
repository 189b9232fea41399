"""The sine learned from zero: successive approximations beside gradient methods."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Result, Statement
from reproductions.successive_approximations.methods import (
    ADAM,
    BASIC,
    EXTENDED,
    SGD,
    Learned,
    by_gradients,
    by_sweeps,
)
from reproductions.successive_approximations.pictures import draw_curves, draw_residuals
from reproductions.successive_approximations.sine import Setting, sine

_LEAD = (
    "A residual network of {layers} layers with {nodes} nodes, z + {step:g} tanh(K z + b), learns "
    "the sine on [-π, π] from {points} points; its input is repeated on all nodes, its output is "
    "their sum, and it begins with all parameters 0, or within ±{noise:g} of it. The extended "
    "method maximises an augmented Hamiltonian in each layer, the basic one the Hamiltonian "
    "itself. Gradient methods see all points in each step; Adam takes {steps} steps a "
    "sweep, which last about as long."
)

_FULL = Setting(layers=20, points=100, sweeps=50, basic=12, steps=500, inner=3)
_EQUAL = 60  # steps of Adam that take about as long as a sweep
_QUICK = Setting(layers=10, points=40, sweeps=8, basic=6, steps=150, inner=3)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train the same network by successive approximations and by gradients.

    Source: sections 3.1.2 and 3.4.2; Li, Chen, Tai and E 2018.
    """
    setting = _QUICK if quick else _FULL
    data = sine(setting, seed=seed)
    found: dict[str, Learned] = {}
    for begin, noise in (("zero", 0.0), ("near zero", setting.noise)):
        runs = {
            EXTENDED: by_sweeps(EXTENDED, setting, data, noise=noise, seed=seed),
            BASIC: by_sweeps(BASIC, setting, data, noise=noise, seed=seed),
            SGD: by_gradients(SGD, setting, data, noise=noise, seed=seed, steps=setting.steps),
            ADAM: by_gradients(
                ADAM, setting, data, noise=noise, seed=seed, steps=_EQUAL * setting.sweeps
            ),
        }
        found |= {f"{method}, from {begin}": learned for method, learned in runs.items()}
    return Result(
        title="Successive approximations: the sine from zero",
        lead=_LEAD.format(
            layers=setting.layers,
            nodes=setting.nodes,
            step=setting.horizon / setting.layers,
            points=setting.points,
            noise=setting.noise,
            steps=_EQUAL,
        ),
        numbers=_numbers(found),
        costs={f"{name}: processor seconds": its.seconds[-1] for name, its in found.items()},
        statements=[
            _stalls(found, setting),
            *(_settles(found, begin) for begin in ("zero", "near zero")),
            _does_not_settle(found),
            _principle(found),
        ],
        figures={
            draw_curves(found, out / "objectives.png"): (
                "The objective over sweeps and steps, and over processor time; solid: from zero, "
                "dashed: from near zero."
            ),
            draw_residuals(found, out / "residuals.png"): (
                "The norm of the derivative of H - R by the parameters, summed over layers: 0 "
                "where the maximum principle holds to first order."
            ),
        },
    )


def _stalls(found: Mapping[str, Learned], setting: Setting) -> Statement:
    extended, descent = (found[f"{method}, from zero"].objectives for method in (EXTENDED, SGD))
    few = setting.sweeps // 4
    return Statement(
        f"from zero, {few} sweeps lead farther than {setting.steps} steps of gradient descent",
        f"objectives {extended[few]:.3f} and {descent[-1]:.3f}",
        holds=extended[few] < 0.7 * descent[-1],
    )


def _rise(learned: Learned) -> float:
    """Return the largest ratio of two objectives in a row."""
    return maximum(after / before for before, after in itertools.pairwise(learned.objectives))


def _settles(found: Mapping[str, Learned], begin: str) -> Statement:
    learned = found[f"{EXTENDED}, from {begin}"]
    return Statement(
        f"from {begin}, no sweep of the {EXTENDED} lets the objective rise",
        f"largest ratio {_rise(learned):.6f}, last objective {learned.objectives[-1]:.4f}",
        holds=_rise(learned) <= 1 + 1e-5,
    )


def _does_not_settle(found: Mapping[str, Learned]) -> Statement:
    rise = minimum(_rise(found[f"{BASIC}, from {begin}"]) for begin in ("zero", "near zero"))
    return Statement(
        f"a sweep of the {BASIC} may multiply the objective by more than 10",
        f"by {rise:.0f}",
        holds=rise > 10,
    )


def _principle(found: Mapping[str, Learned]) -> Statement:
    residuals = found[f"{EXTENDED}, from zero"].residuals
    return Statement(
        "the residual of the maximum principle, the norm of the derivative of H - R by the "
        "parameters summed over layers, falls by more than 300",
        f"{residuals[0]:.3g} to {residuals[-1]:.3g}",
        holds=residuals[-1] < residuals[0] / 300,
    )


def _numbers(found: Mapping[str, Learned]) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, learned in found.items():
        numbers[f"{name}: last objective"] = learned.objectives[-1]
        numbers[f"{name}: test error"] = learned.test
        numbers[f"{name}: sweeps or steps"] = len(learned.objectives)
    return numbers
