"""What costs time and need not: construction, sampling, evaluation without freezing, stages."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time

import pytest
import torch
from interleaved import medians
from torch import nn

import darboux as dx
from darboux.symmetry._representations.clebsch_gordan import clebsch_gordan

DENSITIES = {
    "continuous flow": lambda: dx.density.NormalizingFlow(
        dx.density.ContinuousFlow(dx.density.TimeConditionedField(_network(17, 16)), shape=16),
        dx.density.StandardNormal(16),
    ),
    "residual flow": lambda: dx.models.residual_flow(16, blocks=8),
    "coupling flow": lambda: dx.models.coupling_flow(16),
}
CONSTRUCTED = {
    "iunet in 3-D, 32 channels": lambda: dx.models.iunet(
        1, 1, spatial_dims=3, channels=32, depth=(2, 2, 2, 2)
    ),
    "flow of 16 norm fields, 256 channels": lambda: dx.Flow(
        [_norm_field(256) for _ in range(16)],
        dx.integrators.Euler(),
        steps=dx.ContractiveSteps(),
    ),
}
STEPS = 20


def _network(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 64), nn.ELU(), nn.Linear(64, outputs))


def _norm_field(channels):
    conv = dx.linear.Conv(channels, channels, kernel_size=3, dim=2)
    return dx.fields.GradientField(conv, dx.activations.ReLU(), metric="norm")


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_construction(benchmark, goals, name):
    CONSTRUCTED[name]()  # imports
    start = time.perf_counter()
    benchmark.pedantic(CONSTRUCTED[name], rounds=1)
    goals((f"construct {name}, seconds", time.perf_counter() - start, "<=", 0.3))


@pytest.mark.parametrize("name", DENSITIES)
def test_sampling_costs_an_inverse(benchmark, goals, name):
    flow, z = DENSITIES[name]().eval(), torch.randn(512, 16)
    with torch.no_grad():
        calls = {
            "inverse": lambda: flow.bijection.inverse(z),
            "sample": lambda: flow().sample((512,)),
        }
        times = medians(calls, rounds=15)
        benchmark.extra_info.update(times)
        benchmark.pedantic(calls["sample"], rounds=3)
    ratio = times["sample"] / times["inverse"]
    what = f"sample {name} / its inverse"
    goals((what, ratio, "<=", 1.15, times["sample"], times["inverse"]))


@pytest.mark.parametrize("size", [32, 96])
@pytest.mark.parametrize("metric", ["rows", "norm"])
def test_evaluation_without_freezing(benchmark, goals, metric, size):
    network = dx.models.denoiser(metric=metric).eval()
    frozen, x = dx.freeze(network), torch.rand(1, 1, size, size)
    with torch.no_grad():
        calls = {"frozen": lambda: frozen(x), "not": lambda: network(x)}
        times = medians(calls, rounds=41)
        benchmark.extra_info.update(times)
        benchmark.pedantic(calls["not"], rounds=3)
    what = f"evaluate {metric} / frozen, {size} x {size}"
    ratio = times["not"] / times["frozen"]
    goals((what, ratio, "<=", 1.05, times["not"], times["frozen"]))


def by_hand(field, z, method):
    """Return the flow of an antisymmetric field as one would write it with torch alone."""
    weight = field.map.map.weight
    matrix = (weight - weight.T - field.damping * torch.eye(len(weight))).T
    h = 1 / STEPS

    def f(z):
        return torch.tanh(torch.addmm(field.bias, z, matrix))

    for _ in range(STEPS):
        if method == "Euler":
            z = torch.add(z, f(z), alpha=h)
        else:
            k1 = f(z)
            k2 = f(torch.add(z, k1, alpha=h / 2))
            k3 = f(torch.add(z, k2, alpha=h / 2))
            k4 = f(torch.add(z, k3, alpha=h))
            z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return z


@pytest.mark.parametrize("method", ["Euler", "Kutta4"])
@pytest.mark.parametrize("width", [2, 128])
def test_antisymmetric_field(benchmark, goals, width, method):
    map = dx.linear.Dense(width, width)
    field = dx.fields.AntisymmetricField(map, dx.activations.Tanh(), damping=0.1)
    integrator = getattr(dx.integrators, method)()
    flow, x = dx.Flow(field, integrator, steps=STEPS, horizon=1.0), torch.randn(500, width)
    torch.testing.assert_close(flow(x), by_hand(field, x, method))

    def step(run):
        for parameter in flow.parameters():
            parameter.grad = None
        run(x).square().mean().backward()

    steps = {
        "by hand": lambda: step(lambda x: by_hand(field, x, method)),
        "flow": lambda: step(flow),
    }
    times = medians(steps, rounds=25)
    benchmark.extra_info.update(times)
    benchmark.pedantic(steps["flow"], rounds=3)
    what = f"antisymmetric flow, width {width}, {method} / by hand"
    ratio = times["flow"] / times["by hand"]
    goals((what, ratio, "<=", 1.2, times["flow"], times["by hand"]))


def test_clebsch_gordan(benchmark, goals):
    """All coefficients of degrees up to 6, beside those of e3nn, computed anew."""
    wigner = importlib.import_module("e3nn.o3._wigner")
    triples = [
        (a, b, c) for a in range(7) for b in range(7) for c in range(abs(a - b), min(a + b, 6) + 1)
    ]

    def ours():
        return [clebsch_gordan(*triple) for triple in triples]

    def theirs():
        wigner._so3_clebsch_gordan.cache_clear()
        wigner._su2_clebsch_gordan.cache_clear()
        return [wigner.wigner_3j(*triple, dtype=torch.float64) for triple in triples]

    # columns of length 1 here, all entries together of length 1 there, and a sign for each triple
    for one, other in zip(ours(), theirs(), strict=True):
        scaled = one.reshape(other.shape) / one.shape[1] ** 0.5
        scaled = scaled * (scaled * other).sum().sign()
        torch.testing.assert_close(scaled, other, rtol=0, atol=1e-14)
    times = medians({"darboux": ours, "e3nn": theirs}, rounds=3)
    benchmark.extra_info.update(times)
    benchmark.pedantic(ours, rounds=1)
    took, what = times["darboux"], "Clebsch-Gordan coefficients, degrees up to 6"
    goals(
        (f"{what}, seconds", took, "<=", 1.0, took, times["e3nn"]),
        (f"{what} / e3nn", took / times["e3nn"], "<=", 1.0, took, times["e3nn"]),
    )


def test_help(benchmark, goals):
    """The command line shows its help without torch."""
    command = [sys.executable, "-m", "darboux", "--help"]

    def run():
        subprocess.run(command, check=True, capture_output=True)

    run()
    start = time.perf_counter()
    benchmark.pedantic(run, rounds=1)
    goals(("darboux --help, seconds", time.perf_counter() - start, "<=", 1.2))


def test_certificate_of_a_trained_network(benchmark, goals):
    """The demo's denoiser: a normal certificate against its 600 training steps."""
    network, x = dx.models.denoiser(), torch.rand(8, 1, 48, 48)
    optimizer = torch.optim.Adam(network.parameters())

    def step():
        optimizer.zero_grad()
        (network(x) - x).square().mean().backward()
        optimizer.step()

    example = torch.rand(2, 1, 64, 64)
    step_time = medians({"step": step}, rounds=15)["step"]
    start = time.perf_counter()
    benchmark.pedantic(lambda: dx.certify(network, example), rounds=1)
    took, training = time.perf_counter() - start, 600 * step_time
    what = "certificate of the demo's denoiser / its training"
    goals((what, took / training, "<=", 0.1, took, training))
