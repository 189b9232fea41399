"""The statements about denoisers of diffusion tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

import darboux as dx
from reproductions.common.extremes import minimum
from reproductions.common.result import Statement
from reproductions.common.sizes import same_size
from reproductions.diffusion_tensors.measures import Errors

FIT, SIGNALS = "no denoising", "signals"
RAW, CLIPPED = "six entries", "six entries, clipped"
LOG, SOFT = "SPD, log-Euclidean", "SPD, softplus"
MANY = 64  # directions of a whole scan
_ROUNDING = 1e-4
_WORDS = {"anisotropy": "FA", "diffusivity": "MD"}
Found = Mapping[str, Mapping[int, Errors]]


@dataclass(frozen=True)
class Kept:
    """What was found of the structure of a network on tensors."""

    whole: dx.Certificate  # of the map of tensors
    flow: dx.Certificate  # of the flow of coordinates
    turned: float  # relative error of commuting with rotations of grid and tensors


def structure(kept: Mapping[str, Kept], parameters: Mapping[str, int]) -> list[Statement]:
    """Return what holds by construction, beside what was measured."""
    return [
        same_size(parameters, "all networks have as many parameters, to within 5 %"),
        *(_certified(name, each) for name, each in kept.items()),
        *(_turns(name, each.turned) for name, each in kept.items()),
    ]


def _certified(name: str, kept: Kept) -> Statement:
    promised = {type(row.structure) for row in kept.flow.rows}
    return Statement(
        f"{name}: certified to keep tensors positive definite, nonexpansive in its metric, and to "
        "commute with rotations of the grid",
        f"{len(kept.whole.rows)} and {len(kept.flow.rows)} attacks, none succeeded",
        holds=kept.whole.holds and kept.flow.holds and {dx.Averaged, dx.Equivariant} <= promised,
    )


def _turns(name: str, error: float) -> Statement:
    text = f"{name}: commutes with the 24 rotations of grid and tensors to rounding"
    return Statement(text, f"relative error {error:.1e} at most", holds=error <= _ROUNDING)


def positivity(found: Found, *, where: str) -> list[Statement]:
    """Return which methods leave tensors with eigenvalues that are not positive."""
    counts = sorted(found[SOFT])
    least = {name: minimum(found[name][n].least for n in counts) for name in (LOG, SOFT)}
    shares = {
        name: 100 * float(found[name][counts[0]].negative.mean()) for name in (FIT, RAW, SIGNALS)
    }
    return [
        Statement(
            f"{where}: every tensor of the networks on SPD(3) is positive definite",
            "; ".join(f"{name}: {value:.3f} µm²/ms at least" for name, value in least.items()),
            holds=minimum(least.values()) > 0,
        ),
        Statement(
            f"{where}: without geometry some are not, from {counts[0]} directions",
            "; ".join(f"{name}: {share:.1f} % of the voxels" for name, share in shares.items()),
            holds=shares[FIT] > 0 and shares[RAW] > 0,
        ),
    ]


def lower(found: Found, what: str, mine: str, other: str, count: int, *, where: str) -> Statement:
    """Return whether one method has the lower error, by twice the standard error at least."""
    first, second = (getattr(found[name][count], what) for name in (mine, other))
    gap, error = _gap(second - first, count)
    return Statement(
        f"{where}, {count} directions: {mine} has a lower error of {_WORDS[what]} than {other}",
        f"{float(first.mean()):.4f} and {float(second.mean()):.4f}, "
        f"difference {gap:.4f} ± {error:.4f}",
        holds=gap > 2 * error,
    )


def _gap(values: Tensor, count: int) -> tuple[float, float]:
    """Return the mean over subsets and its standard error, with as many as can be disjoint."""
    independent = min(len(values), MANY // count)
    return float(values.mean()), float(values.std()) / independent**0.5
