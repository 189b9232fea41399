"""Fixed-step flows, forward and backward, against torchdiffeq and diffrax."""

from __future__ import annotations

import gc

import pytest
import torch
from interleaved import medians
from torch import nn

pytest.importorskip("torchdiffeq")
diffrax = pytest.importorskip("diffrax")

from peers import TABLEAUS, TorchdiffeqFlow, darboux_flow, diffrax_step  # noqa: E402

BATCH, ROUNDS, REPEATS = 500, 40, 5
EAGER, COMPILED = 1.3, 2.0  # how many times faster than torchdiffeq, at width 16
DIFFRAX = {16: 1.5, 64: 1.0, 128: 1.0}  # time compiled over that of diffrax under jit
# The kernels are called from C++, without checks of their sizes: at width 16 that counts.
OPTIONS = {"cpp_wrapper": True, "size_asserts": False}


@pytest.fixture(autouse=True)
def _no_garbage():
    """Keep the collector from walking through what compilers leave behind."""
    torch.compiler.reset()
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def training_step(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Return the gradients of one forward and backward pass, weights first."""
    parameters = sorted(network.parameters(), key=torch.Tensor.dim, reverse=True)
    for parameter in parameters:
        parameter.grad = None
    network(x).square().mean().backward()
    return [parameter.grad for parameter in parameters]


@pytest.mark.parametrize("width", DIFFRAX)
@pytest.mark.parametrize("method", TABLEAUS)
def test_flow_against_peers(benchmark, goals, method, width):
    x, flow = torch.randn(BATCH, width), darboux_flow(method, width)
    peer = TorchdiffeqFlow(method, flow)
    compiled = torch.compile(flow, fullgraph=True, options=OPTIONS)
    steps = {
        "eager": lambda: training_step(flow, x),
        "compiled": lambda: training_step(compiled, x),
        "torchdiffeq": lambda: training_step(peer, x),
        "diffrax": diffrax_step(method, flow, x, diffrax.RecursiveCheckpointAdjoint()),
        "diffrax direct": diffrax_step(method, flow, x, diffrax.DirectAdjoint()),
    }
    agree(steps)
    # a loop repeats one step: several in a row, so that all find their own caches warm
    times = medians({name: repeated(step) for name, step in steps.items()}, rounds=ROUNDS)
    times = {name: time / REPEATS for name, time in times.items()}
    ratios = {
        "torchdiffeq / eager": times["torchdiffeq"] / times["eager"],
        "torchdiffeq / compiled": times["torchdiffeq"] / times["compiled"],
        "compiled / diffrax": times["compiled"] / min(times["diffrax"], times["diffrax direct"]),
    }
    benchmark.extra_info.update(times, **ratios)
    benchmark.pedantic(steps["compiled"], rounds=5)
    limits = {"compiled / diffrax": ("<=", DIFFRAX[width])}
    if width == 16:
        limits |= {"torchdiffeq / eager": (">=", EAGER), "torchdiffeq / compiled": (">=", COMPILED)}
    goals(*((f"{n}, {method}, width {width}", ratios[n], *limits[n]) for n in limits))


@pytest.mark.parametrize(
    ("method", "width", "steps", "batch", "goal"),
    [("euler", 2, 20, 500, 1.0), ("rk4", 2, 20, 500, 1.0), ("euler", 64, 50, 1000, 0.9)],
)
def test_narrow_and_deep_flows(benchmark, goals, method, width, steps, batch, goal):
    x, flow = torch.randn(batch, width), darboux_flow(method, width, steps)
    compiled = torch.compile(flow, fullgraph=True, options=OPTIONS)
    functions = {
        "eager": lambda: training_step(flow, x),
        "compiled": lambda: training_step(compiled, x),
        "diffrax": diffrax_step(method, flow, x, diffrax.RecursiveCheckpointAdjoint()),
        "diffrax direct": diffrax_step(method, flow, x, diffrax.DirectAdjoint()),
    }
    agree(functions)
    times = medians({name: repeated(f) for name, f in functions.items()}, rounds=ROUNDS)
    benchmark.extra_info.update({name: time / REPEATS for name, time in times.items()})
    benchmark.pedantic(functions["compiled"], rounds=5)
    ours = min(times["eager"], times["compiled"])
    ratio = ours / min(times["diffrax"], times["diffrax direct"])
    goals((f"flow / diffrax, {method}, width {width}, {steps} steps", ratio, "<=", goal))


def repeated(step):
    """Return a function that takes the step several times."""

    def run():
        for _ in range(REPEATS):
            step()

    return run


def agree(steps):
    """Check that all compute the same gradients."""
    weights, biases = steps["eager"]()
    for name, step in steps.items():
        found = step()
        if name.startswith("diffrax"):
            found = [torch.tensor(gradient.tolist()) for gradient in found[1]]
        for one, other in zip((weights, biases), found, strict=True):
            error = float((one - other).norm() / one.norm())
            assert error <= 1e-5, f"{name}: gradients differ by {error:.2g}"
