"""Phases of radar interferometry, denoised on the circle, in the plane, and as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import darboux as dx
from darboux.manifolds import Circle
from reproductions.common.result import Result, Statement
from reproductions.common.sizes import parameter_count, same_size
from reproductions.interferogram.data import (
    AMBIGUITY,
    COHERENCE,
    LOOKS,
    Phases,
    elevation_phases,
    with_noise,
)
from reproductions.interferogram.measures import (
    best_window,
    local_mean,
    near_jumps,
    shift_error,
    tile_errors,
)
from reproductions.interferogram.networks import (
    AngleNetwork,
    CircleNetwork,
    embedded,
    euclidean,
    shift_equivariant,
)
from reproductions.interferogram.pictures import draw_errors, draw_phases
from reproductions.interferogram.statements import (
    ANGLES,
    CIRCLE,
    MEAN,
    NOISY,
    PLANE,
    Run,
    Runs,
    certified,
    jumps,
    lower,
    shifts,
)
from reproductions.interferogram.training import Setting, phases_of, trained

_FULL = Setting(iterations=400, width=12, ordinary=17, steps=3, runs=2, tile=64, image=344)
_QUICK = Setting(iterations=40, width=10, ordinary=14, steps=2, runs=1, tile=32, image=128)
_COHERENCES = (0.3, 0.5, 0.8)
_SHOWN, _SIDE = 0.5, 96
_LEAD = (
    "Three networks of equal size learn to take noise from images of phases. One computes in the "
    "plane with complex convolutions and lengths, and so commutes with shifts of all phases; one "
    "in the plane with ordinary convolutions; both return directions, phases by construction, "
    "and learn the distance on the circle. The third takes phases for numbers in (-π, π]. They "
    "see {iterations} times {batch} images of {side} × {side} pixels of random terrain, with "
    "coherences of {low:g} to {high:g} and {looks} looks, and are judged on the elevation model "
    "that comes with matplotlib, with one turn of the phase for {ambiguity:g} m of height. The "
    "local mean is that of directions over the window of 3, 5 or 7 pixels that is best in training."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train networks on phases, and judge them on the phases of a real elevation model.

    Source: section 2.3.
    """
    setting = _QUICK if quick else _FULL
    generator = torch.Generator().manual_seed(seed + 1_000_000)
    clean = elevation_phases()[:, : setting.image, : setting.image]
    scenes = {c: with_noise(clean, torch.tensor([c]), generator) for c in _COHERENCES}
    runs: Runs = {
        name: [_run(build, setting, scenes, seed + k) for k in range(setting.runs)]
        for name, build in _builders(setting).items()
    }
    mean = local_mean(best_window([phases_of(setting, generator) for _ in range(8)]))
    simple = {
        name: {c: tile_errors(method, p, tile=setting.tile) for c, p in scenes.items()}
        for name, method in ((NOISY, lambda phases: phases), (MEAN, mean))
    }
    first = {name: of[0].trained.network for name, of in runs.items()}
    errors = {**simple, **{name: of[0].errors for name, of in runs.items()}}
    parameters = {name: parameter_count(network) for name, network in first.items()}
    return Result(
        title="Phases of radar interferometry, denoised on the circle",
        lead=_lead(setting),
        numbers=_numbers(runs, simple, parameters),
        costs={
            f"processor seconds of the training, {name}, run {k}": run.trained.seconds
            for name, of in runs.items()
            for k, run in enumerate(of, start=1)
        },
        statements=[
            same_size(parameters, "all networks have as many parameters, to within 5 %"),
            *_certified(first[CIRCLE], scenes[_SHOWN]),
            shifts(runs),
            jumps(runs),
            *_comparisons(runs, simple, quick=quick),
        ],
        figures={
            draw_phases(_shown(first, mean, scenes[_SHOWN]), out / "phases.png"): (
                f"A part of the elevation model: true phases, those of coherence {_SHOWN:g}, and "
                "what becomes of them."
            ),
            draw_errors(errors, out / "errors.png"): (
                f"Mean wrapped errors; bars are standard deviations over the tiles of "
                f"{setting.tile} × {setting.tile} pixels of the elevation model."
            ),
        },
    )


