"""What the guarantee costs in a training step, and what is left of it after freezing."""

from __future__ import annotations

import pytest
import torch
from interleaved import medians
from torch import nn

import darboux as dx
from darboux.flow import as_float

BATCH, SIZE, DEPTH, FEATURES, UNITS = 8, 32, 8, 32, 48
METRICS = ("rows", "entries", "norm")


def _flow(maps: list[dx.linear.LinearMap], metric: str) -> dx.Flow:
    relu = dx.activations.ReLU()
    fields = [dx.fields.GradientField(each, relu, metric=metric) for each in maps]
    return dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps(fraction=0.9))


def _network(metric: str) -> dx.Flow:
    maps = [
        dx.linear.Conv(FEATURES, UNITS, kernel_size=3, dim=2, padding_mode="zeros")
        for _ in range(DEPTH)
    ]
    return _flow(maps, metric)


def _dense(metric: str) -> dx.Flow:
    return _flow([dx.linear.Dense(512, 1024)], metric)


NETWORKS = {  # network, shape of a batch, limit
    "convolutions": (_network, (BATCH, FEATURES, SIZE, SIZE), 1.10),
    "dense": (_dense, (64, 512), 1.30),
}


class Fixed(dx.fields.VectorField):
    """The same field with its metric computed once: no guarantee after the next update."""

    def __init__(self, field: dx.fields.GradientField, scale: torch.Tensor) -> None:
        super().__init__()
        self.map, self.activation, self.bias = field.map, field.activation, field.bias
        self.register_buffer("scale", scale)

    def forward(self, t: float, z: torch.Tensor) -> torch.Tensor:
        y = self.activation(self.map.affine(z, self.bias))
        return -self.map.scaled_adjoint(y, self.scale)


def _fixed(flow: dx.Flow) -> nn.Sequential:
    """Return the flow with constant scales and constant steps, sharing its parameters."""
    flows = []
    for _, step in flow.maps():
        scale = step.field.scale()
        units = step.field.map.out_features
        scale = torch.ones(units) if scale is None else scale.detach().float()
        field = Fixed(step.field, scale)
        flows.append(dx.Flow([field], dx.integrators.Euler(), horizon=as_float(step.size())))
    return nn.Sequential(*flows)


def _training_step(network: nn.Module, x: torch.Tensor) -> None:
    for parameter in network.parameters():
        parameter.grad = None
    (network(x) - x).square().mean().backward()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("metric", METRICS)
def test_guarantee_cost_of_a_training_step(benchmark, goals, metric, name):
    build, shape, limit = NETWORKS[name]
    flow = build(metric)
    fixed = _fixed(flow)
    x = torch.randn(shape)
    times = medians(
        {
            "guaranteed": lambda: _training_step(flow, x),
            "fixed": lambda: _training_step(fixed, x),
        },
        rounds=30,
    )
    ratio = times["guaranteed"] / times["fixed"]
    benchmark.extra_info.update(times, ratio=ratio, limit=limit)
    benchmark.pedantic(_training_step, (flow, x), rounds=5)
    what = f"training step, {name}, {metric} / fixed metric"
    goals((what, ratio, "<=", limit, times["guaranteed"], times["fixed"]))


class ByHand(nn.Module):
    """The frozen graph, written by hand with torch.nn alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(FEATURES, UNITS, 3, padding=1) for _ in range(DEPTH))
        self.last = nn.ModuleList(
            nn.Conv2d(UNITS, FEATURES, 3, padding=1, bias=False) for _ in range(DEPTH)
        )
        self.relu = nn.ReLU()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        for first, last in zip(self.first, self.last, strict=True):
            z = z + last(self.relu(first(z)))
        return z


@pytest.mark.parametrize("batch", [1, 8])
def test_frozen_network_runs_at_the_speed_of_the_same_graph_by_hand(benchmark, goals, batch):
    frozen = dx.freeze(_network("rows"))
    hand = ByHand().eval().requires_grad_(requires_grad=False)
    x = torch.randn(batch, FEATURES, SIZE, SIZE)
    times = medians({"frozen": lambda: frozen(x), "by hand": lambda: hand(x)}, rounds=60)
    ratio = times["frozen"] / times["by hand"]
    benchmark.extra_info.update(times, ratio=ratio, limit=1.05)
    benchmark.pedantic(frozen, (x,), rounds=5)
    what = f"frozen / by hand, {batch} images"
    goals((what, ratio, "<=", 1.05, times["frozen"], times["by hand"]))
