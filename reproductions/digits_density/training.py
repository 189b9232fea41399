"""A multi-scale flow of spline couplings that learns the digits, stopped early."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.data import DIGIT_LEVELS
from darboux.density import NormalizingFlow, bits_per_dimension, dequantize, fit
from darboux.models import image_flow, initialise

PIXELS = 64
BATCH, DECAY, _CLIP = 128, 1e-4, 50.0
_DRAWS = 4  # dequantisations of the validation images
# shares of the rounds, and what the step size is multiplied with in them
_RATES = ((0.65, 1.0), (0.85, 0.3), (1.0, 0.1))


@dataclass(frozen=True)
class Schedule:
    """A flow and its training."""

    couplings: int  # of each of the two levels
    hidden: int  # channels inside the conditioners
    rounds: int  # after each of which validation images are looked at
    steps: int  # of Adam in each round
    rate: float  # the first step size
    patience: int  # rounds without an improvement after which training stops

    @property
    def total(self) -> int:
        """The largest number of steps."""
        return self.rounds * self.steps

    def rate_of(self, round_: int) -> float:
        """Return the step size of a round, counted from 0."""
        share = round_ / self.rounds
        return self.rate * next(factor for end, factor in _RATES if share < end)


@dataclass(frozen=True)
class Learned:
    """The flow of the best round, and how it came about."""

    flow: NormalizingFlow  # in eval mode
    training: tuple[float, ...]  # bits per dimension, the mean over each round
    validation: tuple[float, ...]  # the same of the validation images, after each round
    best: int  # the steps that the flow was trained for
    steps: int  # of each round
    seconds: float  # of one processor


def build(schedule: Schedule) -> NormalizingFlow:
    """Return the flow with initial weights: two levels of spline couplings, behind a logit."""

    def activation() -> nn.Module:
        return nn.Sequential(nn.ReLU(), nn.Dropout(0.2))

    return image_flow(
        (1, 8, 8),
        steps=schedule.couplings,
        hidden=schedule.hidden,
        law="spline",
        tail=6.0,
        alpha=0.01,
        activation=activation,
    )


def bits(nll: float) -> float:
    """Return the bits per dimension of a negative log-likelihood of dequantised digits."""
    return bits_per_dimension(nll, dimensions=PIXELS, levels=DIGIT_LEVELS)


def learned(schedule: Schedule, training: Tensor, validation: Tensor) -> Learned:
    """Return a flow that was trained by maximum likelihood, dequantised anew in every step."""
    start = time.process_time()
    flow = build(schedule)
    initialise(flow, dequantize(training, DIGIT_LEVELS))
    held = dequantize(validation.repeat(_DRAWS, 1, 1, 1), DIGIT_LEVELS)
    optimizer = torch.optim.AdamW(flow.parameters(), lr=schedule.rate, weight_decay=DECAY)
    losses: list[float] = []
    checks: list[float] = []
    best = deepcopy(flow)
    for round_ in range(schedule.rounds):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_of(round_)
        losses.append(_round(flow, training, optimizer, schedule.steps))
        checks.append(evaluated(flow, held))
        if checks[-1] == min(checks):
            best = deepcopy(flow)
        elif len(checks) - checks.index(min(checks)) > schedule.patience:
            break
    return Learned(
        flow=best.eval(),
        training=tuple(losses),
        validation=tuple(checks),
        best=(checks.index(min(checks)) + 1) * schedule.steps,
        steps=schedule.steps,
        seconds=time.process_time() - start,
    )


def evaluated(flow: NormalizingFlow, images: Tensor) -> float:
    """Return the bits per dimension of dequantised images."""
    mode = flow.training
    flow.eval()
    with torch.no_grad():
        found = bits(float(flow.negative_log_likelihood(images)))
    flow.train(mode)
    return found


def _round(
    flow: NormalizingFlow, training: Tensor, optimizer: torch.optim.Optimizer, steps: int
) -> float:
    """Train for some steps, and return their mean in bits per dimension."""

    def loss(x: Tensor, context: Tensor | None) -> Tensor:
        return flow.negative_log_likelihood(dequantize(x, DIGIT_LEVELS), context)

    history = fit(
        flow, training, steps=steps, batch=BATCH, clip=_CLIP, loss=loss, optimizer=optimizer
    )
    return bits(math.fsum(history.loss) / steps)
