"""The statements about the two half-moons, flow by flow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from darboux.density import ContinuousFlow
from reproductions.common.result import Statement
from reproductions.half_moons.law import Law
from reproductions.half_moons.measures import Measured
from reproductions.half_moons.networks import CONTINUOUS, Trained


@dataclass(frozen=True)
class Size:
    """How large the experiment is, and what is asked for."""

    test: int  # points to judge by
    samples: int  # of each flow
    cell: float  # the side of a cell of the integrals
    gap: float  # to the exact density that is allowed, in nats
    margin: float  # to a normal law that is asked for, in nats
    mass: float  # between the moons that is allowed


def statements(
    found: Mapping[str, Measured],
    samples: Mapping[str, Tensor],
    *,
    exact: Measured,
    normal: Measured,
    size: Size,
    law: Law,
) -> list[Statement]:
    """Return what is said of every flow."""
    said = [_exact(exact)]
    for name, its in found.items():
        said += [
            *_learned(name, its, normal, size),
            _normalised(name, its),
            *_connected(name, its, exact, size),
            _sampled(name, its, law.between(samples[name])),
        ]
    return said


def _exact(exact: Measured) -> Statement:
    """Return whether the yardstick is one."""
    error = abs(exact.integral - 1)
    text = "the exact density integrates to 1 up to 1e-5"
    return Statement(text, f"off by {error:.1e}", holds=error <= 1e-5)


def _learned(name: str, its: Measured, normal: Measured, size: Size) -> list[Statement]:
    """Return whether a flow is much better than a normal law, and nearly as good as the truth."""
    return [
        Statement(
            f"{name}: at least {size.margin:g} nats better than a normal law",
            f"{its.nll:.3f} against {normal.nll:.3f} nats",
            holds=normal.nll - its.nll >= size.margin,
        ),
        # nothing beats the truth by more than chance: what does is no density
        Statement(
            f"{name}: within {size.gap:g} nats of the exact density, and not below it",
            f"{its.nll:.4f} nats, gap {its.gap:.4f} ± {its.gap_error:.4f}",
            holds=-4 * its.gap_error <= its.gap <= size.gap,
        ),
    ]


def _normalised(name: str, its: Measured) -> Statement:
    """Return whether the integral is 1."""
    text = f"{name}: the density integrates to 1 up to 1 %"
    return Statement(text, f"{its.integral:.4f}", holds=abs(its.integral - 1) <= 0.01)


def _connected(name: str, its: Measured, exact: Measured, size: Size) -> list[Statement]:
    """Return whether there is a bridge between the moons, and a thin one."""
    low, truth = float(its.segment.min()), float(exact.segment.min())
    return [
        Statement(
            f"{name}: density on the segment between the moons is positive",
            f"at least {math.exp(low):.1e}; exact {math.exp(truth):.1e}",
            holds=bool(its.segment.isfinite().all()) and math.exp(low) > 0,
        ),
        Statement(
            f"{name}: mass between the moons under {size.mass:.0%}",
            f"{its.between:.2%}; exact {exact.between:.2%}",
            holds=its.between < size.mass,
        ),
    ]


def _sampled(name: str, its: Measured, between: Tensor) -> Statement:
    """Return whether samples fall between the moons as often as the density says."""
    share = float(between.double().mean())
    error = math.sqrt(its.between * (1 - its.between) / len(between))
    return Statement(
        f"{name}: samples lie between the moons as often as the density says",
        f"{share:.2%} ± {error:.2%} against {its.between:.2%}",
        # 1e-3 for the cells that the border of the region cuts
        holds=abs(share - its.between) <= 4 * error + 1e-3,
    )


def integrated(flows: Sequence[Trained], test: Tensor) -> Statement:
    """Return whether the steps of the continuous flow are small enough to speak of its density."""
    flow = next(each.flow for each in flows if each.name == CONTINUOUS)
    assert isinstance(flow.bijection, ContinuousFlow)
    error = float(flow.bijection.discretisation_error(test).log_det.mean())
    return Statement(
        f"{CONTINUOUS}: twice as many steps change log-determinants by less than 1e-3 on average",
        f"{error:.1e}",
        holds=error < 1e-3,
    )
