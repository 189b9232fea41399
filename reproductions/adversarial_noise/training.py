"""The trainings: on clean images, on attacked ones, and for a margin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.solvers import descend
from reproductions.adversarial_noise.networks import CLASSES, Classifier, nonexpansive, plain
from reproductions.adversarial_noise.noise import attacked
from reproductions.common.classification import LabelledImages

PLAIN, ATTACKED, NONEXPANSIVE = "plain ResNet", "plain, trained on attacks", "nonexpansive"
_BATCH, _RATE = 128, 1e-2
_MARGIN, _SHARPNESS = 0.7, 10.0  # scores of a nonexpansive network cannot be scaled up
_SIZE, _STEPS = 0.5, 5  # of the attacks of the training


@dataclass(frozen=True)
class Kind:
    """A network and how it is trained."""

    name: str
    build: Callable[[], Classifier]
    margin: float = 0.0  # that right classes should have
    sharpness: float = 1.0  # what scores are multiplied by in the loss
    attack: float = 0.0  # the norm of noise that is added in training


KINDS = (
    Kind(PLAIN, plain),
    Kind(ATTACKED, plain, attack=_SIZE),
    Kind(NONEXPANSIVE, nonexpansive, margin=_MARGIN, sharpness=_SHARPNESS),
)


def trained(kind: Kind, data: LabelledImages, *, epochs: int, seed: int) -> Classifier:
    """Return the network after training by Adam, in evaluation mode."""
    torch.manual_seed(seed)
    network = kind.build()
    adam = torch.optim.Adam(network.parameters(), lr=_RATE)
    count = len(data.images) // _BATCH * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=count)

    def loss(rows: Tensor) -> Tensor:
        batch = LabelledImages(data.images[rows], data.classes[rows])
        noise = attacked(network, batch, kind.attack, steps=_STEPS, starts=1) if kind.attack else 0
        wanted = kind.margin * F.one_hot(batch.classes, CLASSES)
        return F.cross_entropy(
            kind.sharpness * (network(batch.images + noise) - wanted), batch.classes
        )

    batches = (torch.randint(len(data.images), (_BATCH,)) for _ in range(count))
    descend(adam, loss, batches, schedule=schedule)
    return network.eval()
