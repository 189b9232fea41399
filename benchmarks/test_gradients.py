"""The ways to a gradient of a flow: memory, time, and the adjoints of torchdiffeq and diffrax."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from flows import BATCH, CHANNELS, SIDE, step
from interleaved import medians

import darboux as dx

HERE = Path(__file__).parent
WAYS = {
    "euler": ("autograd", "adjoint", "checkpoint", "4", "continuous"),
    "heun": ("autograd", "adjoint", "checkpoint", "4", "continuous"),
    "kutta4": ("autograd", "adjoint", "checkpoint", "4", "continuous"),
    "verlet": ("autograd", "adjoint", "checkpoint", "4", "reversible"),
}
MEMORY = {"euler": 0.6, "heun": 0.4, "kutta4": 0.4, "verlet": 0.4}  # of "adjoint" over autograd's
TIME = 1.5


def peak(way: str, method: str, steps: int) -> int:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, HERE / "peak_flow.py", way, method, str(steps)]
    return int(subprocess.check_output(command, text=True, env=environment, cwd=HERE))


@pytest.mark.parametrize("steps", [16, 64, 256, 1024])
@pytest.mark.parametrize("method", WAYS)
def test_memory(benchmark, goals, method, steps):
    if method in ("kutta4", "verlet") and steps == 1024:
        pytest.skip("autograd needs more memory than a small machine has")
    # the other ways have no goal, and take minutes on long flows
    ways = WAYS[method] if steps <= 64 else ("autograd", "adjoint")
    peaks = {way: peak(way, method, steps) for way in ways}
    benchmark.extra_info.update(peaks)
    benchmark.pedantic(lambda: None, rounds=1)
    ratio = peaks["adjoint"] / peaks["autograd"]
    goals((f"flow, {method}, K = {steps}, adjoint, memory", ratio, "<=", MEMORY[method]))


@pytest.mark.parametrize("method", WAYS)
def test_time(benchmark, goals, method):
    torch.set_num_threads(1)
    times = medians({way: step(way, method, 64)[0] for way in WAYS[method]}, rounds=5)
    benchmark.extra_info.update(times)
    benchmark.pedantic(lambda: None, rounds=1)
    ratio = times["adjoint"] / times["autograd"]
    what = f"flow, {method}, adjoint / autograd, time"
    goals((what, ratio, "<=", TIME, times["adjoint"], times["autograd"]))


class Field(torch.nn.Module):
    """tanh(K z + b), as torchdiffeq wants it."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, t, y):
        return self.conv(y).tanh()


def training(f, solve, z):
    """Return a training step of y(1) without its update."""

    def run():
        f.zero_grad()
        solve(f, z).square().mean().backward()
        return [p.grad.clone() for p in f.parameters()]

    return run


def test_torchdiffeq(benchmark, goals):
    theirs = pytest.importorskip("torchdiffeq").odeint_adjoint
    torch.set_num_threads(1)
    torch.manual_seed(0)
    f, z, times = Field(), torch.randn(BATCH, CHANNELS, SIDE, SIDE), torch.tensor([0.0, 1.0])
    tight = {"rtol": 1e-7, "atol": 1e-7}
    exact = training(f, lambda f, y: dx.odeint(f, y, times, **tight)[-1], z)()
    runs = {
        name: training(f, lambda f, y, s=solve: s(f, y, times, rtol=1e-4, atol=1e-4)[-1], z)
        for name, solve in (("ours", dx.odeint_adjoint), ("torchdiffeq", theirs))
    }
    errors = {
        name: sum(float((g - e).norm() / e.norm()) for g, e in zip(run(), exact, strict=True))
        for name, run in runs.items()
    }
    found = medians(runs, rounds=5)
    benchmark.extra_info.update(found, **{f"error, {k}": v for k, v in errors.items()})
    benchmark.pedantic(lambda: None, rounds=1)
    ratio = found["torchdiffeq"] / found["ours"]
    goals(
        ("odeint_adjoint, error / torchdiffeq", errors["ours"] / errors["torchdiffeq"], "<=", 1.5),
        ("torchdiffeq / odeint_adjoint", ratio, ">=", 1.0, found["ours"], found["torchdiffeq"]),
    )


def test_diffrax(benchmark, goals):
    diffrax, jax = pytest.importorskip("diffrax"), pytest.importorskip("jax")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    f, z, steps = Field(), torch.randn(BATCH, CHANNELS, SIDE, SIDE), 8
    weights = [jax.numpy.array(p.detach().numpy()) for p in f.parameters()]

    def slope(t, y, parameters):
        kernel, bias = parameters
        axes = ("NCHW", "OIHW", "NCHW")
        y = jax.lax.conv_general_dilated(y, kernel, (1, 1), "SAME", dimension_numbers=axes)
        return jax.numpy.tanh(y + bias[None, :, None, None])

    def loss(parameters, y):
        term, solver = diffrax.ODETerm(slope), diffrax.Euler()
        adjoint = diffrax.RecursiveCheckpointAdjoint()
        given = {"args": parameters, "adjoint": adjoint, "max_steps": steps + 1}
        found = diffrax.diffeqsolve(term, solver, 0.0, 1.0, 1 / steps, y, **given)
        return (found.ys[-1] ** 2).mean()

    gradient, start = jax.jit(jax.grad(loss)), jax.numpy.array(z.numpy())

    def ours(f, y):
        return dx.odeint_adjoint(f, y, [0.0, 1.0], method="euler", step_size=1 / steps)[-1]

    runs = {
        "ours": training(f, ours, z),
        "diffrax": lambda: jax.block_until_ready(gradient(weights, start)),
    }
    for mine, other in zip(runs["ours"](), runs["diffrax"](), strict=True):
        torch.testing.assert_close(mine, torch.tensor(other.tolist()), rtol=1e-3, atol=1e-5)
    found = medians(runs, rounds=3)
    benchmark.extra_info.update(found)
    benchmark.pedantic(lambda: None, rounds=1)
    ratio = found["diffrax"] / found["ours"]
    goals(("diffrax / odeint_adjoint", ratio, ">=", 1.0, found["ours"], found["diffrax"]))
