"""Example 3.2.1: training that has no solution, and what a coercive regulariser does about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from darboux.activations import ReLU
from reproductions.common.extremes import maximum
from reproductions.common.figures import INK, canvas, label, legend_beside, line, marked, save
from reproductions.common.result import Result, Statement
from reproductions.ill_posed_training.descents import (
    Descent,
    Minimiser,
    descent,
    minimiser,
    problem,
)

_LEAD = (
    "A ResNet (5) of one layer and one feature takes 0 to tanh b and should take it to 1: the "
    "objective (35), (tanh b - 1)², has the infimum 0 and no minimiser, because the range of tanh "
    "is open. Gradient descent makes {steps} steps of size 1/2; so it does, with steps of 1/(2K), "
    "for K layers that should reach K, with λ/2 ‖θ‖² added, and for ReLU, whose range is closed."
)
_WEIGHTS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # λ
_SHOWN = 1e-2  # the λ of descents


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    steps: int
    layers: tuple[int, ...]


_FULL = Size(4000, (1, 2, 4))
_QUICK = Size(800, (1, 2))


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Follow gradient descent without a regulariser, with one, and with another activation.

    Source: section 3.2, Example 3.2.1, equations (35) and (36).
    """
    del seed  # nothing is random
    size = _QUICK if quick else _FULL
    free = {k: descent(problem(layers=k), steps=size.steps) for k in size.layers}
    kept = {k: descent(problem(layers=k, weight=_SHOWN), steps=size.steps) for k in size.layers}
    closed = descent(problem(activation=ReLU()), steps=200, start=0.1)
    found = [minimiser(weight) for weight in _WEIGHTS]
    return Result(
        title="Training without a solution",
        lead=_LEAD.format(steps=size.steps),
        numbers={
            **{f"‖θ‖ at the end, {k} layers": float(d.sizes[-1]) for k, d in free.items()},
            **{f"E at the end, {k} layers": float(d.objectives[-1]) for k, d in free.items()},
            **{f"‖θ‖ at the end, {k} layers, λ": float(d.sizes[-1]) for k, d in kept.items()},
            **{f"‖θ‖ of the minimiser, λ = {m.weight:g}": m.size for m in found},
            **{f"E of the minimiser, λ = {m.weight:g}": m.value for m in found},
        },
        statements=[*_unbounded(free), *_coercive(kept, found), _closed(closed)],
        figures={
            _draw_descents(free, kept, out / "descents.png"): (
                "Gradient descent: without a regulariser E falls to 0 and parameters grow for "
                "ever; with one both settle."
            ),
            _draw_minimisers(found, out / "minimisers.png"): (
                "The objective of one layer for several λ, with its minimisers; and how these run "
                "away as λ becomes 0."
            ),
        },
    )


def _unbounded(free: Mapping[int, Descent]) -> list[Statement]:
    """Return whether objectives go to an infimum and parameters to infinity."""
    one = free[1]
    half = len(one.sizes) // 2
    growth = float(one.sizes[-1] - one.sizes[half]) / math.log(2)
    level = float(one.objectives[-1] * one.times[-1])
    falls = all(bool((d.objectives.diff() < 0).all()) for d in free.values())
    grows = all(bool((d.sizes.diff() > 0).all()) for d in free.values())
    deep = {k: d for k, d in free.items() if k > 1}
    return [
        Statement(
            "(35): E falls in every step, and stays above 0",
            ", ".join(f"K = {k}: {float(d.objectives[-1]):.2g}" for k, d in free.items()),
            holds=falls and all(float(d.objectives[-1]) > 0 for d in free.values()),
        ),
        Statement(
            "minimising sequences are not bounded: ‖θ‖ grows in every step",
            ", ".join(f"K = {k}: {float(d.sizes[-1]):.3f}" for k, d in free.items()),
            holds=grows,
        ),
        Statement(
            "b grows like ¼ log t, to 2 %: for large b its rate is 16 e^-4b",
            f"{growth:.4f} from half of the time to all of it, over log 2",
            holds=abs(growth / 0.25 - 1) <= 0.02,
        ),
        Statement(
            "so E falls like 1/(16 t), to 5 %",
            f"16 t E = {16 * level:.4f}",
            holds=abs(16 * level - 1) <= 0.05,
        ),
        Statement(
            "K layers that should reach K run away alike: ‖θ‖ still grows by 0.15 or more in the "
            "second half",
            ", ".join(f"K = {k}: {_late(d):.3f}" for k, d in deep.items()),
            holds=all(_late(d) >= 0.15 for d in deep.values()),
        ),
    ]


