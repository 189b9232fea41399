"""One additive-coupling convolutional chain, as ours and as memcnn's, with the same weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from darboux.bijections import AdditiveCoupling, Chain


def networks(depth: int, *, channels: int, hidden: int) -> list[nn.Module]:
    """Sub-networks on half of the channels, the last layers divided by √depth.

    So deep residual networks are started; otherwise features grow exponentially with the depth.
    """
    half = channels // 2
    parts = [
        nn.Sequential(
            nn.Conv2d(half, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, half, 3, padding=1),
        )
        for _ in range(depth)
    ]
    with torch.no_grad():
        for part in parts:
            part[2].weight.div_(depth**0.5)
    return parts


def chain(parts: Sequence[nn.Module], memory: str) -> Chain:
    """Our chain: the first half moves first, as it does in memcnn's blocks."""
    layers = [AdditiveCoupling(part, swap=k % 2 == 0) for k, part in enumerate(parts)]
    return Chain(layers, memory=memory)


class Loop(nn.Module):
    """The same chain in plain torch, which works on two halves."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        for k, part in enumerate(self.parts):
            if k % 2 == 0:
                a = a + part(b)
            else:
                b = b + part(a)
        return torch.cat([a, b], 1)


class Memcnn(nn.Module):
    """memcnn's chain: blocks of two couplings, whose inputs are freed and computed again."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        import memcnn

        self.blocks = nn.ModuleList(
            memcnn.InvertibleModuleWrapper(
                memcnn.AdditiveCoupling(
                    Fm=first, Gm=second, implementation_fwd=-1, implementation_bwd=-1
                ),
                keep_input=False,
                keep_input_inverse=False,
            )
            for first, second in zip(parts[::2], parts[1::2], strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def dense(pairs: int, *, scale: float, seed: int = 0) -> list[nn.Module]:
    """Sub-networks Linear(16, 64)-Tanh-Linear(64, 16) with scaled default weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = [
            nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 16)) for _ in range(2 * pairs)
        ]
    with torch.no_grad():
        for parameter in nn.ModuleList(parts).parameters():
            parameter.mul_(scale)
    return parts


def step(module: nn.Module, head: nn.Module, x: Tensor):
    """Return one training step: forward and backward pass."""

    def run() -> None:
        for parameter in module.parameters():
            parameter.grad = None
        module(head(x)).square().mean().backward()

    return run
