"""A small transformer that reads digits as sixteen patches: tracks of its tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from darboux.transport import LineShape, line_shape, tracks
from reproductions.discrete_weights.data import digits

_WIDTH, _TOKENS, _JUDGED = 32, 16, 100
_BATCH, _RATE = 64, 2e-3


class Transformer(nn.Module):
    """Blocks with normalisation inside the branch, so that features move by sums."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, _WIDTH), nn.Linear(_WIDTH, 10)
        self.place = nn.Parameter(torch.randn(_TOKENS, _WIDTH) / 2)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                *(_WIDTH, 4, 2 * _WIDTH), dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Return scores of the classes, (batch, 10)."""
        z = self.embed(patches) + self.place
        for block in self.blocks:
            z = block(z)
        return self.head(z.mean(dim=1))


@dataclass(frozen=True)
class Tokens:
    """The line shapes of a transformer's tokens, and how many digits it names."""

    before: LineShape  # training
    after: LineShape
    accuracy: float


def trained_tokens(depth: int, decay: float, *, steps: int, seed: int) -> Tokens:
    """Train a transformer with weight decay/2 Σ‖W‖² in its loss."""
    task = digits()
    x, y = _patches(task.training.images), task.training.classes
    test = _patches(task.held_out.images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Transformer(depth)
        before = _shapes(network, test)
        optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
        matrices = [p for p in network.parameters() if p.ndim == 2]
        for rows in torch.randint(len(x), (steps, _BATCH)):
            squares = torch.stack([p.square().sum() for p in matrices]).sum()
            loss = functional.cross_entropy(network(x[rows]), y[rows]) + decay / 2 * squares
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            right = network(test).argmax(dim=1) == task.held_out.classes
        return Tokens(before, _shapes(network, test), float(right.float().mean()))


def _patches(images: Tensor) -> Tensor:
    """Return 16 patches of 2 x 2 pixels, (images, 16, 4)."""
    return images.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, _TOKENS, 4)


@torch.no_grad()
def _shapes(network: Transformer, images: Tensor) -> LineShape:
    """Return the shapes of the tracks of all tokens of some images."""
    return line_shape(tracks(network, network.blocks, images[:_JUDGED]).flatten(1, 2))
