"""The training of denoisers with pictures of rectangles, all along the grid of pixels."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.solvers import descend
from reproductions.equivariant_denoiser.data import noisy, rectangles

SMOOTHNESS, EPSILON = 0.01, 0.01  # λ and ε of the objective
_FACTOR, _PATIENCE = 0.5, 4  # of the step size, where the held-out error stagnates


@dataclass(frozen=True)
class Setting:
    """How denoisers are trained."""

    width: int  # channels of the networks
    batch: int  # images of an iteration
    iterations: int  # of Adam
    runs: int  # of each network, with other weights and images in each of them
    side: int = 60  # of the images
    crop: int = 60  # side of the part of them that is learned from
    held_out: int = 16  # images of an evaluation
    every: int = 20  # iterations between evaluations
    noise: float = 0.1  # the standard deviation


@dataclass(frozen=True)
class Trained:
    """A trained denoiser."""

    network: nn.Module
    losses: list[float]  # the objective on each minibatch
    errors: list[float]  # the objective on held-out images, after every `Setting.every` iterations
    seconds: float  # of processor time that training took


def objective(found: Tensor, clean: Tensor) -> Tensor:
    """Return ‖e‖² + λ ‖∇e‖_{1,ε} for e = Ψ(x) - x*, both as means over pixels and channels.

    ∇ takes forward differences along both axes, and ‖v‖_{1,ε} = Σ (√(|v|² + ε²) - ε).

    Source: equation (52).

    Example:
        >>> objective(torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 3, 3))
        tensor(1.)
    """
    error = found - clean
    corner = error[..., :-1, :-1]
    squares = (error[..., 1:, :-1] - corner).square() + (error[..., :-1, 1:] - corner).square()
    smooth = (squares + EPSILON**2).sqrt() - EPSILON
    return error.square().mean() + SMOOTHNESS * smooth.mean()


def trained(
    network: nn.Module,
    setting: Setting,
    *,
    rate: float,
    seed: int,
    device: torch.device | str = "cpu",
) -> Trained:
    """Train a denoiser; equal seeds see equal images.

    Every minibatch is drawn afresh. The step size of Adam is halved where the held-out error
    stagnates.
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = tuple(t.to(device) for t in _pairs(setting, setting.held_out, generator))
    network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=_FACTOR, patience=_PATIENCE
    )
    errors: list[float] = []

    def loss(images: tuple[Tensor, Tensor]) -> Tensor:
        clean, noised = (t.to(device) for t in images)
        return objective(network(noised), clean)

    def evaluate(step: int) -> None:
        if step % setting.every == 0:
            errors.append(_error(network, *held_out))
            schedule.step(errors[-1])

    begin = time.process_time()
    batches = (_crops(setting, generator) for _ in range(setting.iterations))
    losses = descend(optimiser, loss, batches, on_step=evaluate)
    return Trained(network, losses, errors, time.process_time() - begin)


def _pairs(setting: Setting, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return clean images and noisy ones."""
    clean = rectangles(count, side=setting.side, generator=generator).on_grid()
    return clean, noisy(clean, noise=setting.noise, generator=generator)


def _crops(setting: Setting, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return equal random parts of a minibatch of images."""
    clean, noised = _pairs(setting, setting.batch, generator)
    places = torch.randint(setting.side - setting.crop + 1, (2,), generator=generator)
    i, j = places.tolist()
    rows, columns = slice(i, i + setting.crop), slice(j, j + setting.crop)
    return clean[..., rows, columns], noised[..., rows, columns]


@torch.no_grad()
def _error(network: nn.Module, clean: Tensor, noised: Tensor) -> float:
    """Return the objective on held-out images."""
    error = float(objective(network(noised), clean))
    if not torch.tensor(error).isfinite():
        raise FloatingPointError("Expected a finite held-out error; it is NaN or infinite.")
    return error
