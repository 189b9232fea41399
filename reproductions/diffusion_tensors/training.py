"""The training of denoisers with simulated scans of random tissue."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from darboux.solvers import descend
from reproductions.diffusion_tensors.acquisition import Scan, random_directions, scanned
from reproductions.diffusion_tensors.data import Fields, tissue
from reproductions.diffusion_tensors.denoisers import Denoiser

DIRECTIONS = (6, 12)  # fewest and most
NOISE = (0.05, 0.15)  # its deviation, in units of the signal of white matter without weighting


@dataclass(frozen=True)
class Setting:
    """How denoisers are trained and judged."""

    iterations: int  # of Adam
    subsets: int  # of the directions, for each number of them
    counts: tuple[int, ...]  # numbers of directions
    units: int  # regular fields inside a step of a network of tensors
    steps: int  # of a network
    batch: int = 4  # pieces of tissue of an iteration
    side: int = 10  # voxels of a piece, along each axis
    rate: float = 2e-2  # the largest step size


@dataclass(frozen=True)
class Trained:
    """What was learned, and at what price."""

    denoiser: Denoiser
    losses: list[float]  # of each iteration
    seconds: float  # of processor time


def trained(denoiser: Denoiser, setting: Setting, *, seed: int) -> Trained:
    """Train a denoiser; equal seeds see equal scans, each drawn afresh.

    The loss is the mean over voxels of the distance, in the metric of the coordinates.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(denoiser.network.parameters(), lr=setting.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, setting.rate, setting.iterations)

    def loss(pair: tuple[Tensor, Tensor]) -> Tensor:
        found, target = denoiser.network(pair[0]), pair[1]
        return (found - target).norm(dim=1).mean()

    begin = time.process_time()
    batches = (_example(denoiser, setting, generator) for _ in range(setting.iterations))
    losses = descend(optimiser, loss, batches, schedule=schedule)
    denoiser.network.eval()
    return Trained(denoiser, losses, time.process_time() - begin)


def _example(denoiser: Denoiser, setting: Setting, generator: Generator) -> tuple[Tensor, Tensor]:
    # what a denoiser draws for itself leaves the scans of the others as they are
    own = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))
    least, most = DIRECTIONS
    count = int(torch.randint(least, most + 1, (), generator=generator))
    directions = random_directions(count, generator=generator)
    fields = tissue(setting.batch, side=setting.side, generator=generator)
    low, high = NOISE
    noise = low + (high - low) * torch.rand(setting.batch, generator=generator)
    noisy, clean = scans(fields, directions, noise=noise, generator=generator)
    with torch.no_grad():
        return denoiser.example(noisy, clean, fields.tensors, own)


def scans(
    fields: Fields, directions: Tensor, *, noise: Tensor, generator: Generator
) -> tuple[Scan, Scan]:
    """Return a scan with noise and one without."""
    tensors, unweighted = fields
    noisy = scanned(tensors, unweighted, directions, noise=noise, generator=generator)
    return noisy, scanned(tensors, unweighted, directions, noise=torch.zeros_like(noise))
