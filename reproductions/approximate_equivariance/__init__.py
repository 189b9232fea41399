"""The equivariance error of discretised networks at angles off the grid."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from darboux.symmetry import Bracket
from reproductions.approximate_equivariance.kernels import GROUPS, Kernel
from reproductions.approximate_equivariance.networks import network, network_error
from reproductions.approximate_equivariance.pictures import Curve, draw_convolutions, draw_networks
from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Result, Statement

_BAND = math.pi / 2
_BANDS = (0.25, 0.5, 1.0, _BAND, 2.5)
_KERNELS = (3, 5, 7, 9)
_WIDTHS = (1.0, 1.5, 2.0, 3.0)
_STEP = 11.25
_EXACT = 1e-12
_LEAD = (
    "Kernels of equivariant convolutions are derived for the plane and sampled on the grid. "
    "Quarter turns stay exact; at other angles there is an error, for which there is a bound: a "
    "supremum over frequencies of the commutator's symbol. Weights are random; errors are "
    "relative to the norm of the map, or of the output."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Measure the equivariance error of kernels and small networks over the angle.

    Source: section 5.3.3.
    """
    curves = _curves(seed, kernels=(3,) if quick else _KERNELS, step=45 if quick else 15)
    bands = _bands(seed, kernels=(3,) if quick else _KERNELS, bands=_BANDS[:3] if quick else _BANDS)
    groups = _groups(seed, kernels=(3,) if quick else _KERNELS)
    networks = _networks(seed, last=90 if quick else 360)
    widths = _widths(seed, kernels=(3,) if quick else (3, 5, 7))
    kernels, nets = out / "convolutions.png", out / "networks.png"
    return Result(
        title="Equivariance off the grid",
        lead=_LEAD,
        numbers=_numbers(bands, groups, networks, widths),
        statements=_statements(curves, bands, groups, networks, widths),
        figures={
            draw_convolutions(curves, bands, groups, kernels): _CONVOLUTIONS,
            draw_networks(networks, widths, nets): _NETWORKS,
        },
    )


_CONVOLUTIONS = (
    "Lines are bounds, dots what plane waves attain. One convolution between features with "
    "frequencies 0, 1, 2 of SO(2): over the angle, for frequencies up to π/2; its worst angle over "
    "the band; and the worst element of each group over the kernel size."
)
_NETWORKS = (
    "Networks of three layers on sums of Gaussians, whose rotations are known exactly: over the "
    "angle for Gaussians 2 pixels wide (in the middle on a logarithmic scale), and at 22.5° over "
    "their width."
)


def _curves(seed: int, *, kernels: tuple[int, ...], step: int) -> dict[str, Curve]:
    """Return errors over the angle, up to 360°."""
    found = {}
    for size in kernels:
        kernel = Kernel("SO(2)", size, seed)
        angles = range(0, 361, step)
        found[f"{size} × {size}"] = {
            float(degrees): (
                kernel.error(math.radians(degrees), band=_BAND),
                kernel.measured(math.radians(degrees), band=_BAND),
            )
            for degrees in angles
        }
    return found


def _bands(
    seed: int, *, kernels: tuple[int, ...], bands: tuple[float, ...]
) -> dict[int, dict[float, Bracket]]:
    """Return the worst errors of SO(2) kernels, over the band."""
    return {
        size: {band: Kernel("SO(2)", size, seed).worst(band=band) for band in bands}
        for size in kernels
    }


def _groups(seed: int, *, kernels: tuple[int, ...]) -> dict[str, dict[int, Bracket]]:
    """Return the errors of the worst elements, over the kernel size."""
    return {
        name: {size: Kernel(name, size, seed).worst(band=_BAND) for size in kernels}
        for name in GROUPS
    }


def _networks(seed: int, *, last: float) -> dict[str, dict[float, float]]:
    """Return errors of networks with 5 × 5 kernels over the angle in degrees."""
    angles = [k * _STEP for k in range(round(last / _STEP) + 1)]
    found = {}
    for name in GROUPS:
        net = network(name, kernel_size=5, seed=seed)
        found[name] = {
            a: network_error(net, math.radians(a), width=2.0, kernel_size=5) for a in angles
        }
    return found


