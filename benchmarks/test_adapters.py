"""Fine-tuning by block-orthogonal factors, W' = diag(R₁, ..., R_k) W, of a network of digits.

The factors as points of SO, stepped by `RiemannianAdam`, beside the series of Cayley and Neumann
that is cut after five terms, R = 1 + 2Q + 2Q² + 2Q³ + Q⁴ with a skew Q, by Adam: the time of a
training step, the accuracy on digits turned round, and how far the factors are from orthogonal.
"""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

import darboux as dx

datasets = pytest.importorskip("sklearn.datasets")

WIDTH, BLOCK, STEPS, BATCH = 128, 32, 1000, 64


def digits() -> tuple[Tensor, Tensor]:
    images, labels = datasets.load_digits(return_X_y=True)
    return torch.from_numpy(images).float() / 16, torch.from_numpy(labels)


class Layer(nn.Module):
    """A frozen linear layer, followed by orthogonal blocks."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x).unflatten(-1, (-1, BLOCK))
        return torch.einsum("kij,bkj->bki", self.blocks(), y).flatten(-2)


class OnManifold(Layer):
    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        start = torch.eye(BLOCK).repeat(linear.out_features // BLOCK, 1, 1)
        self.factors = dx.optim.ManifoldParameter(start, dx.manifolds.SO(BLOCK))

    def blocks(self) -> Tensor:
        return self.factors


class CayleyNeumann(Layer):
    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        self.rows, self.columns = torch.tril_indices(BLOCK, BLOCK, -1)
        self.entries = nn.Parameter(torch.zeros(linear.out_features // BLOCK, len(self.rows)))

    def blocks(self) -> Tensor:
        q = self.entries.new_zeros(len(self.entries), BLOCK, BLOCK)
        q[:, self.rows, self.columns] = self.entries
        q = q - q.mT
        square = q @ q
        return torch.eye(BLOCK) + 2 * q + 2 * square + 2 * square @ q + square @ square


def trained(network: nn.Module, optimizer, x: Tensor, y: Tensor, steps: int) -> float:
    """Train, and return the seconds of a step."""
    generator, start = torch.Generator().manual_seed(0), time.process_time()
    for _ in range(steps):
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()
    return (time.process_time() - start) / steps


def tuned(layers: list[nn.Linear], kind: type[Layer], build, x: Tensor, y: Tensor):
    """Return the seconds of a step, the accuracy on the last third, and the worst defect."""
    adapted = [kind(layer) for layer in layers[:-1]]
    network = nn.Sequential(adapted[0], nn.ReLU(), adapted[1], nn.ReLU(), layers[-1])
    third = len(x) // 3
    optimizer = build([p for p in network.parameters() if p.requires_grad])
    seconds = trained(network, optimizer, x[third:], y[third:], STEPS)
    with torch.no_grad():
        accuracy = (network(x[:third]).argmax(-1) == y[:third]).float().mean()
        blocks = torch.cat([layer.blocks() for layer in adapted]).double()
    defect = torch.linalg.matrix_norm(blocks.mT @ blocks - torch.eye(BLOCK), 2).max()
    return seconds, float(accuracy), float(defect)


def test_orthogonal_fine_tuning(benchmark, goals):
    torch.manual_seed(0)
    x, y = digits()
    layers = [nn.Linear(64, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 10)]
    plain = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    trained(plain, torch.optim.Adam(plain.parameters(), lr=1e-3), x, y, STEPS)
    layers[-1].requires_grad_(requires_grad=False)
    turned = x.flip(-1)  # by half a turn
    series = tuned(layers, CayleyNeumann, lambda p: torch.optim.Adam(p, lr=1e-3), turned, y)
    ours = benchmark.pedantic(
        lambda: tuned(layers, OnManifold, lambda p: dx.optim.RiemannianAdam(p, lr=0.1), turned, y),
        rounds=1,
    )
    benchmark.extra_info.update(seconds=(ours[0], series[0]))
    name = "orthogonal adapters"
    goals(
        (f"{name}: step / Cayley-Neumann's", ours[0] / series[0], "<=", 1.0, ours[0], series[0]),
        (f"{name}: accuracy - Cayley-Neumann's", ours[1] - series[1], ">=", -0.01),
        (f"{name}: ‖RᵀR - 1‖₂", ours[2], "<=", 1e-6),
        ("the same of Cayley-Neumann's series", series[2], ">=", 1e-6),
    )
