"""The two half-moons (Figure 2): three normalising flows beside the exact density."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from darboux.density import ContinuousFlow
from darboux.experiments.moons_flows import BATCH, CONTINUOUS, Kind, Trained, kinds, trained
from darboux.experiments.moons_law import MoonsLaw
from darboux.experiments.moons_measures import Measured, Plane, gaussian, measured
from darboux.experiments.moons_pictures import draw_bridge, draw_densities
from darboux.experiments.result import Result, Statement

_LEAD = (
    "Three flows learn the two half-moons by maximum likelihood, each from {seen} fresh points "
    "at most. The density of the points is known as an integral over the two arcs, so that the "
    "best possible negative log-likelihood is known as well: {best:.4f} nats on the {test} test "
    "points. A gap is what a flow needs beyond that. The Residual Flow of the reference has "
    "100 blocks of 2-128-128-128-128-2 and learns for 50 000 steps of 500 points; {shortened} "
    "Its other settings are those of the reference: Lipschitz constants below 0.9, LipSwish, "
    "Adam with weight decay 1e-5, batches of 500. The first step size is {rate:g} instead of "
    "1e-3, and lowered twice in the last third. Constants are bounded by row norms instead of "
    "power iterations, and log-determinants are exact."
)


@dataclass(frozen=True)
class Size:
    """How large the experiment is, and what is asked for.

    Args:
        test: points to judge by.
        samples: of each flow.
        cell: the side of a cell of the integrals.
        gap: to the exact density that is allowed, in nats.
        margin: to a normal law that is asked for, in nats.

    Example:
        >>> Size(test=10, samples=10, cell=0.1, gap=0.1, margin=0.5).test
        10
    """

    test: int
    samples: int
    cell: float
    gap: float
    margin: float


_FULL = Size(test=10_000, samples=10_000, cell=0.03125, gap=0.1, margin=0.7)
_QUICK = Size(test=4_000, samples=4_000, cell=0.0625, gap=0.4, margin=0.4)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train a coupling flow, a Residual Flow and a continuous one, and measure their densities.

    Source: section 4.2.3, Figure 2; Chen et al. 2019, Residual Flows.

    Args:
        out: a folder that exists.
        quick: smaller flows and fewer steps, and weaker demands.
        seed: of weights and points.

    Example:
        >>> run.__doc__.splitlines()[0][:24]
        'Train a coupling flow, a'
    """
    size = _QUICK if quick else _FULL
    law, plane, every = MoonsLaw(), Plane(size.cell), kinds(quick=quick)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        test = law.sample(size.test)
        flows = [trained(kind, law) for kind in every]
        samples = {each.name: each.flow().sample((size.samples,)) for each in flows}
    exact = measured(law.log_prob, law, test, plane)
    found = {each.name: measured(each.flow.log_prob, law, test, plane) for each in flows}
    normal = measured(gaussian(law.sample(100_000, generator=_generator(seed))), law, test, plane)
    return Result(
        title="The two half-moons",
        lead=_lead(every, exact, size),
        numbers=_numbers(found, flows, exact, normal, test),
        statements=[
            _exact(exact),
            *_learned(found, normal, size),
            *_normalised(found),
            *_connected(found, exact),
            *_sampled(found, samples, law),
            _integrated(flows, test),
        ],
        figures={
            draw_densities(found, samples, test, plane, out / "densities.png"): (
                "Data, learned density and samples, for each of the flows (Figure 2)."
            ),
            draw_bridge(found, exact, flows, law, out / "between.png"): (
                "The region between the moons: farther than 3σ from both arcs, in their smallest "
                "box; the densities along the dashed segment; and the training losses."
            ),
        },
    )


def _generator(seed: int) -> torch.Generator:
    """Return random numbers for points that nobody else sees."""
    return torch.Generator().manual_seed(seed + 1)


def _lead(every: Sequence[Kind], exact: Measured, size: Size) -> str:
    """Return what is shown and how it was shortened."""
    residual = next(kind for kind in every if "Residual" in kind.name)
    return _LEAD.format(
        seen=f"{max(kind.steps for kind in every) * BATCH:,}".replace(",", " "),
        best=exact.nll,
        test=size.test,
        shortened=f"here it has {residual.words} and learns for {residual.steps} steps.",
        rate=residual.rate,
    )


