"""Images to reconstruct, and those that networks learn from and weights are tuned on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.data import brain_slice, photographs, shepp_logan

TUNING = "motorcycle_left.png"
PHANTOM, BRAIN = "phantom", "brain"


def unseen_images(side: int) -> dict[str, Tensor]:
    """Return images that no network and no weight has seen, (1, 1, side, side) in [0, 1].

    They are the middles of the held-out photographs, the Shepp-Logan phantom, and the T1-weighted
    slice of a brain that comes with dipy, if dipy is installed.
    """
    found = {name.split(".")[0]: x for name, x in photographs("held-out").items()}
    images = {name: middle(x, side) for name, x in found.items()}
    images[PHANTOM] = shepp_logan(side)[None]
    if find_spec("dipy") is not None:
        images[BRAIN] = F.interpolate(brain_slice()[None], size=(side, side), mode="area")
    return images


def training_images() -> Mapping[str, Tensor]:
    """Return the photographs that networks learn from, name to (1, height, width)."""
    return photographs("training")


def tuning_image(side: int) -> Tensor:
    """Return the image that weights are tuned on, (1, 1, side, side)."""
    return middle(photographs("training")[TUNING], side)


def crops(images: Mapping[str, Tensor], side: int, generator: torch.Generator) -> Tensor:
    """Return a random square of a random image, turned at random, (1, 1, side, side)."""
    names = [name for name, x in images.items() if min(x.shape[1:]) >= side]
    image = images[names[int(torch.randint(len(names), (), generator=generator))]]
    top, left = (
        int(torch.randint(size - side + 1, (), generator=generator)) for size in image.shape[1:]
    )
    square = image[None, :, top : top + side, left : left + side]
    return square.rot90(int(torch.randint(4, (), generator=generator)), dims=(2, 3))


def middle(image: Tensor, side: int) -> Tensor:
    """Return the middle of an image (1, height, width), (1, 1, side, side)."""
    top, left = ((size - side) // 2 for size in image.shape[1:])
    return image[None, :, top : top + side, left : left + side]
