"""Denoising of diffusion tensors: on the manifold of positive definite ones, and without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import darboux as dx
from darboux.manifolds import SPD
from darboux.symmetry import Feature, scalars
from reproductions.common.result import Result, Statement
from reproductions.common.sizes import parameter_count
from reproductions.diffusion_tensors.acquisition import fitted, random_directions
from reproductions.diffusion_tensors.charts import ENTRIES, LOG_EUCLIDEAN, SCALE, SOFTPLUS
from reproductions.diffusion_tensors.data import tissue
from reproductions.diffusion_tensors.denoisers import Denoiser, OfSignals, OfTensors
from reproductions.diffusion_tensors.measures import (
    Case,
    Errors,
    Method,
    case_of,
    interval,
    subsets,
    table,
)
from reproductions.diffusion_tensors.networks import (
    GROUP,
    gradient_flow,
    tensor_feature,
    turning_error,
)
from reproductions.diffusion_tensors.pictures import draw_errors, draw_slices
from reproductions.diffusion_tensors.scan import small_scan
from reproductions.diffusion_tensors.statements import (
    CLIPPED,
    FIT,
    LOG,
    MANY,
    RAW,
    SIGNALS,
    SOFT,
    Found,
    Kept,
    lower,
    positivity,
    structure,
)
from reproductions.diffusion_tensors.tensors import LEAST, MOST
from reproductions.diffusion_tensors.training import (
    DIRECTIONS,
    NOISE,
    Setting,
    Trained,
    scans,
    trained,
)

_LEAD = (
    "From the signals of {few} to {most} directions diffusion tensors are fitted voxel by voxel. "
    "Networks of {parameters} parameters learn to remove the noise: on the manifold of positive "
    "definite tensors, in the flat coordinates of two metrics; on the six entries of the tensors, "
    "as they are fitted or with eigenvalues clipped to [{least:g}, {top:g}] µm²/ms, as the "
    "geometric ones get them; and on the signals before the fit. All of them are the same "
    "nonexpansive flow that commutes with rotations of the grid, and see {iterations} times "
    "{batch} pieces of simulated tissue of {side}³ voxels with signal-to-noise ratios of {low:.0f} "
    "to {high:.0f}. The log-Euclidean metric is flat in log D, that called softplus in "
    "D + s log(1 - exp(-D/s)), s = {scale:g} µm²/ms: a logarithm where diffusion is slow, the "
    "identity where it is fast. Errors are those on the {judged}, where the truth of a brain is "
    "the fit of all its {many} directions: it has noise of its own, shared with its subsets, and "
    "one unweighted image for all."
)
_FULL = Setting(iterations=120, subsets=16, counts=(6, 8, 10, 12), units=3, steps=5)
_QUICK = Setting(iterations=8, subsets=2, counts=(6, 12), units=1, steps=2, batch=2, side=7)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train denoisers on simulated tissue, and judge them on it and on the scan of a brain.

    Source: section 2.3.
    """
    setting = _QUICK if quick else _FULL
    cases = {"simulated tissue": _simulated(setting, seed)}
    if not quick:
        cases["brain"] = case_of(small_scan())
    learned = {name: trained(d, setting, seed=seed) for name, d in _denoisers(setting, seed)}
    methods = {FIT: fitted, **{name: each.denoiser.tensors for name, each in learned.items()}}
    found = {
        where: table(methods, case, setting.counts, setting.subsets)
        for where, case in cases.items()
    }
    attacked = (SOFT,) if quick else (LOG, SOFT)
    kept = {name: _kept(name, learned[name].denoiser, seed=seed) for name in attacked}
    parameters = {name: parameter_count(t.denoiser.network) for name, t in learned.items()}
    where, last = list(found.items())[-1]
    return Result(
        title="Diffusion tensors, denoised on their manifold and off it",
        lead=_lead(setting, cases, parameters),
        numbers=_numbers(found, learned, parameters),
        costs={f"processor seconds, {name}": each.seconds for name, each in learned.items()},
        statements=[
            *structure(kept, parameters),
            *(s for place, each in found.items() for s in positivity(each, where=place)),
            *([] if quick else _comparisons(last, setting, where)),
        ],
        figures={
            draw_slices(_shown(methods, cases[where], setting.counts[0]), out / "ellipsoids.png"): (
                f"A slice of the {where}: the tensors that count as true, and what is made of "
                f"{setting.counts[0]} directions. Colours say where fibres point: orange along the "
                "first axis, green along the second, blue along the third; crosses are tensors "
                "with a negative eigenvalue."
            ),
            draw_errors(last, out / "errors.png"): (
                f"Mean errors on the {where}; bars are standard deviations over "
                f"{setting.subsets} subsets of its directions."
            ),
        },
    )


