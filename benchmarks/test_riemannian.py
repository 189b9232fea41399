"""Steps along orthonormal columns against POGO and geoopt: time, and what is left of XᵀX = 1."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from interleaved import medians
from torch import nn

import darboux as dx

geoopt = pytest.importorskip("geoopt")
pogo = pytest.importorskip("pogo")
pogo_base = pytest.importorskip("pogo.base")

SGD = {"momentum": 0.9}
# size, step size, rounds, and the goal; gradients have spectral norms near 1
STEPS = {
    "1024 x 16": (1024, 16, 1e-3, 400, 0.6),
    "512 x 512, small steps": (512, 512, 1e-5, 15, 1.0),
    "512 x 512, transient": (512, 512, 0.05, 15, 1.2),
}


def ours(points, lr, **options):
    groups = [{"params": points, "manifold": dx.manifolds.Stiefel(*points[0].shape[-2:])}]
    return dx.optim.RiemannianSGD(groups, lr=lr, **SGD, **options)


def by_pogo(points, lr):
    return pogo.POGO(points, pogo_base.SGD(**SGD), lr=lr)


def by_geoopt(points, lr):
    return geoopt.optim.RiemannianSGD(points, lr=lr, **SGD)


def stepping(optimizer, gradients):
    """Return a step with the next gradients, which are there before it is timed."""
    parameters = optimizer.param_groups[0]["params"]
    following = itertools.cycle(gradients)

    def step():
        for parameter, gradient in zip(parameters, next(following), strict=True):
            parameter.grad = gradient
        optimizer.step()

    return step


def defect(x):
    """Return ‖XᵀX - 1‖₂, in float64, of the shorter side; infinite if it is NaN."""
    x = x.detach().double()
    x = x if x.shape[-2] >= x.shape[-1] else x.mT
    if not x.isfinite().all():
        return math.inf
    return float(torch.linalg.matrix_norm(x.mT @ x - torch.eye(x.shape[-1]), 2).max())


@pytest.mark.parametrize("name", STEPS)
def test_one_matrix(benchmark, goals, name):
    n, p, lr, rounds, goal = STEPS[name]
    torch.manual_seed(0)
    start = torch.linalg.qr(torch.randn(n, p))[0].contiguous()
    gradients = [torch.randn(n, p) / (math.sqrt(n) + math.sqrt(p)) for _ in range(8)]
    w = nn.Parameter(start.clone())
    v = geoopt.ManifoldParameter(start.clone(), manifold=geoopt.EuclideanStiefel())
    u = nn.Parameter(start.mT[None].contiguous())  # POGO takes stacks of rows
    calls = {
        "darboux": stepping(ours([w], lr), [[g] for g in gradients]),
        "geoopt": stepping(by_geoopt([v], lr), [[g.clone()] for g in gradients]),
        "pogo": stepping(by_pogo([u], lr), [[g.mT[None].contiguous()] for g in gradients]),
    }
    times = medians(calls, rounds=rounds)
    defects = {"darboux": defect(w), "geoopt": defect(v), "pogo": defect(u[0])}
    benchmark.extra_info.update(times, defects=defects)
    benchmark.pedantic(calls["darboux"], rounds=3)
    took, peers = times["darboux"], min(times["geoopt"], times["pogo"])
    goals(
        (f"Stiefel step {name} / the faster peer", took / peers, "<=", goal, took, peers),
        (f"Stiefel defect {name} / geoopt's", defects["darboux"] / defects["geoopt"], "<=", 1.0),
        (f"Stiefel defect {name}", defects["darboux"], "<=", 1e-6),
    )


def test_a_thousand_matrices(benchmark, goals):
    torch.manual_seed(0)
    start = torch.linalg.qr(torch.randn(1000, 16, 16))[0].contiguous()
    gradients = torch.randn(1000, 16, 16) / 8
    separate = [g.clone() for g in gradients]
    lists = [[nn.Parameter(x.clone()) for x in start] for _ in range(2)]
    stack = nn.Parameter(start.mT.contiguous())
    optimizers = {
        "separate": ours(lists[0], 1e-3),
        "shared": ours(lists[1], 1e-3, shared_storage=True),
        "pogo stacked": by_pogo([stack], 1e-3),
    }
    for parameters, values in zip(
        [*lists, [stack]], [separate, separate, [gradients.mT.contiguous()]], strict=True
    ):
        for parameter, value in zip(parameters, values, strict=True):
            parameter.grad = value
    calls = {name: optimizer.step for name, optimizer in optimizers.items()}
    times = medians(calls, rounds=40)
    benchmark.extra_info.update(times)
    benchmark.pedantic(calls["separate"], rounds=3)
    what, peer = "1000 Stiefel steps 16 x 16", times["pogo stacked"]
    goals(
        *(
            (f"{what}, {name} / POGO stacked", times[name] / peer, "<=", goal, times[name], peer)
            for name, goal in (("separate", 1.6), ("shared", 0.8))
        ),
        ("1000 Stiefel defects 16 x 16", max(map(defect, lists[0] + lists[1])), "<=", 1e-6),
    )
