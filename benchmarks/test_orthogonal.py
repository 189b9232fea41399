"""Orthogonal parametrisations against those of PyTorch: forward and backward, one thread."""

from __future__ import annotations

import torch
from interleaved import medians
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

import darboux as dx


def ours(rows: int, columns: int, map: str) -> nn.Module:
    """Return a linear layer with our constraint, away from its starting point."""
    layer = dx.linear.Dense(columns, rows)
    parametrize.register_parametrization(layer, "weight", dx.linear.Orthogonal(map))
    return moved(layer)


def theirs(rows: int, columns: int, map: str) -> nn.Module:
    """Return a linear layer with PyTorch's."""
    return moved(parametrizations.orthogonal(nn.Linear(columns, rows, bias=False), "weight", map))


def moved(layer: nn.Module) -> nn.Module:
    """Return the layer after a step of its parameter."""
    with torch.no_grad():
        layer.parametrizations.weight.original.add_(
            torch.randn_like(layer.parametrizations.weight.original), alpha=0.01
        )
    return layer


def step(layer: nn.Module, cotangent: Tensor) -> Tensor:
    """Return the gradient of the parameter."""
    original = layer.parametrizations.weight.original
    return torch.autograd.grad(layer.weight, original, cotangent)[0]


def defect(layer: nn.Module) -> float:
    """Return the spectral norm of WᵀW - 1, evaluated in float64."""
    weight = layer.weight.detach().double()
    eye = torch.eye(weight.shape[1], dtype=torch.float64)
    return float(torch.linalg.matrix_norm(weight.T @ weight - eye, 2))


def check_values(layer: nn.Module) -> None:
    """Compare with the formulas on full matrices, in float64."""
    constraint = layer.parametrizations.weight[0]
    base = constraint.base.double()
    raw = layer.parametrizations.weight.original.detach().double()
    square = base.shape[0] == base.shape[1]
    factor = raw - base @ (base.T @ raw) / 2
    skew = raw - raw.T if square else factor @ base.T - base @ factor.T
    eye = torch.eye(len(skew), dtype=torch.float64)
    if constraint.map == "exp":
        turn = torch.linalg.matrix_exp(skew)
    else:
        turn = torch.linalg.solve(eye - skew / 2, eye + skew / 2)
    wanted = base @ turn if square else turn @ base
    torch.testing.assert_close(layer.weight.double(), wanted, rtol=0, atol=2e-6)


def test_tall(benchmark, goals):
    benchmark.pedantic(lambda: None, rounds=1)
    shape = (1024, 16)
    layers = {map: ours(*shape, map) for map in ("exp", "cayley")}
    for layer in layers.values():
        check_values(layer)
    cotangent = torch.randn(shape)
    peers = {map: theirs(*shape, map) for map in ("cayley", "matrix_exp")}
    took = medians({m: lambda x=x: step(x, cotangent) for m, x in layers.items()}, rounds=40)
    slow = medians({m: lambda x=x: step(x, cotangent) for m, x in peers.items()}, rounds=3)
    pairs = [("cayley", "exp", 50), ("matrix_exp", "exp", 1000), ("cayley", "cayley", 100)]
    goals(
        *(
            (
                f"1024 x 16: torch's {a} over our {b}",
                slow[a] / took[b],
                ">=",
                goal,
                took[b],
                slow[a],
            )
            for a, b, goal in pairs
        ),
        ("1024 x 16: defect of our exp", defect(layers["exp"]), "<=", 1e-6),
        ("1024 x 16: defect of our cayley", defect(layers["cayley"]), "<=", 1e-6),
    )


def test_square(benchmark, goals):
    benchmark.pedantic(lambda: None, rounds=1)
    shape = (512, 512)
    layer, peer = ours(*shape, "cayley"), theirs(*shape, "cayley")
    check_values(layer)
    cotangent = torch.randn(shape)
    took = medians(
        {"ours": lambda: step(layer, cotangent), "theirs": lambda: step(peer, cotangent)}, rounds=20
    )
    ratio = took["ours"] / took["theirs"]
    goals(
        ("512 x 512 cayley / torch's", ratio, "<=", 0.8, took["ours"], took["theirs"]),
        ("512 x 512 cayley: defect", defect(layer), "<=", 1e-6),
    )
