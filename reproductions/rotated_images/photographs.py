"""Denoising of rotated photographs: the networks, their training, and what they reach."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.data import noisy, photographs
from darboux.models import equivariant_nonexpansive_denoiser, unconstrained_denoiser
from darboux.solvers import descend
from darboux.symmetry import Cyclic
from darboux.training import psnr
from reproductions.common.sizes import parameter_count
from reproductions.rotated_images.digits import turned

SIGMA = 25 / 255
PLAIN, AUGMENTED = "ordinary", "ordinary, augmented"
CONTRACTIVE, BOTH = "nonexpansive", "nonexpansive and equivariant"
TURNS = (0, 90, 180, 270)
DIAGONAL = 45
_GREY = 0.5  # the networks see images about zero


@dataclass(frozen=True)
class Practice:
    """How long a denoiser is trained, and on how much it is judged."""

    steps: int  # of Adam with a one-cycle schedule
    patch: int = 32  # side of the patches
    batch: int = 8  # patches of a step
    side: int = 160  # of the middle of each held-out photograph
    depth: int = 4  # steps of each flow


def networks(depth: int) -> Mapping[str, tuple[Callable[[], nn.Module], float, bool]]:
    """Return what builds each network, its learning rate, and whether patches are turned."""
    free = partial(unconstrained_denoiser, features=8, units=8, depth=depth, shuffle=1)
    single = partial(
        equivariant_nonexpansive_denoiser,
        group=Cyclic(1),
        fields=["regular"] * 8,
        units=["regular"] * 16,
        steps=depth,
    )
    four = partial(equivariant_nonexpansive_denoiser, group=Cyclic(4), steps=depth)
    return {
        PLAIN: (free, 3e-3, False),
        AUGMENTED: (free, 3e-3, True),
        CONTRACTIVE: (single, 1e-2, False),
        BOTH: (four, 1e-2, False),
    }


@dataclass(frozen=True)
class Denoiser:
    """A trained denoiser."""

    network: nn.Module  # in evaluation mode, of images about zero
    seconds: float  # of processor time that training took
    psnr: Mapping[int, float]  # by the angle of the photographs in degrees, in dB, the mean of all

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return parameter_count(self.network)


def denoisers(practice: Practice, *, seed: int) -> dict[str, Denoiser]:
    """Train all networks on upright patches, and judge them on turned photographs."""
    images = list(photographs("training").values())
    judged = views(practice.side)
    return {
        name: _denoiser(build, images, judged, practice, rate, seed, augmented=augmented)
        for name, (build, rate, augmented) in networks(practice.depth).items()
    }


def views(side: int) -> dict[int, list[tuple[Tensor, Tensor]]]:
    """Return pairs (noisy, clean) of held-out photographs by their angle in degrees.

    Quarter turns move noise and pixels together, exactly. By 45° the photograph is turned by
    interpolation and new noise added.
    """
    whole = [_middle(photo[None], 2 * side) for photo in photographs("held-out").values()]
    upright = [_pair(_middle(photo, side), seed) for seed, photo in enumerate(whole)]
    found = {
        angle: [(_quarters(x, angle // 90), _quarters(y, angle // 90)) for x, y in upright]
        for angle in TURNS
    }
    found[DIAGONAL] = [
        _pair(turned(photo, math.radians(DIAGONAL), side=side), seed)
        for seed, photo in enumerate(whole)
    ]
    return found


def _quarters(image: Tensor, count: int) -> Tensor:
    """Return an image after a number of quarter turns."""
    return torch.rot90(image, count, dims=(2, 3))


def _pair(clean: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    return noisy(clean, sigma=SIGMA, seed=seed), clean


def _middle(image: Tensor, side: int) -> Tensor:
    """Return the middle square of an image, (1, channels, side, side) at most."""
    side = min(side, *image.shape[2:])
    top, left = ((n - side) // 2 for n in image.shape[2:])
    return image[:, :, top : top + side, left : left + side]


@torch.no_grad()
def cleaned(network: nn.Module, image: Tensor) -> Tensor:
    """Return the denoised image, which the network sees less the middle grey."""
    found: Tensor = network(image - _GREY) + _GREY
    return found


def _denoiser(
    build: Callable[[], nn.Module],
    images: list[Tensor],
    judged: Mapping[int, list[tuple[Tensor, Tensor]]],
    practice: Practice,
    rate: float,
    seed: int,
    *,
    augmented: bool,
) -> Denoiser:
    """Train a network, and judge it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        begin = time.process_time()
        _train(network, images, practice, rate, augmented=augmented)
        seconds = time.process_time() - begin
    network.eval()
    found = {
        angle: sum(psnr(cleaned(network, x), y) for x, y in pairs) / len(pairs)
        for angle, pairs in judged.items()
    }
    return Denoiser(network, seconds, found)


def _train(
    network: nn.Module, images: list[Tensor], practice: Practice, rate: float, *, augmented: bool
) -> None:
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=practice.steps)

    def loss(clean: Tensor) -> Tensor:
        noise = SIGMA * torch.randn(clean.shape)
        return F.mse_loss(network(clean + noise - _GREY), clean - _GREY)

    network.train()
    batches = (_patches(images, practice, augmented=augmented) for _ in range(practice.steps))
    descend(adam, loss, batches, schedule=schedule)


def _patches(images: list[Tensor], practice: Practice, *, augmented: bool) -> Tensor:
    """Return the patches of a step, (batch, channels, side, side)."""
    clean = torch.stack([_patch(images, practice.patch) for _ in range(practice.batch)])
    return torch.rot90(clean, int(torch.randint(4, ())), dims=(2, 3)) if augmented else clean


def _patch(images: list[Tensor], side: int) -> Tensor:
    """Return an upright patch of one of the images, (channels, side, side)."""
    image = images[int(torch.randint(len(images), ()))]
    top, left = (int(torch.randint(n - side + 1, ())) for n in image.shape[1:])
    return image[:, top : top + side, left : left + side]
