"""Errors of tensors that come from a few directions, against those that come from all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reproductions.diffusion_tensors.acquisition import Scan, fitted, spread
from reproductions.diffusion_tensors.tensors import (
    LEAST,
    eigenvalues,
    fractional_anisotropy,
    mean_diffusivity,
)

Method = Callable[[Scan], Tensor]


@dataclass(frozen=True)
class Case:
    """A scan with many directions, the tensors to compare with, and the voxels that count."""

    scan: Scan
    truth: Tensor  # (batch, X, Y, Z, 3, 3)
    inside: Tensor  # (batch, X, Y, Z), bool


@dataclass(frozen=True)
class Errors:
    """Means over the voxels of a case; one entry for each subset of its directions."""

    anisotropy: Tensor  # of |FA - FA of the truth|
    diffusivity: Tensor  # of |MD - MD of the truth|, µm²/ms
    negative: Tensor  # share of the voxels with an eigenvalue that is not positive
    least: float  # eigenvalue of all voxels and subsets, µm²/ms


def case_of(scan: Scan, truth: Tensor | None = None) -> Case:
    """Return a case; where no truth is known it is the fit of all directions.

    Voxels count whose true eigenvalues are those of tissue or water.
    """
    truth = fitted(scan) if truth is None else truth
    return Case(scan, truth, eigenvalues(truth)[..., 0] > LEAST)


def subsets(scan: Scan, count: int, number: int) -> list[Scan]:
    """Return the scan with different sets of a few well-spread directions of it."""
    starts = torch.linspace(0, len(scan.directions) - 1, number).round().int().tolist()
    return [scan.along(spread(scan.directions, count, first=k)) for k in starts]


@torch.no_grad()
def errors(method: Method, case: Case, scans: Sequence[Scan]) -> Errors:
    """Return the errors of a method on scans with fewer directions."""
    found = torch.stack([method(scan)[case.inside] for scan in scans])
    truth = case.truth[case.inside]
    least = eigenvalues(found)[..., 0]
    return Errors(
        _mean_gap(fractional_anisotropy(found), fractional_anisotropy(truth)),
        _mean_gap(mean_diffusivity(found), mean_diffusivity(truth)),
        (least <= 0).double().mean(1),
        float(least.min()),
    )


def table(
    methods: Mapping[str, Method], case: Case, counts: Sequence[int], number: int
) -> dict[str, dict[int, Errors]]:
    """Return the errors of all methods, for all numbers of directions."""
    chosen = {count: subsets(case.scan, count, number) for count in counts}
    return {
        name: {count: errors(method, case, scans) for count, scans in chosen.items()}
        for name, method in methods.items()
    }


def interval(values: Tensor) -> tuple[float, float]:
    """Return the mean over subsets and its standard deviation over them."""
    return float(values.mean()), float(values.std())


def _mean_gap(found: Tensor, truth: Tensor) -> Tensor:
    return (found - truth).abs().double().mean(1)
