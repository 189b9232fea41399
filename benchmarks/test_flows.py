"""Fixed-step flows, forward and backward, against torchdiffeq and diffrax."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch
from interleaved import medians
from torch import nn

import darboux as dx

pytest.importorskip("torchdiffeq")
diffrax = pytest.importorskip("diffrax")

from peers import TABLEAUS, TorchdiffeqFlow, darboux_flow, diffrax_step  # noqa: E402

BATCH, ROUNDS, REPEATS = 500, 40, 5
EAGER, COMPILED = 1.3, 2.0  # how many times faster than torchdiffeq, at width 16
DIFFRAX = {16: 1.5, 64: 1.0, 128: 1.0}  # time compiled over that of diffrax under jit
# Compiling takes a minute each. Wider flows of other methods are farther from their limits.
CASES = [*((method, 16) for method in TABLEAUS), ("euler", 64), ("euler", 128)]
# The kernels are called from C++, without checks of their sizes: at width 16 that counts.
OPTIONS = {"cpp_wrapper": True, "size_asserts": False}
# Sums over the batch then read what they add up, instead of evaluating it again. Steps of more
# stages are fast without, and take much longer to compile with it.
STORED = {"realize_opcount_threshold": 8}


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


def compiled_gradients(
    flow: dx.Flow, x: torch.Tensor, options: dict[str, int | bool]
) -> Callable[[], list[torch.Tensor]]:
    """Return a step that makes loss and gradients in one graph, as the peer's is compiled."""
    parameters = {name: parameter.detach() for name, parameter in flow.named_parameters()}

    def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(flow, parameters, (x,)).square().mean()

    step = torch.compile(torch.func.grad_and_value(loss), fullgraph=True, options=options)
    return lambda: sorted(step(parameters, x)[0].values(), key=torch.Tensor.dim, reverse=True)


@pytest.mark.parametrize(("method", "width"), CASES)
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
    goals(*(_row(n, method, width, times, limits[n]) for n in limits))


def _row(name, method, width, times, limit):
    """Return a row with the times of both sides: "one / other"."""
    sides = {**times, "diffrax": min(times["diffrax"], times["diffrax direct"])}
    above, below = (sides[side] for side in name.split(" / "))
    ours = (below, above) if name.startswith("torchdiffeq") else (above, below)
    return f"{name}, {method}, width {width}", above / below, *limit, *ours


@pytest.mark.parametrize(
    ("method", "width", "steps", "batch", "goal"),
    [("euler", 2, 20, 500, 1.0), ("rk4", 2, 20, 500, 1.0), ("euler", 64, 50, 1000, 0.9)],
)
def test_narrow_and_deep_flows(benchmark, goals, method, width, steps, batch, goal):
    x, flow = torch.randn(batch, width), darboux_flow(method, width, steps)
    compiled = torch.compile(flow, fullgraph=True, options=OPTIONS)
    options = OPTIONS | STORED if method == "euler" else OPTIONS
    functions = {
        "eager": lambda: training_step(flow, x),
        "compiled": lambda: training_step(compiled, x),
        "compiled gradients": compiled_gradients(flow, x, options),
        "diffrax": diffrax_step(method, flow, x, diffrax.RecursiveCheckpointAdjoint()),
        "diffrax direct": diffrax_step(method, flow, x, diffrax.DirectAdjoint()),
    }
    agree(functions)
    times = medians({name: repeated(f) for name, f in functions.items()}, rounds=ROUNDS)
    benchmark.extra_info.update({name: time / REPEATS for name, time in times.items()})
    benchmark.pedantic(functions["compiled gradients"], rounds=5)
    ours = min(times["eager"], times["compiled"], times["compiled gradients"])
    peer = min(times["diffrax"], times["diffrax direct"])
    what = f"flow / diffrax, {method}, width {width}, {steps} steps"
    goals((what, ours / peer, "<=", goal, ours / REPEATS, peer / REPEATS))


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
