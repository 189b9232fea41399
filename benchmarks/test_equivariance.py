"""What equivariance costs: against plain convolutions, against escnn, frozen, at construction."""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from interleaved import medians
from steerable import FIELDS, image, ours, peer, plain, training_step

import darboux as dx

SHAPES = [(8, 32), (4, 60)]
BLOCKS = [
    ("C8 regular", "relu"),
    ("C8 regular", "norm"),
    ("SO(2), orders 0 and 1", "norm"),
    ("SO(2), order 1", "norm"),
]
has_escnn = importlib.util.find_spec("escnn") is not None


@pytest.mark.parametrize(("batch", "size"), SHAPES)
@pytest.mark.parametrize(("fields", "nonlinearity"), BLOCKS)
def test_training_step(benchmark, goals, fields, nonlinearity, batch, size):
    """At most 1.25 times the plain convolution and ReLU, and faster than escnn."""
    torch.manual_seed(0)
    x, block, reference = image(batch, size), ours(fields, nonlinearity, 3), plain(3)
    steps = {
        "plain": lambda: training_step(reference, list(reference.parameters()), x),
        "darboux": lambda: training_step(block, list(block.parameters()), x),
    }
    if has_escnn:
        function, parameters = peer(fields, nonlinearity, 3)
        steps["escnn"] = lambda: training_step(function, parameters, x)
    times = medians(steps, rounds=11)
    ratios = {f"{name} / plain": times[name] / times["plain"] for name in steps}
    benchmark.extra_info.update(times, **ratios)
    benchmark.pedantic(steps["darboux"], rounds=3)
    what = f"{fields}, {nonlinearity}, {batch} images"
    took = times["darboux"]
    rows = [(f"{what} / plain", ratios["darboux / plain"], "<=", 1.10, took, times["plain"])]
    if has_escnn:
        ratio = times["escnn"] / took
        rows.append((f"escnn / {what}", ratio, ">=", 1.0, took, times["escnn"]))
    goals(*rows)


@pytest.mark.parametrize(("fields", "nonlinearity"), BLOCKS)
def test_frozen(benchmark, goals, fields, nonlinearity):
    """What the plain convolution and ReLU take; with ReLU the layers are the same ones."""
    torch.manual_seed(0)
    x = image(8, 32).detach()
    frozen, reference = dx.freeze(ours(fields, nonlinearity, 3)), plain(3).eval()
    with torch.no_grad():
        calls = {"plain": lambda: reference(x), "darboux": lambda: frozen(x)}
        times = medians(calls, rounds=41)
        benchmark.extra_info.update(times, ratio=times["darboux"] / times["plain"])
        benchmark.pedantic(calls["darboux"], rounds=3)
    goal = 1.05 if nonlinearity == "relu" else 1.0
    what, ratio = f"frozen {fields}, {nonlinearity} / plain", times["darboux"] / times["plain"]
    goals((what, ratio, "<=", goal, times["darboux"], times["plain"]))


FRESH = """
import sys, time
sys.path.insert(0, sys.argv[1])
from steerable import {maker}
start = time.perf_counter()
{maker}(sys.argv[2], "norm", int(sys.argv[3]))
print(time.perf_counter() - start)
"""


def seconds(maker, fields, kernel):
    """Return the time that construction takes in a new process, with nothing in the caches."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-W", "ignore", "-c", FRESH.format(maker=maker), here]
    run = subprocess.run([*command, fields, str(kernel)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return float(run.stdout)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("kernel", [3, 5])
def test_construction(benchmark, goals, fields, kernel):
    """Under one second for 128 channels, the first time in a process."""
    times = [seconds("ours", fields, kernel) for _ in range(3)]
    benchmark.extra_info["seconds"] = times
    if has_escnn:
        benchmark.extra_info["escnn"] = seconds("peer", fields, kernel)
    benchmark.pedantic(lambda: ours(fields, "norm", kernel), rounds=2)
    what = f"construct {fields}, kernel {kernel}, seconds"
    median = statistics.median(times)
    goals((what, median, "<=", 1.0, median, benchmark.extra_info.get("escnn")))