def _numbers(
    found: Mapping[str, Measured],
    flows: Sequence[Trained],
    exact: Measured,
    normal: Measured,
    test: Tensor,
) -> dict[str, float]:
    """Return what was measured."""
    numbers = {
        "exact density: test nll in nats": exact.nll,
        "exact density: mass between the moons": exact.between,
        "normal law: test nll in nats": normal.nll,
        "normal law: mass between the moons": normal.between,
    }
    for each in flows:
        its = found[each.name]
        values = {
            "test nll in nats": its.nll,
            "gap to the exact density in nats": its.gap,
            "standard error of the gap": its.gap_error,
            "integral over the plane": its.integral,
            "mass between the moons": its.between,
            "smallest density on the segment": float(its.segment.exp().min()),
            "parameters": each.parameters,
            "steps": len(each.losses),
            "processor seconds of training": each.seconds,
        }
        numbers |= {f"{each.name}: {what}": value for what, value in values.items()}
    coarse = next(each for each in flows if each.coarse is not None)
    assert coarse.coarse is not None
    with torch.no_grad():
        nll = float(coarse.coarse.negative_log_likelihood(test))
    return {**numbers, f"{coarse.name}: test nll with the steps of training": nll}


def _exact(exact: Measured) -> Statement:
    """Return whether the yardstick is one."""
    error = abs(exact.integral - 1)
    text = "the exact density integrates to 1 up to 1e-5"
    return Statement(text, f"off by {error:.1e}", holds=error <= 1e-5)


def _learned(found: Mapping[str, Measured], normal: Measured, size: Size) -> list[Statement]:
    """Return whether flows are much better than a normal law, and nearly as good as the truth."""
    statements = []
    for name, its in found.items():
        lead = normal.nll - its.nll
        measured_gap = f"{its.nll:.4f} nats, gap {its.gap:.4f} ± {its.gap_error:.4f}"
        statements += [
            Statement(
                f"{name}: at least {size.margin:g} nats better than a normal law",
                f"{its.nll:.3f} against {normal.nll:.3f} nats",
                holds=lead >= size.margin,
            ),
            # nothing beats the truth by more than chance: what does is no density
            Statement(
                f"{name}: within {size.gap:g} nats of the exact density, and not below it",
                measured_gap,
                holds=-4 * its.gap_error <= its.gap <= size.gap,
            ),
        ]
    return statements


def _normalised(found: Mapping[str, Measured]) -> list[Statement]:
    """Return whether the integrals are 1."""
    return [
        Statement(
            f"{name}: the density integrates to 1 up to 1 %",
            f"{its.integral:.4f}",
            holds=abs(its.integral - 1) <= 0.01,
        )
        for name, its in found.items()
    ]


def _connected(found: Mapping[str, Measured], exact: Measured) -> list[Statement]:
    """Return whether there is a bridge between the moons, and a thin one."""
    statements = []
    for name, its in found.items():
        low = float(its.segment.min())
        statements += [
            Statement(
                f"{name}: density on the segment between the moons is positive",
                f"at least {math.exp(low):.1e}; exact {float(exact.segment.exp().min()):.1e}",
                holds=math.isfinite(low) and bool(its.segment.isfinite().all()),
            ),
            Statement(
                f"{name}: mass between the moons under 5 %",
                f"{its.between:.2%}; exact {exact.between:.2%}",
                holds=its.between < 0.05,
            ),
        ]
    return statements


def _sampled(
    found: Mapping[str, Measured], samples: Mapping[str, Tensor], law: MoonsLaw
) -> list[Statement]:
    """Return whether samples fall between the moons as often as the density says."""
    statements = []
    for name, its in found.items():
        share = float(law.between(samples[name]).double().mean())
        error = math.sqrt(its.between * (1 - its.between) / len(samples[name]))
        statements.append(
            Statement(
                f"{name}: samples lie between the moons as often as the density says",
                f"{share:.2%} ± {error:.2%} against {its.between:.2%}",
                holds=abs(share - its.between) <= 4 * error + 1e-3,
            )
        )
    return statements


def _integrated(flows: Sequence[Trained], test: Tensor) -> Statement:
    """Return whether the steps of the continuous flow are small enough to speak of its density."""
    flow = next(each.flow for each in flows if each.name == CONTINUOUS)
    assert isinstance(flow.bijection, ContinuousFlow)
    error = float(flow.bijection.discretisation_error(test).log_det.mean())
    return Statement(
        f"{CONTINUOUS}: twice as many steps change log-determinants by less than 1e-3 on average",
        f"{error:.1e}",
        holds=error < 1e-3,
    )
