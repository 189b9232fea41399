"""Deep limits: what minimisers do as the number of layers grows, and training along the way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from darboux import Flow
from darboux.control import H1, L2, DeepLimit, Regularizer, TotalVariation, deep_limit
from reproductions.common.result import Result
from reproductions.deep_limits import statements
from reproductions.deep_limits.descent import descents
from reproductions.deep_limits.multilevel import Curve, Level
from reproductions.deep_limits.multilevel import trained as trained_on_digits
from reproductions.deep_limits.pictures import (
    draw_minimisers,
    draw_multilevel,
    draw_rates,
    draw_tolerances,
)
from reproductions.deep_limits.problems import EULER, NETWORKS, flow, problem
from reproductions.deep_limits.tolerances import Training
from reproductions.deep_limits.tolerances import trained as trained_by_tolerance

_LEAD = (
    "Four networks move 16 points of the plane, with K = {first} to {last} layers. For each K a "
    "minimiser is found to rounding, from that of fewer layers, and compared in L²(0, 1). "
    "Theorem 3.3 says that minimal values converge and minimisers accumulate; rates need the "
    "Hessian to be coercive, which is measured. The regulariser is 0.01 times the H¹ norm of "
    "(40), or 0.01 times the L² norm and {variation:g} times the total variation, for which "
    "section 3.4.3 asks. A second experiment trains with tolerances that follow the gradient "
    "(section 3.4.1); a third trains on coarse images with few layers first."
)
_WEIGHT, _VARIATION = 0.01, 0.006
_FINE, _LEVELS = "fine alone", "multilevel"


@dataclass(frozen=True)
class Setting:
    """How large the experiment is."""

    smooth: int  # the largest K with H¹
    jumping: int  # with the total variation
    jumpers: tuple[str, ...]  # the networks with it
    free: int  # without
    descent: int  # steps of gradient descent without
    steps: int  # of the training with tolerances
    tolerances: tuple[float, ...]  # the fixed ones
    fine: tuple[Level, ...]
    levels: tuple[Level, ...]
    share: float  # of the time of fine training that is asked for


_FULL = Setting(
    smooth=256,
    jumping=64,
    jumpers=tuple(NETWORKS),
    free=64,
    descent=200,
    steps=160,
    tolerances=(1e-2, 1e-3, 1e-4, 1e-5),
    fine=(Level(32, 4, 200),),
    levels=(Level(8, 2, 200), Level(16, 4, 60), Level(32, 4, 60)),
    share=0.5,
)
_QUICK = Setting(
    smooth=32,
    jumping=16,
    jumpers=(EULER,),
    free=32,
    descent=50,
    steps=60,
    tolerances=(1e-2, 1e-3),
    fine=(Level(32, 4, 60),),
    levels=(Level(8, 2, 100), Level(16, 4, 20), Level(32, 4, 20)),
    share=1.0,
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Follow minimisers to their deep limits, and train along the way.

    Source: sections 3.3, 3.4.1 and 3.4.3.
    """
    setting, start = _QUICK if quick else _FULL, time.process_time()
    smooth = _limits([*NETWORKS], _WEIGHT * H1(), setting.smooth, seed)
    variation = _WEIGHT * L2() + _VARIATION * TotalVariation()
    jumping = _limits(setting.jumpers, variation, setting.jumping, seed)
    kept = _starts(_WEIGHT * H1(), setting.free, seed)
    depths = _depths(8, setting.free)
    free = deep_limit(problem(EULER, None, seed=seed), depths, max_iter=20 if quick else 40)
    alike, apart = (
        descents(depths, steps=setting.descent, alike=same, seed=seed) for same in (True, False)
    )
    spent = time.process_time() - start
    chosen = (None, *setting.tolerances)
    trainings = [trained_by_tolerance(t, steps=setting.steps, seed=seed) for t in chosen]
    curves = {
        _FINE: trained_on_digits([*setting.fine], seed=seed),
        _LEVELS: trained_on_digits([*setting.levels], seed=seed),
    }
    return Result(
        title="Deep limits",
        lead=_LEAD.format(first=4, last=setting.smooth, variation=_VARIATION),
        numbers={
            **_limit_numbers("H¹", smooth),
            **_limit_numbers("total variation", jumping),
            **_limit_numbers("no regulariser", {EULER: free}),
            "slope of gradient descent from equal layers": alike.rate,
            "slope of gradient descent from independent layers": apart.rate,
            **_training_numbers(trainings),
            **_curve_numbers(curves),
        },
        costs={
            "processor seconds of the limits": spent,
            **{f"processor seconds, {its.name}": its.seconds for its in trainings},
            **{f"processor seconds, {name}": its.seconds[-1] for name, its in curves.items()},
        },
        statements=[
            *statements.smooth_limits(smooth),
            *statements.jumping_limits(jumping),
            *statements.without(free, smooth[EULER]),
            *statements.starts(kept, alike, apart),
            *statements.built_in_errors(trainings, quick=quick),
            *statements.multilevel(curves[_FINE], curves[_LEVELS], share=setting.share),
        ],
        figures={
            draw_rates(smooth, jumping, out / "rates.png"): (
                "Differences of minimal values and distances of minimisers between K and 2K layers "
                "(dashed: 1/K), and the smallest eigenvalue of the Hessian."
            ),
            draw_minimisers(
                {
                    "H¹": smooth[EULER],
                    "total variation": jumping[EULER],
                    "λ = 0": free,
                },
                out / "minimisers.png",
            ): "Four entries of the minimisers θ(t) of Euler networks; darker for more layers.",
            draw_tolerances(trainings, out / "tolerances.png"): (
                "Trainings with fixed tolerances, and with one that follows the gradient."
            ),
            draw_multilevel(curves, out / "multilevel.png"): (
                "Training on fine images alone, and on coarser ones with fewer layers before."
            ),
        },
    )