def _denoisers(setting: Setting, seed: int) -> Iterator[tuple[str, Denoiser]]:
    """Yield untrained denoisers of equal size by name."""
    tensor, images = tensor_feature(), scalars(GROUP, 3)
    plans: list[tuple[str, Feature, int, float, Callable[[dx.Flow], Denoiser]]] = [
        # half the channels, twice the units: as many parameters
        (SIGNALS, images, 2 * setting.units, 0.02, OfSignals),
        (RAW, tensor, setting.units, 0.05, partial(OfTensors, ENTRIES, clip=False)),
        (CLIPPED, tensor, setting.units, 0.05, partial(OfTensors, ENTRIES, clip=True)),
        (LOG, tensor, setting.units, 0.1, partial(OfTensors, LOG_EUCLIDEAN, clip=True)),
        (SOFT, tensor, setting.units, 0.05, partial(OfTensors, SOFTPLUS, clip=True)),
    ]
    for name, feature, units, threshold, make in plans:
        torch.manual_seed(seed)
        flow = gradient_flow(feature, units=units, steps=setting.steps, threshold=threshold)
        yield name, make(flow)


def _simulated(setting: Setting, seed: int) -> Case:
    """Return tissue that no training has seen, with exact tensors."""
    generator = torch.Generator().manual_seed(seed + 1_000_000)
    fields = tissue(setting.batch, side=setting.side, generator=generator)
    directions = random_directions(MANY, generator=generator)
    noise = torch.full((setting.batch,), sum(NOISE) / 2)
    noisy, _ = scans(fields, directions, noise=noise, generator=generator)
    return case_of(noisy, fields.tensors)


def _kept(name: str, denoiser: Denoiser, *, seed: int) -> Kept:
    """Return what is left of the structure after training."""
    assert isinstance(denoiser, OfTensors)
    tensors = tissue(1, side=5, generator=torch.Generator().manual_seed(seed)).tensors
    network, flow = denoiser.whole, denoiser.network
    whole = dx.compose.InCoordinates(SPD(3, "log-euclidean"), flow) if name == LOG else network
    coordinates = network.chart.coordinates(tensors)
    return Kept(
        dx.certify(whole, tensors, effort="quick"),
        dx.certify(flow, coordinates, effort="quick"),
        turning_error(network, tensors),
    )


def _comparisons(found: Found, setting: Setting, where: str) -> list[Statement]:
    """Return how the networks compare, both where geometry helps and where it does not."""
    few, most = setting.counts[0], setting.counts[-1]
    told = [
        ("anisotropy", SOFT, FIT, few),
        ("anisotropy", SOFT, RAW, few),
        ("anisotropy", SOFT, SIGNALS, few),
        ("anisotropy", SOFT, LOG, few),
        ("anisotropy", SOFT, CLIPPED, most),
        ("anisotropy", SIGNALS, SOFT, most),
        ("diffusivity", SOFT, LOG, few),
        ("diffusivity", FIT, SOFT, most),
    ]
    return [lower(found, *each, where=where) for each in told]


def _shown(methods: Mapping[str, Method], case: Case, count: int) -> dict[str, Tensor]:
    """Return slices of the first volume of a case, (X, Y, 3, 3)."""
    (scan,) = subsets(case.scan, count, 1)
    z = case.truth.shape[3] // 2
    with torch.no_grad():
        found = {name: methods[name](scan) for name in (FIT, CLIPPED, LOG, SOFT)}
    return {name: t[0, :, :, z] for name, t in {"reference": case.truth, **found}.items()}


def _lead(setting: Setting, cases: Mapping[str, Case], parameters: Mapping[str, int]) -> str:
    """Return what is shown, and its sizes."""
    return _LEAD.format(
        parameters=parameters[SOFT],
        batch=setting.batch,
        side=setting.side,
        iterations=setting.iterations,
        subsets=setting.subsets,
        low=1 / NOISE[1],
        high=1 / NOISE[0],
        judged=" and on the ".join(cases),
        scale=SCALE,
        least=LEAST,
        top=MOST,
        few=DIRECTIONS[0],
        most=DIRECTIONS[1],
        many=MANY,
    )


def _numbers(
    found: Mapping[str, Found], learned: Mapping[str, Trained], parameters: Mapping[str, int]
) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for name, each in learned.items():
        numbers[f"parameters, {name}"] = parameters[name]
        numbers[f"last loss, {name}"] = each.losses[-1]
    for where, methods in found.items():
        for name, of in methods.items():
            for count, errors in of.items():
                numbers |= _figures(f"{where}, {count} directions, {name}", errors)
    return numbers


def _figures(place: str, errors: Errors) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for what, values in (("FA", errors.anisotropy), ("MD, µm²/ms", errors.diffusivity)):
        mean, deviation = interval(values)
        numbers[f"error of {what}, {place}"] = mean
        numbers[f"its deviation over subsets, {what}, {place}"] = deviation
    numbers[f"% of voxels with a negative eigenvalue, {place}"] = 100 * float(
        errors.negative.mean()
    )
    numbers[f"least eigenvalue in µm²/ms, {place}"] = errors.least
    return numbers
