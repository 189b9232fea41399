"""The training of the networks without guarantee."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from darboux.data import Patches
from darboux.solvers import descend
from darboux.training import DenoiseConfig, OneCycle, Trainer, build_network, loss_named
from reproductions.image_reconstruction.data import crops, training_images
from reproductions.image_reconstruction.methods import AVERAGED, FREE
from reproductions.image_reconstruction.problems import Problem

SIGMA = 25 / 255


@dataclass(frozen=True)
class Setting:
    """Sizes."""

    side: int  # of the images
    measured: int  # side of the images on which theorems are measured
    denoising: int  # steps of the training of both denoisers
    learning: int  # iterations of the training of a network for one problem; 0 for none
    iterations: int  # with denoisers
    long: int  # iterations in which the unconstrained denoiser has time to diverge
    problems: tuple[str, ...] = ()  # all if empty
    images: tuple[str, ...] = ()  # all if empty
    tunes: bool = True  # whether the numbers of methods are tuned
    width: int = 16  # channels of a network for one problem
    steps: int = 6  # and its steps


def denoisers(setting: Setting, *, seed: int) -> dict[str, nn.Module]:
    """Return denoisers with structure and without, trained as ``darboux train denoise`` does."""
    names = {AVERAGED: "model", FREE: "twin"}
    return {name: _denoiser(role, setting.denoising, seed=seed) for name, role in names.items()}


def _denoiser(role: str, steps: int, *, seed: int) -> nn.Module:
    config = DenoiseConfig(steps=steps, seed=seed)
    network = build_network(role, config)
    patches = Patches(
        training_images(), patch=config.patch, batch=config.batch, sigma=config.sigma, seed=seed
    )
    peak = config.lr if role == "model" else config.twin_lr
    trainer = Trainer(
        network,
        patches,
        schedule=OneCycle(peak=peak, steps=steps, warmup=config.warmup),
        loss=loss_named(config.loss),
        accelerator=Accelerator(cpu=True),
    )
    trainer.advance(steps)
    return network.eval().requires_grad_(requires_grad=False)


def for_problem(
    network: nn.Module, problem: Problem, setting: Setting, *, seed: int
) -> Callable[[Tensor], Tensor]:
    """Train a network for one operator, on squares of the training photographs."""
    generator, images = torch.Generator().manual_seed(seed), training_images()
    squares = (crops(images, setting.side, generator) for _ in range(setting.learning))
    batches = ((problem.data(x, seed=2 + k), x) for k, x in enumerate(squares))

    def loss(pair: tuple[Tensor, Tensor]) -> Tensor:
        return (network(pair[0]) - pair[1]).square().mean()

    return _trained(network, loss, batches, setting.learning, rate=2e-3)


def _trained(
    network: nn.Module,
    loss: Callable[[tuple[Tensor, Tensor]], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    iterations: int,
    *,
    rate: float,
) -> nn.Module:
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, iterations)
    descend(optimiser, loss, batches, schedule=schedule)
    return network.eval().requires_grad_(requires_grad=False)
