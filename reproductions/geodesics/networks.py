"""Plain networks and ResNets of equal blocks, many of them trained side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.geodesics.data import Task

PLAIN, IDENTITY, RESIDUAL = "plain", "plain from identity", "ResNet"
KINDS = (PLAIN, IDENTITY, RESIDUAL)


class Block(nn.Module):
    """z -> s z + B relu(A z + a) + b with s = 1 in a ResNet and 0 otherwise, network by network.

    A plain block can be the identity, z = relu(z) - relu(-z), and may start near it.
    """

    def __init__(self, kind: str, members: int, features: int, depth: int) -> None:
        super().__init__()
        hidden = 2 * features if features > 2 else 16
        self.skip = float(kind == RESIDUAL)
        scale = 1.0 if kind == PLAIN else depth**-0.5
        inner = torch.randn(members, features, hidden) * (2 / features) ** 0.5
        outer = torch.randn(members, hidden, features) * scale / hidden**0.5
        if kind == IDENTITY:
            eye = torch.eye(features)
            inner[..., :features], inner[..., features : 2 * features] = eye, -eye
            outer[:, : 2 * features] = torch.cat([eye, -eye]) + outer[:, : 2 * features]
        self.inner, self.outer = nn.Parameter(inner), nn.Parameter(outer)
        self.shift = nn.Parameter(torch.zeros(members, 1, hidden))
        self.offset = nn.Parameter(torch.zeros(members, 1, features))

    def forward(self, z: Tensor) -> Tensor:
        """Return the features after the block, (members, batch, features)."""
        hidden = torch.baddbmm(self.shift, z, self.inner).relu()
        return self.skip * z + torch.baddbmm(self.offset, hidden, self.outer)


class Row(nn.Module):
    """Networks of one shape, each with its own weights: K blocks, and a linear head."""

    def __init__(self, kind: str, members: int, task: Task, depth: int) -> None:
        super().__init__()
        features = task.x.shape[1]
        self.blocks = nn.ModuleList(Block(kind, members, features, depth) for _ in range(depth))
        self.head = nn.Parameter(torch.randn(members, features, task.classes) / features**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of the classes, (members, batch, classes)."""
        for block in self.blocks:
            x = block(x)
        return torch.bmm(x, self.head)

    def repeat(self, times: int) -> None:
        """Make `times` copies of all networks, one after the other."""
        for p in self.parameters():
            p.data = p.data.repeat(times, 1, 1)

    def squares(self) -> Tensor:
        """Return the sum of the squares of each network's matrices, (members,)."""
        found = [p.flatten(1) for p in self.parameters() if p.shape[1] > 1]
        return torch.cat(found, dim=1).square().sum(dim=1)
