"""Spline couplings against nflows and normflows: a training step, and sampling."""

from __future__ import annotations

import gc

import pytest
import torch
from interleaved import medians

pytest.importorskip("nflows")
pytest.importorskip("normflows")

from splines import darboux_flow, log_prob, peer_flow, sample

FEATURES, LAYERS, HIDDEN, ROUNDS = 16, 8, 64, 25
FASTER = 2.0  # times than both, also in sampling

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
        for one, other in zip(step(), expected, strict=True):
            error = float((one - other).norm() / other.norm())
            assert error <= 1e-4, f"{name}: results differ by {error:.2g}"
    times = medians(steps, rounds=ROUNDS)
    ratios = {name: times[name] / times["darboux"] for name in ("nflows", "normflows")}
    benchmark.extra_info.update(times, **{f"{name} / darboux": r for name, r in ratios.items()})
    benchmark.pedantic(steps["darboux"], rounds=3)
    goals(*((f"{name} / spline coupling, {what}", ratios[name], ">=", FASTER) for name in ratios))


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