def _widths(seed: int, *, kernels: tuple[int, ...]) -> dict[str, dict[float, float]]:
    """Return errors of networks at 22.5° over the width of the Gaussians."""
    found = {}
    for name in GROUPS:
        for size in kernels if name == "SO(2)" else (5,):
            net = network(name, kernel_size=size, seed=seed)
            found[f"{name}, {size} × {size}"] = {
                width: network_error(net, math.pi / 8, width=width, kernel_size=size)
                for width in _WIDTHS
            }
    return found


def _statements(
    curves: dict[str, Curve],
    bands: dict[int, dict[float, Bracket]],
    groups: dict[str, dict[int, Bracket]],
    networks: dict[str, dict[float, float]],
    widths: dict[str, dict[float, float]],
) -> list[Statement]:
    """Return what is said of the errors, beside what was found."""
    bounds = [b.upper for curve in curves.values() for a, (b, _) in curve.items() if a % 90 == 0]
    right = maximum([*bounds, *(each.upper for each in groups["C4"].values())])
    turns = maximum(e for curve in networks.values() for a, e in curve.items() if a % 90 == 0)
    ratios = [m / b.upper for c in curves.values() for a, (b, m) in c.items() if a % 90]
    # a supremum over more frequencies: it cannot fall, but need not rise at every step
    rows = [list(row.values()) for row in bands.values()]
    grows = all(a.lower <= b.upper for row in rows for a, b in pairwise(row))
    grows = grows and all(row[-1].lower > 2 * row[0].upper for row in rows)
    return [
        Statement(
            "convolutions commute with quarter turns to 1e-12",
            f"bound {right:.1e}",
            holds=right <= _EXACT,
        ),
        Statement(
            "networks commute with quarter turns to 1e-12", f"{turns:.1e}", holds=turns <= _EXACT
        ),
        Statement(
            "what is measured stays below the bound, at every angle and size",
            f"{minimum(ratios):.2f} to {maximum(ratios):.2f} of it",
            holds=maximum(ratios) <= 1,
        ),
        Statement(
            "the error of a convolution never falls with the band, and more than doubles",
            "; ".join(_span(f"{size} × {size}", row) for size, row in bands.items()),
            holds=grows,
        ),
        _finer(networks),
        _wider(widths),
    ]


def _span(name: str, row: dict[float, Bracket]) -> str:
    first, *_, last = row.values()
    return f"{name}: {first.upper:.2g} to {last.upper:.2g}"


def _finer(networks: dict[str, dict[float, float]]) -> Statement:
    """Return whether more rotations make the worst angle better."""
    worst = {name: maximum(curve.values()) for name, curve in networks.items()}
    return Statement(
        "networks: C8 is closer to all rotations than C4, and C16 than C8",
        ", ".join(f"{name} {error:.2g}" for name, error in worst.items()),
        holds=worst["C4"] > worst["C8"] > worst["C16"],
    )


def _wider(widths: dict[str, dict[float, float]]) -> Statement:
    """Return whether the error of the smoothest images is below that of the roughest."""
    ends = {name: (row[_WIDTHS[0]], row[_WIDTHS[-1]]) for name, row in widths.items()}
    return Statement(
        "networks: the error is smaller on smoother images",
        ", ".join(f"{name} {rough:.2g} to {smooth:.2g}" for name, (rough, smooth) in ends.items()),
        holds=all(smooth < rough for rough, smooth in ends.values()),
    )


def _numbers(
    bands: dict[int, dict[float, Bracket]],
    groups: dict[str, dict[int, Bracket]],
    networks: dict[str, dict[float, float]],
    widths: dict[str, dict[float, float]],
) -> dict[str, float]:
    numbers = {"band": _BAND}
    for size, row in bands.items():
        for band, each in row.items():
            numbers[f"bound, SO(2), kernel {size}, band {band:.3g}"] = each.upper
    for name, sizes in groups.items():
        for size, each in sizes.items():
            numbers[f"bound, {name}, kernel {size}, band {_BAND:.3g}"] = each.upper
    for name, curve in networks.items():
        numbers[f"worst angle of the network, {name}"] = maximum(curve.values())
    for name, curve in widths.items():
        for width, error in curve.items():
            numbers[f"network at 22.5°, {name}, width {width:g}"] = error
    return numbers
