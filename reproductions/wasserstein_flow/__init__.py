"""Two-layer networks as measures of particles (section 6.3): flows, balance, margins."""

from __future__ import annotations

from pathlib import Path

from reproductions.common.result import Result
from reproductions.wasserstein_flow import experiments, statements
from reproductions.wasserstein_flow.experiments import NEURONS, Size
from reproductions.wasserstein_flow.pictures import draw_margins, draw_particles, draw_widths

_FULL = Size(
    widths=(2, 3, 5, 10, 20, 40, 80),
    seeds=3,
    steps=1500,
    pairs=(8, 16, 32, 64, 128),
    noise=(2, 7, 12, 17, 22),
    layers=(8, 16, 32, 64, 128),
    points=256,
    long=3000,
)
_QUICK = Size(
    widths=(2, 10),
    seeds=1,
    steps=400,
    pairs=(8, 32),
    noise=(2, 12),
    layers=(16, 32),
    points=128,
    long=500,
)
_LEAD = (
    "A network of J neurons is a measure of J particles (a, c), and gradient descent at the rate J "
    "its flow (62). Students learn a teacher of {neurons} neurons in ten dimensions, or of 3 in "
    "the plane, on normal inputs, whose loss is known exactly; all start balanced, |c| = ‖a‖, "
    "and are stepped by boosts, which keep that. Classifiers learn the clusters of Chizat and "
    "Bach 2020 with {width} neurons instead of 1000, by {long} steps of 2/√t; 3000 of these last "
    "as long as the 50 000 steps of 1/(2√t) of the reference."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Follow particles by width, start, metric and step, and train classifiers.

    Source: section 6.3, equations (61) to (63), Theorem 6.1; section 6.4.3; Chizat and Bach
    2018 and 2020.
    """
    size = _QUICK if quick else _FULL
    losses = experiments.by_width(size, seed)
    teacher, flows = experiments.in_the_plane(size, seed)
    distances = experiments.distances(size, seed)
    metrics = experiments.by_metric(size, seed)
    drifts, boosted = experiments.drifts(seed)
    noise = experiments.margins(size, seed, noise=size.noise)
    widths = experiments.margins(size, seed, widths=size.layers)
    level = experiments.level(teacher)
    return Result(
        title="Two-layer networks as measures of particles",
        lead=_LEAD.format(neurons=NEURONS, long=size.long, width=size.layers[-1]),
        numbers={
            **{f"E by width, J = {j}: mean": sum(e) / len(e) for j, e in losses.items()},
            **{f"E from a {name} start": float(f.losses[-1]) / level for name, f in flows.items()},
            **{f"W2 of {j} and {2 * j}: start": pair[0] for j, pair in distances.items()},
            **{f"W2 of {j} and {2 * j}: end": pair[1] for j, pair in distances.items()},
            **{f"E by metric: {name}": float(f.losses[-1]) for name, f in metrics.items()},
            **{f"imbalance after Euler steps of {h}": drift for h, drift in drifts.items()},
            "imbalance after boosts": boosted,
            **_means("spurious", noise),
            **_means("width", widths),
        },
        statements=[
            *statements.wide_enough(losses),
            *statements.starts(flows, level),
            *statements.converging(distances),
            *statements.balance(drifts, boosted),
            *statements.metrics(metrics),
            *statements.separated(noise),
        ],
        figures={
            draw_particles(teacher, flows, out / "particles.png"): (
                "Trajectories of the particles from two starts, blue where c > 0, and the "
                "directions of the teacher; the losses along them."
            ),
            draw_widths(losses, NEURONS, distances, metrics, out / "widths.png"): (
                "Losses of students by width; distances of measures with J and 2J particles; "
                "losses along flows in three metrics."
            ),
            draw_margins(noise, widths, out / "margins.png"): (
                "Classifiers with both layers trained, or the output layer alone."
            ),
        },
    )


def _means(what: str, found: statements.Margins) -> dict[str, float]:
    numbers = {}
    for both, by in found.items():
        layers = "both layers" if both else "output layer"
        for value, each in by.items():
            numbers[f"{layers}, {what} {value}: test error"] = sum(m.error for m in each) / len(
                each
            )
            numbers[f"{layers}, {what} {value}: margin"] = sum(m.margin for m in each) / len(each)
    return numbers