def _limits(
    names: Sequence[str], regularizer: Regularizer, most: int, seed: int
) -> dict[str, DeepLimit]:
    depths = _depths(4, most)
    return {
        name: deep_limit(problem(name, regularizer, seed=seed), depths, max_iter=1000)
        for name in names
    }


def _starts(regularizer: Regularizer | None, most: int, seed: int) -> tuple[DeepLimit, DeepLimit]:
    """Return the limits of Euler networks from prolonged and from independent starts."""
    given, depths = problem(EULER, regularizer, seed=seed), _depths(8, most)

    def apart(depth: int) -> Flow:
        return flow(EULER, depth, seed=seed + depth, alike=False)

    return deep_limit(given, depths), deep_limit(given, depths, start=apart)


def _depths(first: int, last: int) -> list[int]:
    return [first] if first == last else [first, *_depths(2 * first, last)]


def _limit_numbers(kind: str, found: Mapping[str, DeepLimit]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, its in found.items():
        for k, depth in enumerate(its.depths):
            where = f"{kind}, {name}, K = {depth}"
            numbers[f"minimal value, {where}"] = its.values[k]
            numbers[f"smallest eigenvalue, {where}"] = its.coercivity[k]
            numbers[f"distance to the finest, {where}"] = its.distances_to_finest[k]
        for k, depth in enumerate(its.depths[:-1]):
            numbers[f"distance to twice as many, {kind}, {name}, K = {depth}"] = its.distances[k]
    return numbers


def _training_numbers(found: Sequence[Training]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for its in found:
        numbers[f"loss at the end, {its.name}"] = its.final
        numbers[f"evaluations of the field, {its.name}"] = its.evaluations
        numbers[f"last tolerance, {its.name}"] = its.tolerances[-1]
    return numbers


def _curve_numbers(curves: Mapping[str, Curve]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, its in curves.items():
        numbers[f"test loss, {name}"] = its.losses[-1]
        numbers[f"test accuracy, {name}"] = its.accuracies[-1]
    return numbers