def _builders(setting: Setting) -> dict[str, Callable[[], CircleNetwork | AngleNetwork]]:
    return {
        ANGLES: partial(euclidean, setting.ordinary, setting.steps),
        PLANE: partial(embedded, setting.ordinary, setting.steps),
        CIRCLE: partial(shift_equivariant, setting.width, setting.steps),
    }


def _run(
    build: Callable[[], CircleNetwork | AngleNetwork],
    setting: Setting,
    scenes: Mapping[float, Phases],
    seed: int,
) -> Run:
    """Return a trained network and what was measured of it."""
    torch.manual_seed(seed)
    found = trained(build(), setting, seed=seed)
    network, scene = found.network, scenes[_SHOWN]
    with torch.no_grad():
        error = Circle().dist(network(scene.noisy), scene.clean)
    return Run(
        found,
        {c: tile_errors(network, p, tile=setting.tile) for c, p in scenes.items()},
        shift_error(network, scene.noisy[:, :_SIDE, :_SIDE]),
        near_jumps(scene.clean, error),
    )


def _certified(network: torch.nn.Module, scene: Phases) -> list[Statement]:
    """Return what certificates say of a network on a small part of a scene."""
    assert isinstance(network, CircleNetwork)
    phases = scene.noisy[:, :12, :12]
    vectors = torch.stack([phases.cos(), phases.sin()], dim=1)
    return certified(
        dx.certify(network, phases, effort="quick"),
        dx.certify(network.inner, vectors, effort="quick"),
    )


def _comparisons(
    runs: Runs, simple: Mapping[str, Mapping[float, Tensor]], *, quick: bool
) -> list[Statement]:
    """Return how the network on the circle compares; short trainings do not beat the mean."""
    found = [lower(runs, ANGLES, None, c) for c in _COHERENCES]
    if not quick:
        found += [lower(runs, MEAN, simple[MEAN], c) for c in _COHERENCES]
        found += [lower(runs, PLANE, None, c) for c in _COHERENCES]
    return found


@torch.no_grad()
def _shown(
    networks: Mapping[str, torch.nn.Module], mean: Callable[[Tensor], Tensor], scene: Phases
) -> dict[str, Tensor]:
    """Return parts of images of phases, (height, width)."""
    methods: dict[str, Callable[[Tensor], Tensor]] = {MEAN: mean, **networks}
    part = Phases(*(image[:, :_SIDE, :_SIDE] for image in scene))
    found = {name: method(part.noisy) for name, method in methods.items()}
    return {n: p[0] for n, p in {"true": part.clean, "noisy": part.noisy, **found}.items()}


def _lead(setting: Setting) -> str:
    """Return what is shown, and its sizes."""
    low, high = COHERENCE
    return _LEAD.format(
        iterations=setting.iterations,
        batch=setting.batch,
        side=setting.side,
        low=low,
        high=high,
        looks=LOOKS,
        ambiguity=AMBIGUITY,
    )


def _numbers(
    runs: Runs, simple: Mapping[str, Mapping[float, Tensor]], parameters: Mapping[str, int]
) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, of in simple.items():
        numbers |= _errors(name, of)
    for name, each in runs.items():
        numbers[f"parameters, {name}"] = parameters[name]
        for k, run in enumerate(each, start=1):
            where = f"{name}, run {k}"
            numbers[f"error of commuting with shifts in rad, {where}"] = run.shifted
            numbers |= {f"error {place} jumps in rad, {where}": e for place, e in run.near.items()}
            numbers |= _errors(where, run.errors)
    return numbers


def _errors(name: str, errors: Mapping[float, Tensor]) -> dict[str, float]:
    return {
        f"{what} in rad, coherence {c:g}, {name}": float(value)
        for c, of in errors.items()
        for what, value in (("wrapped error", of.mean()), ("its deviation over tiles", of.std()))
    }
