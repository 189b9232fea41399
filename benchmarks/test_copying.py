"""The copying-memory task: ten symbols, read, kept for 200 steps and written again.

A recurrent network with an orthogonal matrix between its states, trained by `RiemannianAdam` on
the matrix and beside it by the trivialisation W = B exp(A) of geotorch. One that remembers
nothing has the loss 10 log 8 / (L + 20).
"""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import Tensor, nn

import darboux as dx

geotorch = pytest.importorskip("geotorch")

LENGTH, SYMBOLS, WIDTH, BATCH, STEPS = 200, 10, 128, 32, 500
BASELINE = SYMBOLS * math.log(8) / (LENGTH + 2 * SYMBOLS)
BLANK, GO = 0, 9


def sequences(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs and what shall be written, (batch, L + 20) each."""
    symbols = torch.randint(1, 9, (BATCH, SYMBOLS), generator=generator)
    x, y = torch.full((2, BATCH, LENGTH + 2 * SYMBOLS), BLANK)
    x[:, :SYMBOLS], x[:, LENGTH + SYMBOLS - 1], y[:, -SYMBOLS:] = symbols, GO, symbols
    return x, y


def plane_rotations() -> Tensor:
    """Return rotations of coordinate planes by random angles, as one matrix."""
    angles = 2 * math.pi * torch.rand(WIDTH // 2)
    c, s = angles.cos(), angles.sin()
    return torch.block_diag(*torch.stack([c, -s, s, c], -1).view(-1, 2, 2))


class Recurrent(nn.Module):
    """h ↦ σ(W h + u(x)), with σ(z) = sign(z) relu(|z| + b)."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.Linear(WIDTH, WIDTH, bias=False)
        self.read = nn.Parameter(nn.init.kaiming_normal_(torch.empty(10, WIDTH)))
        self.shift = nn.Parameter(torch.zeros(WIDTH))
        self.write = nn.Linear(WIDTH, 9)
        self.recurrent.weight.data = plane_rotations()

    def forward(self, x: Tensor) -> Tensor:
        weight, h, states = self.recurrent.weight.T, torch.zeros(len(x), WIDTH), []
        for u in self.read[x].unbind(1):
            z = torch.addmm(u, h, weight)
            h = torch.sign(z) * torch.relu(z.abs() + self.shift)
            states.append(h)
        return self.write(torch.stack(states, 1))


def ours(network: Recurrent) -> list[torch.optim.Optimizer]:
    frames = dx.manifolds.Stiefel(WIDTH, WIDTH)
    group = {"params": [network.recurrent.weight], "manifold": frames}
    return [dx.optim.RiemannianAdam([group], lr=0.05, betas=(0.9, 0.99))]


def trivialised(network: Recurrent) -> list[torch.optim.Optimizer]:
    start = network.recurrent.weight.detach().clone()
    geotorch.orthogonal(network.recurrent, "weight", triv="expm")
    network.recurrent.weight = start
    return [torch.optim.RMSprop(network.recurrent.parameters(), lr=1e-4)]


def trained(orthogonal) -> tuple[float, float, float]:
    """Return the loss of the last steps over the baseline, ‖WᵀW - 1‖₂ and the seconds."""
    torch.manual_seed(0)
    generator, network = torch.Generator().manual_seed(0), Recurrent()
    rest = [network.read, network.shift, *network.write.parameters()]
    optimizers = [torch.optim.RMSprop(rest, lr=1e-3), *orthogonal(network)]
    losses, start = [], time.process_time()
    for _ in range(STEPS):
        x, y = sequences(generator)
        loss = nn.functional.cross_entropy(network(x).flatten(0, 1), y.flatten())
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    w = network.recurrent.weight.detach().double()
    defect = torch.linalg.matrix_norm(w.mT @ w - torch.eye(WIDTH), 2)
    return sum(losses[-10:]) / 10 / BASELINE, float(defect), time.process_time() - start


def test_copying(benchmark, goals):
    loss, defect, seconds = benchmark.pedantic(lambda: trained(ours), rounds=1)
    theirs = trained(trivialised)
    benchmark.extra_info.update(zip(("loss", "defect", "seconds"), theirs, strict=True))
    goals(
        (f"copying, L = {LENGTH}: loss / baseline", loss, "<=", 0.1),
        ("copying: loss / baseline, by geotorch's trivialisation", theirs[0], "<=", math.inf),
        ("copying: ‖WᵀW - 1‖₂", defect, "<=", 1e-6),
        ("copying: ‖WᵀW - 1‖₂, by geotorch's trivialisation", theirs[1], "<=", math.inf),
        ("copying: seconds / geotorch's", seconds / theirs[2], "<=", 1.0, seconds, theirs[2]),
    )
