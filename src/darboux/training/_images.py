"""The images of a denoising run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor

from darboux.data import Patches, image_folder, noisy, photographs
from darboux.training._config import DenoiseConfig

_NOISE_SEED = 25_000_000  # of the first held-out image; fixed, whatever the seed of the run


def training_images(config: DenoiseConfig) -> dict[str, Tensor]:
    """Return the images to learn from: a folder's, or scikit-image's photographs."""
    colour = config.channels == 3
    if config.images is None:
        return photographs("training", colour=colour)
    return image_folder(config.images, colour=colour, smallest=config.patch)


def held_out_images(config: DenoiseConfig) -> dict[str, Tensor]:
    """Return the images that judge the result: a folder's, or scikit-image's held-out ones."""
    colour = config.channels == 3
    if config.held_out is None:
        return photographs("held-out", colour=colour)
    return image_folder(config.held_out, colour=colour, smallest=16)


def make_patches(config: DenoiseConfig, images: Mapping[str, Tensor]) -> Patches:
    """Return the batches of a run."""
    return Patches(
        images, patch=config.patch, batch=config.batch, sigma=config.sigma, seed=config.seed
    )


def noisy_images(images: Mapping[str, Tensor], *, sigma: float) -> dict[str, Tensor]:
    """Return the images with noise that is the same in every run."""
    return {
        name: noisy(image, sigma=sigma, seed=_NOISE_SEED + number)
        for number, (name, image) in enumerate(images.items())
    }


def fingerprint(images: Mapping[str, Tensor]) -> str:
    """Return a hash of the names and pixels, to notice that a folder has changed."""
    digest = hashlib.sha256()
    for name, image in images.items():
        digest.update(f"{name} {tuple(image.shape)}".encode())
        digest.update(image.contiguous().numpy().tobytes())
    return digest.hexdigest()
