"""Spline couplings against nflows, normflows and zuko: a training step, and sampling."""

from __future__ import annotations

import gc

import pytest
import torch
from interleaved import medians

pytest.importorskip("nflows")
pytest.importorskip("normflows")
pytest.importorskip("zuko")

from splines import constant, darboux_flow, log_prob, peer_flow, sample, zuko_flow

FEATURES, LAYERS, HIDDEN, ROUNDS = 16, 8, 64, 25
FASTER = 2.0  # times than both, also in sampling
BEST, COMPILED = 3.0, 1.5  # times than all peers in a training step; compiled than eager

# parameters are copied, how the peers would draw them does not matter
pytestmark = pytest.mark.filterwarnings("ignore:Inputs to the softmax are not scaled down")


@pytest.fixture(autouse=True)
def _no_garbage():
    """Keep the collector from walking through what importing libraries left behind."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def flows():
    """The same flow three times."""
    torch.manual_seed(0)
    flow = darboux_flow(FEATURES, LAYERS, HIDDEN)
    return {
        "darboux": flow,
        "nflows": peer_flow(flow, "nflows"),
        "normflows": peer_flow(flow, "normflows"),
    }


def training_step(flow, x, *, ours):
    """Return the loss, with the gradients of the first layer's first weight."""
    for parameter in flow.parameters():
        parameter.grad = None
    loss = -log_prob(flow, x, ours=ours).mean()
    loss.backward()
    return loss.detach(), next(flow.parameters()).grad


def compare(benchmark, goals, what, steps):
    """Check that all agree, measure them in turns, and require what was promised."""
    expected = steps["darboux"]()
    for name, step in steps.items():
        agree(name, step(), expected)
    times = medians(steps, rounds=ROUNDS)
    ratios = {name: times[name] / times["darboux"] for name in ("nflows", "normflows")}
    benchmark.extra_info.update(times, **{f"{name} / darboux": r for name, r in ratios.items()})
    benchmark.pedantic(steps["darboux"], rounds=3)
    ours = times["darboux"]
    goals(
        *(
            (f"{name} / spline coupling, {what}", ratios[name], ">=", FASTER, ours, times[name])
            for name in ratios
        )
    )


def agree(name, found, expected, *, tolerance=1e-4):
    """Check that results are the same."""
    for one, other in zip(found, expected, strict=True):
        error = float((one - other).norm() / other.norm())
        assert error <= tolerance, f"{name}: results differ by {error:.2g}"


@pytest.mark.parametrize("batch", [512, 4096])
def test_training_step(benchmark, goals, batch):
    x = torch.randn(batch, FEATURES)
    compare(
        benchmark,
        goals,
        f"training, batch {batch}",
        {
            name: lambda flow=flow, name=name: training_step(flow, x, ours=name == "darboux")
            for name, flow in flows().items()
        },
    )


@pytest.mark.parametrize("batch", [512, 4096])
def test_sampling(benchmark, goals, batch):
    x = torch.randn(batch, FEATURES)
    compare(
        benchmark,
        goals,
        f"sampling, batch {batch}",
        {name: lambda flow=flow: (sample(flow, x),) for name, flow in flows().items()},
    )


def test_against_the_best_peer(benchmark, goals):
    x = torch.randn(1000, FEATURES)
    modules = flows()
    ours = constant(darboux_flow(FEATURES, LAYERS, HIDDEN))
    modules["zuko"] = zuko_flow(ours)
    agree("zuko", slopes(modules["zuko"], x), slopes(ours, x))
    steps = {
        name: lambda flow=flow, name=name: training_step(flow, x, ours=name == "darboux")
        for name, flow in modules.items()
    }
    times = medians(steps, rounds=ROUNDS)
    ratios = {name: times[name] / times["darboux"] for name in times if name != "darboux"}
    benchmark.extra_info.update(times, **{f"{name} / darboux": r for name, r in ratios.items()})
    benchmark.pedantic(steps["darboux"], rounds=3)
    best = min(ratios, key=ratios.__getitem__)
    what = f"the best peer ({best}) / spline coupling, batch 1000"
    goals((what, ratios[best], ">=", BEST, times["darboux"], times[best]))


def slopes(flow, x):
    """Return log-densities and their gradients, in float64: at knots gradients jump."""
    x = x.double().requires_grad_()
    density = log_prob(flow.double(), x, ours=hasattr(flow[0], "law"))
    (slope,) = torch.autograd.grad(density.sum(), x)
    flow.float()
    return density.detach(), slope


def test_compiled(benchmark, goals):
    x, flow = torch.randn(1000, FEATURES), flows()["darboux"]
    compiled = torch.compile(lambda x: -log_prob(flow, x, ours=True).mean(), fullgraph=True)

    def step():
        for parameter in flow.parameters():
            parameter.grad = None
        loss = compiled(x)
        loss.backward()
        return loss.detach(), next(flow.parameters()).grad

    steps = {"eager": lambda: training_step(flow, x, ours=True), "compiled": step}
    # where rounding takes an entry across a knot, its gradient jumps
    agree("compiled", step(), steps["eager"](), tolerance=1e-3)
    times = medians(steps, rounds=ROUNDS)
    benchmark.extra_info.update(times)
    benchmark.pedantic(step, rounds=3)
    ratio = times["eager"] / times["compiled"]
    what = "spline coupling, eager / compiled, batch 1000"
    goals((what, ratio, ">=", COMPILED, times["compiled"], times["eager"]))
