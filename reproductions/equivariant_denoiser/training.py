"""The training of denoisers with pictures of rectangles, all along the grid of pixels."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reproductions.equivariant_denoiser.data import noisy, rectangles

SMOOTHNESS, EPSILON = 0.01, 0.01  # λ and ε of the objective
_FACTOR, _PATIENCE = 0.5, 4  # of the step size, where the held-out error stagnates


@dataclass(frozen=True)
class Setting:
    """How denoisers are trained.

    Args:
        width: channels of the networks.
        batch: images of an iteration.
        iterations: of Adam.
        runs: of each network, with other weights and images in each of them.
        side: of the images.
        crop: side of the part of them that is learned from.
        held_out: images of an evaluation.
        every: iterations between evaluations.
        noise: the standard deviation.

    Example:
        >>> Setting(width=16, batch=4, iterations=100, runs=2, crop=24).side
        60
    """

    width: int
    batch: int
    iterations: int
    runs: int
    side: int = 60
    crop: int = 60
    held_out: int = 16
    every: int = 20
    noise: float = 0.1


@dataclass(frozen=True)
class Trained:
    """A trained denoiser.

    Args:
        network: it.
        losses: the objective on each minibatch.
        errors: the objective on held-out images, after every `Setting.every` iterations.
        seconds: of processor time that the iterations took.
    """

    network: nn.Module
    losses: list[float]
    errors: list[float]
    seconds: float


def objective(found: Tensor, clean: Tensor) -> Tensor:
    """Return ‖e‖² + λ ‖∇e‖_{1,ε} for e = Ψ(x) - x*, both as means over pixels and channels.

    ∇ takes forward differences along both axes, and ‖v‖_{1,ε} = Σ (√(|v|² + ε²) - ε).

    Source: equation (52).

    Args:
        found: Ψ(x), (batch, channels, H, W).
        clean: x*.

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

    Args:
        network: images -> images; it is moved to the device and edited.
        setting: of the training.
        rate: the first step size.
        seed: of the images.
        device: where to train; images are drawn on the processor.

    Raises:
        FloatingPointError: if an error is not finite.

    Example:
        >>> setting = Setting(width=0, batch=2, iterations=4, runs=1, every=2, held_out=2)
        >>> len(trained(nn.Conv2d(3, 3, 1), setting, rate=0.01, seed=0).errors)
        2
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = tuple(t.to(device) for t in _pairs(setting, setting.held_out, generator))
    network.to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=_FACTOR, patience=_PATIENCE
    )
    losses: list[Tensor] = []
    errors: list[float] = []
    seconds = 0.0
    for k in range(1, setting.iterations + 1):
        clean, noised = (t.to(device) for t in _crops(setting, generator))
        begin = time.process_time()
        loss = objective(network(noised), clean)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds += time.process_time() - begin
        losses.append(loss.detach())
        if k % setting.every == 0:
            errors.append(_error(network, *held_out))
            schedule.step(errors[-1])
    return Trained(network, torch.stack(losses).tolist(), errors, seconds)


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
    """Return the objective on held-out images.

    Raises:
        FloatingPointError: if it is not finite.
    """
    error = float(objective(network(noised), clean))
    if not torch.tensor(error).isfinite():
        raise FloatingPointError("Expected a finite held-out error; it is NaN or infinite.")
    return error
