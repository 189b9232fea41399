"""Classifiers that are trained until their margin is nearly the largest one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.optim import WassersteinFlow

_CLUSTERS = 3  # on each axis
_TEST = 2000
_RATE = 2.0


@dataclass(frozen=True)
class Margin:
    """What a classifier has learned."""

    margin: float  # the smallest y f(x), in the norm that its flow makes small
    error: float  # the share of wrong labels among test points


def margin(*, points: int, features: int, width: int, steps: int, both: bool, seed: int) -> Margin:
    """Return what a network with a balanced start learns, or its output layer alone.

    The clusters of a grid of 3 × 3 have labels at random, the other coordinates are noise. The
    smooth margin -log mean exp(-y f(x)) grows by steps of 2/√t, four times those of the reference.

    Source: section 6.3; Chizat and Bach 2020, Implicit bias of gradient descent for wide
    two-layer neural networks trained with the logistic loss.
    """
    generator = torch.Generator().manual_seed(seed)
    signs = torch.ones(_CLUSTERS**2, dtype=torch.float64)
    signs[torch.randperm(len(signs), generator=generator)[: len(signs) // 2]] = -1
    x, y = _data(points, features, signs, generator)
    a = nn.Parameter(torch.randn(width, features, generator=generator, dtype=torch.float64))
    side = 1.0 - 2.0 * (torch.arange(width, dtype=torch.float64) % 2)
    c = nn.Parameter(side * a.detach().norm(dim=1) if both else torch.zeros_like(side))

    def network(x: Tensor) -> Tensor:
        return (x @ a.T).relu() @ c / width

    flow = (
        WassersteinFlow([a, c], _RATE, roles=("incoming", "outgoing"), balanced=True)
        if both
        else WassersteinFlow([c], _RATE, roles=("outgoing",))
    )
    a.requires_grad_(both)
    schedule = torch.optim.lr_scheduler.LambdaLR(flow, lambda step: (step + 1) ** -0.5)
    for _ in range(steps):
        flow.zero_grad()
        ((-y * network(x)).logsumexp(dim=0) - math.log(points)).backward()
        flow.step()
        schedule.step()
    x_test, y_test = _data(_TEST, features, signs, generator)
    with torch.no_grad():
        size = (c.abs() * a.norm(dim=1)).mean() if both else c.square().mean().sqrt()
        smallest = (y * network(x)).min() / size
        error = (y_test * network(x_test) <= 0).double().mean()
    return Margin(float(smallest), float(error))


def _data(
    count: int, features: int, signs: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return points of the clusters, discs in a grid on [-½, ½]², with 1 and noise behind them."""
    radius = 1 / (3 * _CLUSTERS - 1)
    cell = torch.randint(len(signs), (count,), generator=generator)
    place = torch.stack([cell % _CLUSTERS, cell // _CLUSTERS], dim=1)
    random = torch.rand(count, features - 1, generator=generator, dtype=torch.float64)
    angle = 2 * math.pi * random[:, :1]
    disc = radius * random[:, 1:2] * torch.cat([angle.cos(), angle.sin()], dim=1)
    centre = radius * (3 * place + 1) - 0.5
    ones = torch.ones(count, 1, dtype=torch.float64)
    return torch.cat([centre + disc, ones, random[:, 2:] - 0.5], dim=1), signs[cell]
