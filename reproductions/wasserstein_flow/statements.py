"""The statements about the flows of measures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.wasserstein_flow.experiments import NEURONS
from reproductions.wasserstein_flow.margins import Margin
from reproductions.wasserstein_flow.particles import Flowed

Margins = Mapping[bool, Mapping[int, Sequence[Margin]]]


def wide_enough(losses: Mapping[int, Sequence[float]]) -> list[Statement]:
    """Return whether students with enough neurons learn the teacher, and others do not."""
    wide = maximum(maximum(found) for width, found in losses.items() if width >= 2 * NEURONS)
    narrow = minimum(minimum(found) for width, found in losses.items() if width < NEURONS)
    return [
        Statement(
            "from twice as many neurons as the teacher has, every student gets below 1 % of E",
            f"at most {wide:.2%}",
            holds=wide < 0.01,
        ),
        Statement(
            "students with fewer neurons than the teacher stay above 2 % of E",
            f"at least {narrow:.2%}",
            holds=narrow > 0.02,
        ),
    ]


def starts(flows: Mapping[str, Flowed], level: float) -> list[Statement]:
    """Return whether the start decides about the end (Theorem 6.1)."""
    ends = {name: float(flow.losses[-1]) / level for name, flow in flows.items()}
    rises = maximum(float(flow.losses.diff().max()) for flow in flows.values())
    return [
        Statement(
            "from a diverse start the loss falls below 0.1 % of E",
            f"{ends['diverse']:.4%}",
            holds=ends["diverse"] < 1e-3,
        ),
        Statement(
            "from a concentrated start as many particles stay above 5 % of E",
            f"{ends['concentrated']:.2%}",
            holds=ends["concentrated"] > 0.05,
        ),
        Statement(
            "the loss never rises along these flows",
            f"largest rise {max(rises, 0.0):.1e}",
            holds=rises <= 1e-12,
        ),
    ]


def converging(distances: Mapping[int, tuple[float, float]]) -> list[Statement]:
    """Return whether measures with J and 2J particles come closer as J grows."""
    few, many = min(distances), max(distances)
    said = []
    for time, name in enumerate(("start", "end")):
        near, far = distances[many][time], distances[few][time]
        order = math.log(far / near) / math.log(many / few)
        said.append(
            Statement(
                f"at the {name} the distance of J and 2J particles falls as J grows",
                f"{far:.3f} for J = {few}, {near:.3f} for {many}: order {order:.2f}",
                holds=order > 0.2,
            )
        )
    return said


def balance(drifts: Mapping[float, float], boosted: float) -> list[Statement]:
    """Return whether |c|² = ‖a‖² is kept, and how well."""
    values = list(drifts.values())
    orders = [math.log2(a / b) for a, b in itertools.pairwise(values)]
    return [
        Statement(
            "Euler steps keep |c|² = ‖a‖² of Theorem 6.1 to order 1 in h",
            ", ".join(f"{order:.2f}" for order in orders),
            holds=all(abs(order - 1) < 0.2 for order in orders),
        ),
        Statement("boosts keep it to rounding", f"{boosted:.1e} of ‖θ‖²", holds=boosted < 1e-12),
    ]


def metrics(flows: Mapping[str, Flowed]) -> list[Statement]:
    """Return whether masses alone do less than particles that move."""
    ends = {name: float(flow.losses[-1]) for name, flow in flows.items()}
    rest = flows["Fisher-Rao"]
    return [
        Statement(
            "particles that move get lower than masses that change",
            ", ".join(f"{name} {end:.1e}" for name, end in ends.items()),
            holds=ends["Fisher-Rao"]
            > maximum([ends["Wasserstein"], ends["Wasserstein-Fisher-Rao"]]),
        ),
        Statement(
            "masses stay positive and sum to 1",
            f"least {float(rest.end.w.min()):.1e}, sum - 1 = {float(rest.end.w.sum() - 1):.1e}",
            holds=bool(rest.end.w.min() > 0) and abs(float(rest.end.w.sum()) - 1) < 1e-12,
        ),
    ]


def separated(noise: Margins) -> list[Statement]:
    """Return whether training both layers finds the coordinates that matter."""
    errors = {
        both: {n: sum(m.error for m in found) / len(found) for n, found in by.items()}
        for both, by in noise.items()
    }
    return [
        Statement(
            "with both layers trained the test error is lower, whatever the number of spurious "
            "coordinates",
            "; ".join(
                f"{n}: {errors[True][n]:.1%} against {errors[False][n]:.1%}" for n in errors[True]
            ),
            holds=all(errors[True][n] < errors[False][n] for n in errors[True]),
        )
    ]
