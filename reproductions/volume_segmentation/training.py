"""The training of a network that segments volumes, and the Dice scores of what it finds."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.volume_segmentation.networks import CLASSES

_BATCH, _AT_ONCE = 2, 4


class Volumes(NamedTuple):
    """Volumes and the classes of their voxels.

    Args:
        volumes: (count, 1, *size).
        classes: (count, *size), int64; 0 is the background.
    """

    volumes: Tensor
    classes: Tensor


def train(network: nn.Module, data: Volumes, *, steps: int, rate: float, seed: int) -> list[float]:
    """Train with cross entropy and soft Dice, and return the losses.

    Args:
        network: volumes -> logits of `CLASSES` classes.
        data: to learn from.
        steps: of AdamW, with a one-cycle schedule.
        rate: the largest learning rate.
        seed: of the batches.

    Example:
        >>> from darboux.data import ellipsoids
        >>> data = Volumes(*ellipsoids(4, size=(8, 8, 8)))
        >>> len(train(nn.Conv3d(1, 3, 1), data, steps=2, rate=0.1, seed=0))
        2
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(data.volumes), (_BATCH,), generator=generator)
        loss = loss_of(network(data.volumes[rows]), data.classes[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def loss_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Return cross entropy + 1 - the mean soft Dice score of the classes but the background.

    Args:
        logits: (batch, CLASSES, *size).
        classes: (batch, *size).

    Example:
        >>> classes = torch.tensor([[0, 1, 2]])
        >>> sure = 50 * F.one_hot(classes, CLASSES).movedim(-1, 1).float()
        >>> bool(loss_of(sure, classes) < 1e-6)
        True
    """
    truth = F.one_hot(classes, CLASSES).movedim(-1, 1).to(logits.dtype)
    found = logits.softmax(dim=1)
    voxels = (0, *range(2, logits.ndim))
    both = (found * truth).sum(dim=voxels)
    score = (2 * both + 1) / (found.sum(dim=voxels) + truth.sum(dim=voxels) + 1)
    return F.cross_entropy(logits, classes) + 1 - score[1:].mean()


@torch.no_grad()
def segmented(network: nn.Module, volumes: Tensor) -> Tensor:
    """Return the likeliest class of each voxel, (count, *size).

    Args:
        network: volumes -> logits.
        volumes: (count, 1, *size).

    Example:
        >>> segmented(nn.Conv3d(1, 3, 1), torch.rand(5, 1, 8, 8, 8)).shape
        torch.Size([5, 8, 8, 8])
    """
    return torch.cat([network(part).argmax(dim=1) for part in volumes.split(_AT_ONCE)])


def dice(found: Tensor, truth: Tensor) -> float:
    """Return the Dice score 2 |A ∩ B| / (|A| + |B|) of two sets of voxels.

    Args:
        found: A, as booleans.
        truth: B, not empty.

    Example:
        >>> dice(torch.tensor([True, True, False]), torch.tensor([True, False, False]))
        0.6666666666666666
    """
    return 2 * int((found & truth).sum()) / int(found.sum() + truth.sum())


def threshold_dice(data: Volumes, label: int) -> float:
    """Return the best Dice score of a class that a threshold of the brightness reaches.

    The threshold is the best one for these very volumes, so no other does better.

    Args:
        data: volumes and classes.
        label: the class.

    Example:
        >>> volumes = torch.tensor([[[0.1, 0.2, 0.9, 0.8]]])
        >>> threshold_dice(Volumes(volumes, torch.tensor([[0, 0, 1, 1]])), 1)
        1.0
    """
    order = data.volumes.flatten().argsort(descending=True)
    truth = (data.classes.flatten() == label)[order]
    scores = 2 * truth.cumsum(0) / (torch.arange(1, len(truth) + 1) + truth.sum())
    return float(scores.max())
