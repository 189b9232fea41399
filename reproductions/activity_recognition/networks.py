"""A network on curves of rotations, SO(3)^m, which doesn't see where the watch pointed at first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.activity_recognition.data import Motions

LAGS = (1, 2, 4, 8)
_STEPS, _RATE = 150, 1e-2


class CurveNetwork(nn.Module):
    """Convolutions along R_i⁻¹ R_{i+k} - 1, the turns between points k apart, means and maxima.

    As (Q R_i)⁻¹ Q R_{i+k} = R_i⁻¹ R_{i+k}, scores are those of the curve turned by any Q.
    """

    def __init__(self, classes: int, *, width: int = 16) -> None:
        super().__init__()
        self.along = nn.Sequential(
            nn.Conv1d(9 * len(LAGS), width, 5),
            nn.ReLU(),
            nn.Conv1d(width, width, 5),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * width, classes)

    def forward(self, curves: Tensor) -> Tensor:
        """Return scores, (count, classes), of curves (count, points, 3, 3)."""
        z = self.along(_turns(curves))
        return self.head(torch.cat([z.mean(-1), z.amax(-1)], dim=-1))


def trained(curves: Tensor, motions: Motions, *, classes: int, seed: int) -> CurveNetwork:
    """Return a network that has learned the classes of curves, by full batches of Adam."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CurveNetwork(classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(curves), motions.classes).backward()
        optimizer.step()
    return network


def _turns(curves: Tensor) -> Tensor:
    """Return the entries of R_i⁻¹ R_{i+k} - 1 for each lag k, (count, 9 lags, points - 8)."""
    last = curves.shape[1] - max(LAGS)
    eye = torch.eye(3, dtype=curves.dtype, device=curves.device)
    turns = [curves[:, :last].mT @ curves[:, k : last + k] - eye for k in LAGS]
    return torch.cat(turns, dim=-1).flatten(2).mT
