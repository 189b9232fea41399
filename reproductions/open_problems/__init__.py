"""Small experiments on open problems that no other topic measures: 2.4.1, 4.3.1, 4.3.2, 5.3.2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reproductions.common.extremes import maximum
from reproductions.common.result import Result, Statement
from reproductions.open_problems.features import Approximated, approximated
from reproductions.open_problems.inverses import Bounded, Inverted, bounded, inverted
from reproductions.open_problems.pictures import draw_comparisons, draw_smoothing
from reproductions.open_problems.smoothing import Smoothed, smoothed

_DECAYS = (0.0, 1.0, 2.0, 3.0)
_LEAD = (
    "Four small experiments. Hamiltonian networks of 64 layers whose parameters are random "
    "functions of time, all as large in L² and of different smoothness: how their energy varies "
    "(2.4.1). Inverses of networks of 8 layers on 32 features, with coupling and without (4.3.1). "
    "Bounds of the norms of normal matrices and kernels (4.3.2). An SO(2)-equivariant function of "
    "three vectors, learned with {steps} steps by networks that differ in their features and "
    "nonlinearities, and have 850 to 940 parameters (5.3.2)."
)
_CHAINS = ("Störmer-Verlet, Hamiltonian", "reversible Heun, doubled")


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Measure energies, inverses, bounds and approximations.

    Source: sections 2.4.1, 4.3.1, 4.3.2 and 5.3.2.
    """
    steps = 600 if quick else 1000
    smooth, layers, bounds = smoothed(_DECAYS, seed), inverted(seed), bounded(seed)
    features = approximated(steps, range(seed, seed + (1 if quick else 3)))
    return Result(
        title="Small experiments on open problems",
        lead=_LEAD.format(steps=steps),
        numbers=_numbers(smooth, layers, bounds, features),
        costs={f"inverse over forward pass, {name}": its.ratio for name, its in layers.items()},
        statements=[
            _steadier(smooth),
            *_inverses(layers),
            *_bounds(bounds),
            _symmetric(features),
        ],
        figures={
            draw_smoothing(smooth, out / "smoothing.png"): (
                "Smoother parameters let the energy vary less, in proportion to ‖∂θ‖."
            ),
            draw_comparisons(layers, features, out / "comparisons.png"): (
                "What inverses cost; and how well networks of equal size learn an equivariant "
                "function."
            ),
        },
    )


def _steadier(found: Sequence[Smoothed]) -> Statement:
    ratios = [each.variation / each.roughness for each in found]
    return Statement(
        "the variation of the energy is proportional to ‖∂θ‖, up to 25 %",
        f"ratios {', '.join(f'{r:.2f}' for r in ratios)}",
        holds=all(a <= 1.25 * b for a in ratios for b in ratios),
    )


def _inverses(found: Mapping[str, Inverted]) -> list[Statement]:
    couplings = found["couplings"]
    steps = [
        Statement(
            f"{name}: a layer connects more inputs and outputs than a coupling",
            f"{found[name].reached:.0%} and {couplings.reached:.0%} of the pairs",
            holds=found[name].reached > couplings.reached,
        )
        for name in _CHAINS
    ]
    worst = maximum(each.error for each in found.values())
    return [
        *steps,
        Statement(
            "all inverses are right up to rounding in float32",
            f"{worst:.1e}",
            holds=all(each.error < 1e-5 for each in found.values()),
        ),
        Statement(
            "inverses of contractive residuals cost at least twice as much as any other",
            f"{found['contractive residuals'].ratio:.1f} forward passes; "
            f"{maximum(found[n].ratio for n in ('couplings', *_CHAINS)):.1f}",
            holds=found["contractive residuals"].ratio
            >= 2 * maximum(found[n].ratio for n in ("couplings", *_CHAINS)),
        ),
    ]


def _bounds(found: Mapping[str, Bounded]) -> list[Statement]:
    return [
        Statement(
            f"{name}: no bound is below the norm, and the proved one is within 5 %",
            f"rows {each.rows:.2f}, proved {each.proved:.3f} of it",
            holds=1 - 1e-6 <= each.proved <= 1.05 and each.rows >= 1,
        )
        for name, each in found.items()
    ]


def _symmetric(found: Mapping[str, Approximated]) -> Statement:
    best = min(found, key=lambda name: found[name].mean)
    plain = found["no symmetry"].mean
    return Statement(
        "some equivariant network errs less than one without symmetry",
        f"{best} {found[best].mean:.3f}, no symmetry {plain:.3f}",
        holds=found[best].mean < plain,
    )


def _numbers(
    smooth: Sequence[Smoothed],
    layers: Mapping[str, Inverted],
    bounds: Mapping[str, Bounded],
    features: Mapping[str, Approximated],
) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for each in smooth:
        where = f"amplitudes k^-{each.decay:g}"
        numbers[f"‖∂θ‖, {where}"] = each.roughness
        numbers[f"variation of the energy, {where}"] = each.variation
        numbers[f"largest norm of the Jacobian, {where}"] = each.growth
    for name, layer in layers.items():
        numbers[f"error of the inverse, {name}"] = layer.error
        numbers[f"share of connected pairs, {name}"] = layer.reached
    for name, bound in bounds.items():
        numbers[f"row bound over norm, {name}"] = bound.rows
        numbers[f"proved bound over norm, {name}"] = bound.proved
    for name, its in features.items():
        numbers[f"parameters, {name}"] = its.parameters
        numbers[f"relative error, {name}"] = its.mean
        numbers[f"half its range over seeds, {name}"] = its.spread
    return numbers
