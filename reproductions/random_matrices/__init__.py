"""Singular values of Jacobians of deep networks, beside free probability and stable layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from reproductions.common.result import Result
from reproductions.random_matrices import statements
from reproductions.random_matrices.pictures import draw_growth, draw_spectra, draw_training
from reproductions.random_matrices.plain import PLAIN, Spectrum, spectra
from reproductions.random_matrices.stable import NETWORKS, WIDTH, Fitted, fitted
from reproductions.random_matrices.statements import Bars

_LEAD = (
    "J = D_L W_L ... D_1 W_1 is the Jacobian of L layers φ(Wz + b), D_k the diagonal of slopes. "
    "For random weights and infinite width its factors are free, and the law of its singular "
    "values s = √λ follows from S-transforms. Beside it are networks of {width} features, at the "
    "point where E λ = 1. Then plain and stable networks of {own} features and {layers} layers "
    "learn digits for {steps} steps of Adam; singular values of ∂z_k/∂z_0 are those at 16 "
    "held-out digits."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    width: int  # of random networks
    draws: int  # how many of each
    depths: tuple[int, ...]
    layers: int  # of trained networks
    steps: int
    bars: Bars


_FULL = Size(400, 4, (2, 4, 8, 16, 32), 16, 300, Bars(0.05, 0.12, 0.3, (0.7, 1.2), 0.88))
_QUICK = Size(128, 1, (2, 8), 8, 40, Bars(0.15, 0.2, 0.3, (0.6, 1.4), 0.6))


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Compare random plain networks with their law, and stable networks with plain ones.

    Source: Pennington, Schoenholz, Ganguli 2017 and 2018; sections 2.1.1 and 2.1.2.
    """
    size = _QUICK if quick else _FULL
    found, flat = _random(size, seed)
    trained = {
        name: fitted(name, depth=size.layers, steps=size.steps, seed=seed) for name in NETWORKS
    }
    return Result(
        title="Singular values of deep Jacobians",
        lead=_LEAD.format(width=size.width, own=WIDTH, layers=size.layers, steps=size.steps),
        numbers=_numbers(found, trained),
        statements=[
            *statements.lawful(found, size.bars),
            *statements.isometric(found, flat),
            *statements.trained(trained, size.layers, size.bars),
        ],
        figures={
            draw_spectra([e for e in found if e.layers in (2, 8, 32)], out / "spectra.png"): (
                "Singular values of random plain networks (filled) and their laws (curves). ReLU "
                "makes half of all singular values 0, which is left of the picture."
            ),
            draw_growth(found, out / "growth.png"): (
                "Random plain networks (marks) and their laws (curves)."
            ),
            draw_training(trained, out / "training.png"): (
                "Singular values of ∂z_k/∂z_0 through depth, of random (above) and trained "
                "networks (below): medians over digits."
            ),
        },
    )


def _random(size: Size, seed: int) -> tuple[list[Spectrum], torch.Tensor]:
    """Return spectra of random networks, and those of linear orthogonal ones apart."""
    found, flat = [], torch.ones(1, dtype=torch.float64)
    for case in PLAIN:
        generator = torch.Generator().manual_seed(seed)
        runs = [spectra(case, size.width, size.depths, generator) for _ in range(size.draws)]
        if case.words == "linear, orthogonal":
            flat = torch.stack([values for run in runs for values in run])
            continue
        for layers, values in zip(size.depths, zip(*runs, strict=True), strict=True):
            found.append(Spectrum(case, layers, torch.stack(values)))
    return found, flat


def _numbers(found: Sequence[Spectrum], trained: Mapping[str, Fitted]) -> dict[str, float]:
    """Return what was measured."""
    numbers: dict[str, float] = {}
    for each in found:
        where = f"{each.case.words}, {each.layers} layers"
        numbers |= {
            f"{where}: largest singular value": each.largest,
            f"{where}: largest singular value of the law": each.law.edge**0.5,
            f"{where}: E λ²/(E λ)²": each.moments[1],
            f"{where}: E λ²/(E λ)² of the law": each.law.second,
            f"{where}: distance from the law": each.distance,
        }
    for name, its in trained.items():
        for when, values in (("random", its.start[-1]), ("trained", its.end[-1])):
            numbers[f"{name}, {when}: largest singular value"] = float(values.max())
            numbers[f"{name}, {when}: median singular value"] = float(values.median())
            numbers[f"{name}, {when}: smallest singular value"] = float(values.min())
        numbers[f"{name}: held-out accuracy"] = its.accuracies[1]
    return numbers
