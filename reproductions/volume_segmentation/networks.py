"""The invertible U-Net for volumes and its ordinary twin, their training and Dice scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.models import iunet, plain_unet
from darboux.solvers import descend

_BATCH, _AT_ONCE = 2, 4
CLASSES = 3
INVERTIBLE, PLAIN = "invertible", "plain"
_ACCURACY = 1e-4  # of gradients; those of batches differ by far more


def unet(name: str, channels: int, depth: Sequence[int]) -> nn.Module:
    """Return a U-Net for volumes of one channel.

    The invertible one keeps no activations. Its own activations are smooth: where rounding takes
    an argument of a ReLU across its kink, gradients jump.

    A coupling moves half of the channels, so the invertible one has two for each residual block
    of the plain one, and about as many parameters.
    """
    if name == PLAIN:
        return plain_unet(1, CLASSES, spatial_dims=3, channels=channels, depth=depth)
    couplings = [2 * blocks for blocks in depth]
    return iunet(
        1,
        CLASSES,
        spatial_dims=3,
        channels=channels,
        depth=couplings,
        activation=nn.ELU,
        accuracy=_ACCURACY,
    )


class Volumes(NamedTuple):
    """Volumes and the classes of their voxels."""

    volumes: Tensor  # (count, 1, *size)
    classes: Tensor  # (count, *size), int64; 0 is the background


def train(network: nn.Module, data: Volumes, *, steps: int, rate: float, seed: int) -> list[float]:
    """Train with cross entropy and soft Dice, and return the losses."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    count = len(data.volumes)
    return descend(
        optimiser,
        lambda rows: loss_of(network(data.volumes[rows]), data.classes[rows]),
        (torch.randint(count, (_BATCH,), generator=generator) for _ in range(steps)),
        schedule=schedule,
    )


def loss_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Return cross entropy + 1 - the mean soft Dice score of the classes but the background."""
    truth = F.one_hot(classes, CLASSES).movedim(-1, 1).to(logits.dtype)
    found = logits.softmax(dim=1)
    voxels = (0, *range(2, logits.ndim))
    both = (found * truth).sum(dim=voxels)
    score = (2 * both + 1) / (found.sum(dim=voxels) + truth.sum(dim=voxels) + 1)
    return F.cross_entropy(logits, classes) + 1 - score[1:].mean()


@torch.no_grad()
def segmented(network: nn.Module, volumes: Tensor) -> Tensor:
    """Return the likeliest class of each voxel, (count, *size)."""
    return torch.cat([network(part).argmax(dim=1) for part in volumes.split(_AT_ONCE)])


def dice(found: Tensor, truth: Tensor) -> float:
    """Return the Dice score 2 |A ∩ B| / (|A| + |B|) of two sets of voxels.

    Example:
        >>> dice(torch.tensor([True, True, False]), torch.tensor([True, False, False]))
        0.6666666666666666
    """
    return 2 * int((found & truth).sum()) / int(found.sum() + truth.sum())


def threshold_dice(data: Volumes, label: int) -> float:
    """Return the best Dice score of a class that a threshold of the brightness reaches.

    The threshold is the best one for these very volumes, so no other does better.

    Example:
        >>> volumes = torch.tensor([[[0.1, 0.2, 0.9, 0.8]]])
        >>> threshold_dice(Volumes(volumes, torch.tensor([[0, 0, 1, 1]])), 1)
        1.0
    """
    order = data.volumes.flatten().argsort(descending=True)
    truth = (data.classes.flatten() == label)[order]
    scores = 2 * truth.cumsum(0) / (torch.arange(1, len(truth) + 1) + truth.sum())
    return float(scores.max())
