"""Residual flows: their inverse against a loop in plain torch with spectral normalisation."""

from __future__ import annotations

import pytest
import torch
from interleaved import medians
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import darboux as dx

BLOCKS, HIDDEN, ROUNDS, SLOWER = 8, 64, 15, 1.2
SHARE = (0.9 / 1.1) ** (1 / 3)  # of the constant, for each of three maps


class Twin(nn.Module):
    """The same blocks, contractive as far as power iteration can tell."""

    def __init__(self, features: int) -> None:
        super().__init__()
        sizes = [(features, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, features)]
        self.blocks = nn.ModuleList(
            nn.ModuleList(spectral_norm(nn.Linear(*size)) for size in sizes) for _ in range(BLOCKS)
        )

    def inverse(self, y: torch.Tensor) -> torch.Tensor:
        for block in reversed(self.blocks):
            maps = [(SHARE * layer.weight, layer.bias) for layer in block]
            y = self.undo(maps, y, 8 * torch.finfo(y.dtype).eps)
        return y

    def undo(self, maps, y, tolerance):
        x = y
        for _ in range(200):
            z = x
            for weight, bias in maps[:-1]:
                z = nn.functional.silu(nn.functional.linear(z, weight, bias))
            new = y - nn.functional.linear(z, *maps[-1])
            gap = (new - x).norm(dim=1)
            x = new
            if bool((gap <= tolerance * x.norm(dim=1)).all()):
                return x
        raise RuntimeError


@pytest.mark.parametrize("batch", [512, 1000])
def test_inverse(benchmark, goals, batch):
    torch.manual_seed(0)
    flow, twin = dx.models.residual_flow(16, blocks=BLOCKS).eval(), Twin(16).eval()
    y = torch.randn(batch, 16)
    with torch.no_grad():
        bijection = flow.bijection
        torch.testing.assert_close(bijection(bijection.inverse(y)), y, rtol=1e-5, atol=1e-5)
        times = medians(
            {"flow": lambda: bijection.inverse(y), "plain": lambda: twin.inverse(y)}, rounds=ROUNDS
        )
        benchmark.extra_info.update(times)
        benchmark.pedantic(lambda: bijection.inverse(y), rounds=3)
    ratio = times["flow"] / times["plain"]
    goals((f"inverse of a residual flow / plain torch, batch {batch}", ratio, "<=", SLOWER))
