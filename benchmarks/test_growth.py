"""How time and memory grow with width, depth, pixels and kernel size: slopes in log-log plots."""

from __future__ import annotations

import pytest
import torch
from conftest import RESULTS
from couplings import chain, networks, step
from growth import Curve, draw, measured, slope
from torch import nn

import darboux as dx

CURVES: list[Curve] = []


@pytest.fixture(scope="module", autouse=True)
def picture():
    """Draw all curves that were measured."""
    yield
    draw(CURVES, RESULTS.parent / "growth.png")


def curve(*args, **options):
    torch.manual_seed(0)
    found = measured(*args, **options)
    CURVES.append(found)
    return found


def exponent(found, of="seconds"):
    return slope(found.sizes, getattr(found, of))


def bound(channels=32, kernel_size=3, dim=2):
    conv = dx.linear.Conv(channels, channels, kernel_size=kernel_size, dim=dim)
    return lambda: conv.norm_bound()


NORMS = {
    # sizes, and the exponents of time that the proof has: a factorisation of n x n matrices, at
    # frequencies whose number grows with (kernel_size - 1)^dim
    "channels": (lambda n: bound(channels=n), (32, 64, 128, 256), 3.0),
    "kernel size - 1": (lambda n: bound(kernel_size=n + 1), (2, 4, 6, 8), 2.2),
}


@pytest.mark.parametrize("axis", NORMS)
def test_norm_bounds(benchmark, goals, axis):
    build, sizes, limit = NORMS[axis]
    found = curve("norm bound", axis, build, sizes)
    benchmark.pedantic(lambda: None, rounds=1)
    goals((f"growth, norm bound with {axis}, time", exponent(found), "<=", limit))


def denoiser(width=16, depth=4, **_):
    return dx.models.denoiser(features=width, units=width, depth=depth)


def certify(side=32, **size):
    module, x = denoiser(**size), torch.rand(2, 1, side, side)
    return lambda: dx.certify(module, x, effort="quick")


def training(side=32, **size):
    module, x = denoiser(**size).double(), torch.rand(2, 1, side, side, dtype=torch.float64)
    return lambda: module(x).square().mean().backward()


@pytest.mark.parametrize(
    ("axis", "sizes"),
    [("width", (16, 32, 64)), ("depth", (4, 8, 16)), ("side", (32, 64, 128))],
)
def test_certify(benchmark, goals, axis, sizes):
    ours = curve("certify, quick", axis, lambda n: certify(**{axis: n}), sizes, memory=False)
    module = curve("its forward and backward", axis, lambda n: training(**{axis: n}), sizes)
    benchmark.pedantic(lambda: None, rounds=1)
    more = exponent(ours) - exponent(module)
    goals((f"growth, certify with {axis}: exponent beyond its module's", more, "<=", 0.1))


def chained(depth=16, side=64):
    # features large beside the gradients of the parameters, which grow with the depth
    x, head = torch.randn(16, 16, side, side), nn.Conv2d(16, 16, 1)
    return step(chain(networks(depth, channels=16, hidden=16), "constant"), head, x)


CHAINS = {"depth": ((8, 16, 32, 64), 1.1, 0.05), "side": ((32, 64, 128), 2.1, 2.1)}


@pytest.mark.parametrize("axis", CHAINS)
def test_chains(benchmark, goals, axis):
    sizes, seconds, memory = CHAINS[axis]
    found = curve("chain, constant memory", axis, lambda n: chained(**{axis: n}), sizes)
    benchmark.pedantic(lambda: None, rounds=1)
    goals(
        (f"growth, chain with {axis}, time", exponent(found), "<=", seconds),
        (f"growth, chain with {axis}, memory", exponent(found, "bytes"), "<=", memory),
    )


def flow(width=64, depth=16):
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(width, width), dx.activations.Tanh())
        for _ in range(depth)
    ]
    module, z = dx.Flow(fields, dx.integrators.Kutta4()), torch.randn(256, width)
    return lambda: module(z).square().mean().backward()


@pytest.mark.parametrize(
    ("axis", "sizes", "limit"),
    [("width", (64, 128, 256), 2.0), ("depth", (16, 32, 64), 1.1)],
)
def test_flows(benchmark, goals, axis, sizes, limit):
    found = curve("flow, Kutta4", axis, lambda n: flow(**{axis: n}), sizes)
    benchmark.pedantic(lambda: None, rounds=1)
    goals(
        (f"growth, flow with {axis}, time", exponent(found), "<=", limit),
        (f"growth, flow with {axis}, memory", exponent(found, "bytes"), "<=", 1.1),
    )