def _late(its: Descent) -> float:
    return float(its.sizes[-1] - its.sizes[len(its.sizes) // 2])


def _coercive(kept: Mapping[int, Descent], found: Sequence[Minimiser]) -> list[Statement]:
    """Return whether a coercive regulariser gives minimisers, and descents that settle."""
    bound = {k: math.sqrt(2 * float(d.objectives[0]) / _SHOWN) for k, d in kept.items()}
    last = {k: float(d.sizes[-2:].diff().abs()) for k, d in kept.items()}
    off = maximum(abs(m.size - m.exact) for m in found)
    slopes = [
        (b.size - a.size) / math.log(a.weight * a.size / (b.weight * b.size))
        for a, b in pairwise(found)
    ]
    values = [m.value for m in found]
    return [
        Statement(
            f"with λ = {_SHOWN:g} iterates stay below √(2E(θ₀)/λ), and settle",
            ", ".join(
                f"K = {k}: {float(d.sizes.max()):.3f} of {bound[k]:.3g}, last step {last[k]:.1e}"
                for k, d in kept.items()
            ),
            holds=all(
                float(d.sizes.max()) <= bound[k] and last[k] <= 1e-5 for k, d in kept.items()
            ),
        ),
        Statement(
            "for every λ there is a minimiser, where λb = 2(1 - tanh b)/cosh² b, to 1e-8",
            f"off by {off:.1e} for λ from {found[0].weight:g} to {found[-1].weight:g}",
            holds=off <= 1e-8,
        ),
        Statement(
            "as λ -> 0 minimal values fall below 1e-4, and minimisers go away like "
            "¼ log(1/(λb)), to 5 %",
            f"E {values[0]:.2g} to {values[-1]:.2g}, slopes {slopes[-2]:.4f}, {slopes[-1]:.4f}",
            holds=all(b < a for a, b in pairwise(values))
            and values[-1] <= 1e-4
            and all(abs(slope / 0.25 - 1) <= 0.05 for slope in slopes[-2:]),
        ),
    ]


def _closed(its: Descent) -> Statement:
    """Return whether a network whose range is closed needs no regulariser here."""
    return Statement(
        "with ReLU, whose range is closed, the minimum 0 is attained at b = 1 without λ",
        f"E = {float(its.objectives[-1]):.1e}, b = {float(its.sizes[-1]):.12g}",
        holds=float(its.objectives[-1]) <= 1e-20 and abs(float(its.sizes[-1]) - 1) <= 1e-10,
    )


def _draw_descents(free: Mapping[int, Descent], kept: Mapping[int, Descent], path: Path) -> Path:
    """Draw objectives and norms of parameters over steps."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.3))
    curves = [(f"K = {k}", d) for k, d in free.items()]
    curves += [(f"K = {k}, λ = {_SHOWN:g}", d) for k, d in kept.items()]
    for number, (name, its) in enumerate(curves):
        steps = range(1, len(its.sizes) + 1)
        left.plot(steps, its.objectives, **line(number), label=name)
        right.plot(steps, its.sizes, **line(number), label=name)
    for axes in (left, right):
        axes.set_xscale("log")
    left.set_yscale("log")
    label(left, "objective", "step", "E")
    label(right, "parameters", "step", "‖θ‖")
    legend_beside(right)
    return save(figure, path)


def _draw_minimisers(found: Sequence[Minimiser], path: Path) -> Path:
    """Draw E over b for several λ, and the minimisers over λ."""
    figure, ((left, right),) = canvas(1, 2, side=(4.2, 3.3))
    b = torch.linspace(-0.5, 5, 300, dtype=torch.float64)
    error = (b.tanh() - 1).square()
    left.plot(b, error, color=INK, label="λ = 0")
    for number, its in enumerate(found[:4]):
        energy = error + its.weight / 2 * b.square()
        left.plot(b, energy, **line(number), label=f"λ = {its.weight:g}")
        left.plot([its.size], [its.value], color=line(number)["color"], marker="o", markersize=5)
    left.set_yscale("log")
    left.set_ylim(1e-5, 3)
    left.legend(frameon=False, fontsize=8, loc="lower left")
    label(left, "objective, and its minimisers", "b", "E")
    weights = [its.weight for its in found]
    right.plot(weights, [its.size for its in found], **marked(0))
    right.set_xscale("log")
    label(right, "minimisers", "λ", "b")
    return save(figure, path)
