"""One step of momentum methods on 10⁷ parameters against SGD of torch: time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from interleaved import medians
from momentum import SIZES, optimisers, parameters_of

GOALS = {"heavy ball": 1.1, "Nesterov": 1.1, "relativistic": 1.5, "relativistic, α < 1": 1.5}


@pytest.mark.parametrize("size", SIZES)
def test_a_step(benchmark, goals, size):
    parameters = parameters_of(size)
    calls = {}
    for name, build in optimisers().items():
        calls[name] = build(parameters).step
    times = medians(calls, rounds=25)
    benchmark.extra_info.update(times)
    benchmark.pedantic(calls["heavy ball"], rounds=3)
    sgd = times["SGD"]
    goals(
        *(
            (f"{name}, {size} / SGD", times[name] / sgd, "<=", goal, times[name], sgd)
            for name, goal in GOALS.items()
        )
    )


def test_memory(benchmark, goals):
    """Beyond parameters and gradients, after three steps, in parameters: SGD keeps one buffer."""
    script, used = Path(__file__).with_name("momentum.py"), {}
    for name in optimisers():
        command = [sys.executable, str(script), name, "few"]
        environment = {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        used[name] = float(done.stdout)
    benchmark.extra_info.update(used)
    benchmark.pedantic(lambda: torch.zeros(1), rounds=1)
    goals(*((f"memory of {name}, in parameters", used[name], "<=", 1.1) for name in GOALS))
