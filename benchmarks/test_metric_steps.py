"""A measurement and a step of K-FAC against the operators of curvlinops: time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from interleaved import medians
from metric_steps import CALLS, NETWORKS, prepared
from torch import nn

import darboux as dx

pytest.importorskip("curvlinops")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_both_solve_the_same_equation():
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 10)), torch.randn(20, 6)
    network, x = network.double(), x.double()
    nn.functional.cross_entropy(network(x), torch.randint(10, (20,))).backward()
    kfac = dx.optim.KFAC(
        *(network, nn.CrossEntropyLoss()),
        lr=1.0,
        momentum=0.0,
        damping=1e-2,
        radius=float("inf"),
    )
    expected = CALLS["curvlinops"](network, x)()
    before = [p.detach().clone() for p in network.parameters()]
    kfac.measure(x)
    kfac.step()
    found = [b - p.detach() for p, b in zip(network.parameters(), before, strict=True)]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_time(benchmark, goals, name):
    network, x = prepared(name)
    calls = {who: build(network, x) for who, build in CALLS.items()}
    times = medians(calls, rounds=7)
    benchmark.extra_info.update(times)
    benchmark.pedantic(calls["darboux"], rounds=1)
    ratio = times["darboux"] / times["curvlinops"]
    what = f"K-FAC, {name}: measure and step / curvlinops"
    goals((what, ratio, "<=", 1.0, times["darboux"], times["curvlinops"]))


@pytest.mark.parametrize("name", NETWORKS)
def test_memory(benchmark, goals, name):
    """Peaks of processes of their own."""
    script = Path(__file__).with_name("metric_steps.py")
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}

    def peak(who):
        run = [sys.executable, str(script), who, name]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    peaks = {who: peak(who) for who in CALLS}
    benchmark.extra_info.update(peaks)
    benchmark.pedantic(lambda: None, rounds=1)
    ratio = peaks["darboux"] / peaks["curvlinops"]
    goals((f"K-FAC, {name}: memory / curvlinops", ratio, "<=", 1.0))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_step_costs(benchmark, name):
    """The parts, beside the gradient: a step after a measurement factorises, others do not."""
    network, x = prepared(name)
    y = torch.randint(10, (len(x),))
    kfac = dx.optim.KFAC(network, nn.CrossEntropyLoss(), lr=1e-9)

    def gradient():
        network.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()

    def renewed():
        kfac.measure(x)
        kfac.step()

    times = medians({"gradient": gradient, "measure and step": renewed}, rounds=5)
    times |= medians({"step": kfac.step}, rounds=5)
    benchmark.extra_info.update(times)
    benchmark.pedantic(kfac.step, rounds=3)
