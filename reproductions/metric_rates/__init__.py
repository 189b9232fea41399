"""How fast natural gradients converge for several metrics, where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch

from reproductions.common.extremes import minimum
from reproductions.common.figures import COLOURS, canvas, label, legend_beside, line, save
from reproductions.common.result import Result, Statement
from reproductions.metric_rates.measures import Problem, Rate, metrics, rates, ratios, superlinear

_LEAD = (
    "Steps θ - h G⁻¹∇E(θ) near a minimiser, with the metric G measured there and left as it is: "
    "distances shrink by max |1 - h λ_i(G⁻¹∇²E)| in each step, and the start is in the direction "
    "where that is attained. E is the cross-entropy of a network "
    "with {n} parameters and noisy labels, with weight decay; G contains the same. h is 2/(λ_1 + "
    "λ_n), the best one, and half of that. BFGS, whose metric learns, is superlinear."
)
_CLOSE = 0.01


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Measure the rates of the identity, the Fisher matrix, its diagonal, K-FAC and BFGS.

    Source: section 6.4.2, equation (60).
    """
    near = 1e-6 if quick else 1e-9
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        problem = Problem()
        found = [r for name, o in metrics(problem).items() for r in rates(problem, name, o, near)]
        learnt = superlinear(problem)
    smallest = float(torch.linalg.eigvalsh(problem.hessian)[0])
    return Result(
        title="Rates of natural gradients",
        lead=_LEAD.format(n=len(problem.minimiser)),
        numbers=_numbers(found, learnt, smallest),
        statements=[
            Statement(
                "the minimiser is one: the smallest eigenvalue of the Hessian is positive",
                f"{smallest:.2e}",
                holds=smallest > 0,
            ),
            *(_predicted(rate) for rate in found),
            _better(found),
            _superlinear(learnt, found),
        ],
        figures={
            _draw(found, learnt, out / "distances.png"): (
                "Distance to the minimiser: metrics that stay, at their best step sizes, beside "
                "BFGS, which starts farther away."
            ),
            _draw_factors(found, learnt, out / "factors.png"): (
                "Factors from each distance to the next, and the rates that eigenvalues predict, "
                "dotted: those of BFGS fall."
            ),
        },
    )


def _predicted(rate: Rate) -> Statement:
    """Return whether theory and measurement agree."""
    return Statement(
        f"{rate.metric}, h = {rate.h:.3g}: the rate is max |1 - h λ_i| up to {_CLOSE:.0%}",
        f"{rate.observed:.5f} against {rate.predicted:.5f}",
        holds=abs(rate.observed / rate.predicted - 1) <= _CLOSE,
    )


def _better(found: Sequence[Rate]) -> Statement:
    """Return whether a metric helps."""
    best = {name: minimum(r.observed for r in found if r.metric == name) for name in _names(found)}
    measured = ", ".join(f"{name} {value:.4f}" for name, value in best.items())
    return Statement(
        "the Fisher matrix converges faster than its diagonal, K-FAC and the identity",
        measured,
        holds=best["Fisher"] == minimum(best.values()),
    )


def _superlinear(distances: Sequence[float], found: Sequence[Rate]) -> Statement:
    """Return whether the factors of BFGS become small."""
    factors = ratios(distances)
    last, best = minimum(factors[-3:]), minimum(r.observed for r in found)
    return Statement(
        "BFGS is superlinear: its last factors are smaller than every linear rate, and below 0.1",
        f"{', '.join(f'{f:.3f}' for f in factors[-5:])} after {len(factors)} steps",
        holds=last < minimum([best, 0.1]),
    )


def _names(found: Sequence[Rate]) -> list[str]:
    return list(dict.fromkeys(rate.metric for rate in found))


def _numbers(found: Sequence[Rate], learnt: Sequence[float], smallest: float) -> dict[str, float]:
    """Return what was measured."""
    numbers = {"smallest eigenvalue of the Hessian": smallest, "steps of BFGS": len(learnt) - 1.0}
    for rate in found:
        name = f"{rate.metric}, h = {rate.h:.4g}"
        numbers |= {
            f"{name}: predicted rate": rate.predicted,
            f"{name}: observed rate": rate.observed,
            f"{name}: steps": len(rate.distances) - 1.0,
        }
    return numbers


def _draw(found: Sequence[Rate], learnt: Sequence[float], path: Path) -> Path:
    """Draw distances against steps."""
    figure, ((axes,),) = canvas(1, 1, side=(6.5, 3.5))
    for k, name in enumerate(_names(found)):
        rate = next(r for r in found if r.metric == name)
        axes.loglog(rate.distances, label=name, **line(k))
    axes.loglog(learnt, label="BFGS", **line(4))
    label(axes, "", "steps", "distance to the minimiser")
    legend_beside(axes)
    return save(figure, path)


def _draw_factors(found: Sequence[Rate], learnt: Sequence[float], path: Path) -> Path:
    """Draw mean factors of two steps, as two eigenvalues may be ±; dotted the predicted ones."""
    figure, ((axes,),) = canvas(1, 1, side=(6.5, 3.5))
    for k, name in enumerate(_names(found)):
        rate = next(r for r in found if r.metric == name)
        axes.semilogx(_factors(rate.distances), label=name, **line(k))
        axes.axhline(rate.predicted, color=COLOURS[k], linestyle=":", linewidth=0.8)
    axes.semilogx(_factors(learnt), label="BFGS", **line(4))
    label(axes, "", "steps", "factor of the distance, mean of two steps")
    legend_beside(axes)
    return save(figure, path)


def _factors(distances: Sequence[float]) -> list[float]:
    return [math.sqrt(a * b) for a, b in pairwise(ratios(distances))]
