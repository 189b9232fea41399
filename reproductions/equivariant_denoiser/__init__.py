"""Denoisers of rectangles (Figure 3): an ordinary network beside one that commutes with turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from darboux.models import equivariant_denoiser, ordinary_denoiser
from reproductions.common.result import Result
from reproductions.common.sizes import parameter_count
from reproductions.equivariant_denoiser.measures import errors_at, examples, quarter_turn_error
from reproductions.equivariant_denoiser.pictures import draw_angles, draw_denoisers
from reproductions.equivariant_denoiser.statements import (
    EQUIVARIANT,
    ORDINARY,
    Run,
    Runs,
    statements,
)
from reproductions.equivariant_denoiser.training import EPSILON, SMOOTHNESS, Setting, trained

_LEAD = (
    "Two residual networks of the same width and depth learn to remove noise from pictures of "
    "rectangles whose sides lie along the grid of pixels: one of ordinary convolutions and ReLU, "
    "and one whose convolutions and nonlinearities commute with rotations and translations. Then "
    "both meet the same rectangles turned, drawn at an angle without stairs before noise is "
    "added. {size} The paper does not give the noise, λ and ε: here they are {noise:g}, {weight:g} "
    "and {epsilon:g}, for colours in [0, 1]. The step sizes of Adam begin at {ordinary:g} for the "
    "ordinary network, which is better than 1e-3 and 1e-2 in this size, and at {equivariant:g} "
    "for the equivariant one, better than 3e-3."
)
_SIZE = (
    "The paper's networks have width 128, and learn from 1500 minibatches of 64 whole images, five "
    "times each; these have width {width} ({parameters} parameters) and learn from {iterations} "
    "minibatches of {batch} parts of {crop} × {crop} pixels, {runs} times each."
)
PAPER = Setting(width=128, batch=64, iterations=1500, runs=5)
_FULL = Setting(width=16, batch=4, iterations=600, runs=5, crop=32)
_QUICK = Setting(width=16, batch=4, iterations=240, runs=2, crop=32, held_out=8)
_RATES = {ORDINARY: 3e-3, EQUIVARIANT: 1e-2}
_BUILDERS = {ORDINARY: ordinary_denoiser, EQUIVARIANT: equivariant_denoiser}


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train an ordinary and an equivariant denoiser, and turn their pictures.

    Source: section 5.2, Figure 3.
    """
    return compared(out, _QUICK if quick else _FULL, seed=seed)


def compared(
    out: Path,
    setting: Setting,
    *,
    seed: int = 0,
    rates: Mapping[str, float] = _RATES,
    device: torch.device | str = "cpu",
) -> Result:
    """Compare the denoisers in any size: that of the paper is `PAPER`, for a graphics processor.

    Networks are trained on the device, and judged on the processor.
    """
    runs: Runs = {
        name: [_run(name, setting, seed + k, rates[name], device) for k in range(setting.runs)]
        for name in _BUILDERS
    }
    parameters = {name: parameter_count(of[0].trained.network) for name, of in runs.items()}
    first = {name: of[0].trained.network for name, of in runs.items()}
    return Result(
        title="Denoisers of rectangles, ordinary and equivariant",
        lead=_lead(setting, rates, parameters),
        numbers=_numbers(runs, parameters),
        costs={
            f"processor seconds of a training, {name}": sum(r.trained.seconds for r in of) / len(of)
            for name, of in runs.items()
        },
        statements=statements(runs, every=setting.every),
        figures={
            draw_denoisers(
                runs, examples(first, setting, seed=seed + 1), setting, out / "denoisers.png"
            ): (
                "Errors of all runs; a picture like those of the training, and the same turned by "
                "30 degrees, by the first run of each network (Figure 3)."
            ),
            draw_angles(runs, out / "angles.png"): (
                "Mean squared error on turned pictures, over that on the same pictures upright."
            ),
        },
    )


def _run(name: str, setting: Setting, seed: int, rate: float, device: torch.device | str) -> Run:
    """Return a trained network and what was measured of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _BUILDERS[name](width=setting.width)
    found = trained(network, setting, rate=rate, seed=seed, device=device)
    network.cpu()  # where float32 is not rounded to fewer bits
    return Run(
        found,
        errors_at(network, setting, seed=_judged(seed)),
        quarter_turn_error(network, setting, seed=_judged(seed)),
    )


def _judged(seed: int) -> int:
    """Return the seed of pictures that no training has seen."""
    return seed + 1_000_000


def _lead(setting: Setting, rates: Mapping[str, float], parameters: Mapping[str, int]) -> str:
    """Return what is shown and how it was shortened."""
    size = _SIZE.format(
        width=setting.width,
        parameters=" and ".join(f"{count}" for count in parameters.values()),
        iterations=setting.iterations,
        batch=setting.batch,
        crop=setting.crop,
        runs=setting.runs,
    )
    return _LEAD.format(size=size, noise=setting.noise, weight=SMOOTHNESS, epsilon=EPSILON, **rates)


def _numbers(runs: Runs, parameters: Mapping[str, int]) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, of in runs.items():
        numbers[f"parameters, {name}"] = parameters[name]
        for k, run in enumerate(of, start=1):
            where = f"{name}, run {k}"
            numbers[f"last held-out objective, {where}"] = run.trained.errors[-1]
            numbers |= {f"error at {a}°, {where}": e for a, e in run.errors.items()}
            numbers[f"relative error at a quarter turn, {where}"] = run.quarter
    return numbers
