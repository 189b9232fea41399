"""The standard map: two shears that make order, chaos and everything between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

import darboux as dx
from darboux.integrators import SymplecticEuler
from reproductions.common.result import Result, Statement
from reproductions.standard_map.orbits import (
    CRITICAL,
    TURN,
    Spread,
    crossed,
    jacobian,
    kicked_rotor,
    lyapunov,
    orbits,
    spread,
    standard_map,
)
from reproductions.standard_map.pictures import draw_disc, draw_orbits, draw_spread

_EPS = torch.finfo(torch.float64).eps
_STRENGTHS = (0.5, 0.97, 2.0, 5.0)  # of the portraits
_ORDERED, _CHAOTIC = (0.5, 0.9), (1.2, 1.5)  # below and above the critical K
_KICKS = (0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 15.0, 20.0)
_JUDGED = (5.0, 10.0, 15.0)  # far from 2πn, where some orbits fly off
_LEAD = (
    "The standard map p' = p + K sin z, z' = z + p' is two shears, here two additive couplings, "
    "and one step of symplectic Euler for H = p²/2 + K cos z. For small K most orbits lie on "
    "curves; the last one that keeps momenta from crossing breaks at K = 0.9716; for large K "
    "momenta spread like random walks, at a rate that is known unless K is near 2πn."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    steps: int  # of orbits that try to cross
    points: int  # whose momenta spread
    kicks: tuple[float, ...]  # K at which they do
    off: float  # relative error of the rate that is allowed


_FULL = Size(20_000, 20_000, tuple(3.0 + 0.5 * k for k in range(35)), 0.08)
_QUICK = Size(2_000, 4_000, (3.0, *_JUDGED, 20.0), 0.15)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Follow orbits of the standard map, and compare with what is known of it.

    Source: section 2.2.3; Chirikov 1979; Greene 1979; Rechester and White 1980.
    """
    size = _QUICK if quick else _FULL
    generator = torch.Generator().manual_seed(seed)
    x = TURN * torch.rand(300, 2, generator=generator, dtype=torch.float64)
    reached = crossed((*_ORDERED, *_CHAOTIC), points=20, steps=size.steps)
    walks = [spread(k, points=size.points, steps=100, generator=generator) for k in size.kicks]
    exponents = {k: lyapunov(k, orbits(k, x, steps=150)) for k in _KICKS}
    certificate = dx.certify(standard_map(2.0), x[:8], effort="quick")
    return Result(
        title="The standard map from two shears",
        lead=_LEAD,
        numbers={
            **{f"farthest momentum in 2π, K = {k:g}": value for k, value in reached.items()},
            **{f"rate of p², K = {w.strength:g}": w.rate for w in walks},
            **{f"rate of p² in theory, K = {w.strength:g}": w.predicted for w in walks},
            **{f"Lyapunov exponent, K = {k:g}": float(e.mean()) for k, e in exponents.items()},
        },
        statements=[
            *_structure(x, certificate),
            *_returns(x),
            *_crossings(reached, size.steps),
            _separation(exponents),
            *_walks(walks, size.off),
        ],
        figures={
            draw_orbits(_STRENGTHS, out / "orbits.png", steps=600 if quick else 3000): (
                "Orbits of 24 points: curves, islands, and a sea of chaos that grows with K."
            ),
            draw_disc(5.0, out / "disc.png"): (
                "A disc of four colours about (π, 0), and the same points after some steps."
            ),
            draw_spread(walks, exponents, out / "spread.png"): (
                "How momenta spread, the rate of it, and how fast nearby orbits separate. Rates "
                "are above theory where K is near 2π, 4π, ...: some orbits fly off there."
            ),
        },
    )


def _structure(x: Tensor, certificate: dx.Certificate) -> list[Statement]:
    """Return whether the map is what it should be."""
    field, method = kicked_rotor(2.0), SymplecticEuler(first="kick")
    off = float((standard_map(2.0)(x) - method.step(field, 0.0, 1.0, x)).abs().max())
    areas = float((torch.linalg.det(jacobian(10.0, x)) - 1).abs().max())
    return [
        Statement(
            "two couplings are one step of symplectic Euler, kick first, h = 1",
            f"off by {off:.1e}",
            holds=off <= 32 * _EPS,
        ),
        Statement("areas are kept: det = 1", f"off by {areas:.1e}", holds=areas <= 256 * _EPS),
        Statement(
            "the certificate of the chain holds: invertible, and volume is preserved",
            str(certificate.verdict),
            holds=certificate.holds
            and all(
                certificate.require(s).kind == dx.structure.Kind.CONSTRUCTION
                for s in (dx.Invertible(), dx.VolumePreserving())
            ),
        ),
    ]


def _returns(x: Tensor) -> list[Statement]:
    """Return whether inverses lead back, up to rounding that chaos amplifies."""
    found = []
    for strength, steps, limit in ((0.5, 50, 1e-9), (10.0, 6, 1e-7)):
        step, there = standard_map(strength), x
        with torch.no_grad():
            for _ in range(steps):
                there = step(there)
            for _ in range(steps):
                there = cast("Tensor", step.inverse(there))
        off = float((there - x).abs().max())
        found.append(
            Statement(
                f"K = {strength:g}: {steps} steps are undone to {limit:g}",
                f"off by {off:.1e}",
                holds=off <= limit,
            )
        )
    return found


def _crossings(reached: Mapping[float, float], steps: int) -> list[Statement]:
    """Return whether curves stop momenta below the critical K, and nothing above."""
    return [
        *(
            Statement(
                f"K = {k:g} < {CRITICAL:.4f}: momenta from 0 never pass the golden curve, |p| < "
                "0.7 · 2π",
                f"up to {reached[k]:.2f} · 2π in {steps} steps",
                holds=reached[k] < 0.7,
            )
            for k in _ORDERED
        ),
        *(
            Statement(
                f"K = {k:g} > {CRITICAL:.4f}: they do",
                f"up to {reached[k]:.2f} · 2π in {steps} steps",
                holds=reached[k] > 1,
            )
            for k in _CHAOTIC
        ),
    ]


def _separation(exponents: Mapping[float, Tensor]) -> Statement:
    large = [k for k in exponents if k >= 10]
    means = {k: float(exponents[k].mean()) for k in large}
    return Statement(
        "for K >= 10 nearby orbits separate by the factor K/2 in each step, to 3 %",
        ", ".join(f"K = {k:g}: {math.exp(value):.2f}" for k, value in means.items()),
        holds=all(abs(math.exp(value) / (k / 2) - 1) <= 0.03 for k, value in means.items()),
    )


def _walks(walks: Sequence[Spread], off: float) -> list[Statement]:
    """Return whether momenta spread at the rate of theory."""
    return [
        Statement(
            f"K = {w.strength:g}: p² grows at the rate of Rechester and White, to {off:.0%}",
            f"{w.rate:.1f} and {w.predicted:.1f} per step; random kicks {w.strength**2 / 2:.1f}",
            holds=abs(w.rate / w.predicted - 1) <= off,
        )
        for w in walks
        if w.strength in _JUDGED
    ]
