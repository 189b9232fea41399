"""The two half-moons (Figure 2): three normalising flows beside the exact density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from reproductions.common.result import Result
from reproductions.half_moons.law import Law
from reproductions.half_moons.measures import Measured, Plane, gaussian, measured, way
from reproductions.half_moons.networks import BATCH, RESIDUAL, Kind, Trained, kinds, trained
from reproductions.half_moons.pictures import draw_bridge, draw_densities
from reproductions.half_moons.statements import Size, integrated, statements

_LEAD = (
    "Three flows learn the two half-moons by maximum likelihood, each from {seen} fresh points "
    "at most. The density of the points is known as an integral over the two arcs, so that the "
    "best possible negative log-likelihood is known as well: {best:.4f} nats on the {test} test "
    "points. A gap is what a flow needs beyond that. The Residual Flow of the reference has "
    "100 blocks of 2-128-128-128-128-2 and learns for 50 000 steps of 500 points; {shortened} "
    "Its other settings are those of the reference: Lipschitz constants below 0.9, LipSwish, "
    "Adam with weight decay 1e-5, batches of 500. The first step size is {rate:g} instead of "
    "1e-3, and lowered twice in the last third. Constants are kept by row scaling instead of "
    "power iterations, and log-determinants are exact. The continuous flow learns with {steps} of "
    "a method of order 4, with energies in its loss that keep it easy to integrate, and is judged "
    "with four times as many steps: where steps are too large, a flow learns to profit from "
    "their error, and what it calls a density is none."
)


_FULL = Size(test=10_000, samples=10_000, cell=0.03125, gap=0.06, margin=0.7, mass=0.05)
_QUICK = Size(test=4_000, samples=4_000, cell=0.0625, gap=0.3, margin=0.5, mass=0.1)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train a coupling flow, a Residual Flow and a continuous one, and measure their densities.

    Source: section 4.2.3, Figure 2; Chen et al. 2019, Residual Flows.
    """
    size = _QUICK if quick else _FULL
    law, plane, every = Law(), Plane(size.cell), kinds(quick=quick)
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
        tracks={
            f"{each.name}: from data to noise": way(each.flow, law, test[:200])
            for each in flows
            if each.name == RESIDUAL
        },
        costs={f"{each.name}: processor seconds of training": each.seconds for each in flows},
        statements=[
            *statements(found, samples, exact=exact, normal=normal, size=size, law=law),
            integrated(flows, test),
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
        steps=every[-1].words,
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
        }
        numbers |= {f"{each.name}: {what}": value for what, value in values.items()}
    coarse = next(each for each in flows if each.coarse is not None)
    assert coarse.coarse is not None
    with torch.no_grad():
        nll = float(coarse.coarse.negative_log_likelihood(test))
    return {**numbers, f"{coarse.name}: test nll with the steps of training": nll}
