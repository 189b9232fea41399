"""The images, batches and networks that the settings of a run describe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from darboux.data import Patches, image_folder, noisy, photographs
from darboux.fields._gradient import Metric
from darboux.imaging._bilevel import BilevelDenoiser, Derivative
from darboux.imaging._pretrained import regularizer_of
from darboux.models import denoiser, unconstrained_denoiser
from darboux.training._config import DenoiseConfig
from darboux.training._regularizer_config import RegularizerConfig
from darboux.training._settings import Settings

_NOISE_SEED = 25_000_000  # of the first held-out image; fixed, whatever the seed of the run


def training_images(config: Settings) -> dict[str, Tensor]:
    """Return the images to learn from: a folder's, or scikit-image's photographs."""
    colour = config.channels == 3
    if config.images is None:
        return photographs("training", colour=colour)
    return image_folder(config.images, colour=colour, smallest=config.patch)


def held_out_images(config: Settings) -> dict[str, Tensor]:
    """Return the images for evaluation: a folder's, or scikit-image's held-out photographs."""
    colour = config.channels == 3
    if config.held_out is None:
        return photographs("held-out", colour=colour)
    return image_folder(config.held_out, colour=colour, smallest=16)


def make_patches(config: Settings, images: Mapping[str, Tensor]) -> Patches:
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
    """Return a hash of names and values, to notice that a folder or a file has changed."""
    digest = hashlib.sha256()
    for name, image in images.items():
        digest.update(f"{name} {tuple(image.shape)}".encode())
        digest.update(image.contiguous().numpy().tobytes())
    return digest.hexdigest()


def build_network(name: str, config: Settings) -> nn.Module:
    """Return a freshly initialised network; its weights follow from the seed of the settings.

    Args:
        name: "model", with structure by construction, or "twin", the same without it.
        config: the settings.

    Raises:
        ValueError: if there is no network of that name, or a setting is refused by it.

    Example:
        >>> config = DenoiseConfig(features=8, units=8, depth=2)
        >>> build_network("model", config)(torch.rand(1, 1, 16, 16)).shape
        torch.Size([1, 1, 16, 16])
    """
    makers: dict[tuple[str, type], Callable[[Any], nn.Module]] = {
        ("model", DenoiseConfig): _model,
        ("twin", DenoiseConfig): _twin,
        ("model", RegularizerConfig): _bilevel,
    }
    if (name, type(config)) not in makers:
        known = " or ".join(repr(n) for n, kind in makers if kind is type(config))
        raise ValueError(f"Expected network {known}; got {name!r}.")
    # Forked, so that neither the caller's random numbers nor the order of building matter.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return makers[name, type(config)](config)


def _model(config: DenoiseConfig) -> nn.Module:
    """Return the network that is nonexpansive by construction."""
    return denoiser(
        channels=config.channels,
        features=config.features,
        units=config.units,
        depth=config.depth,
        shuffle=config.shuffle,
        kernel_size=config.kernel_size,
        threshold=config.threshold,
        fraction=config.fraction,
        metric=cast("Metric", config.metric),
    )


def _twin(config: DenoiseConfig) -> nn.Module:
    """Return the network of the same size without the structure."""
    return unconstrained_denoiser(
        channels=config.channels,
        features=config.features,
        units=config.units,
        depth=config.depth,
        shuffle=config.shuffle,
        kernel_size=config.kernel_size,
    )


def _bilevel(config: RegularizerConfig) -> BilevelDenoiser:
    """Return the denoiser that minimises an energy with a learned regulariser."""
    prior = regularizer_of(config.to_dict())
    with torch.no_grad():  # steps of Adam do not scale with the weights, which are scaled anyway
        prior.bank.weight.mul_(config.filters**0.5)
    return BilevelDenoiser(
        prior,
        iterations=config.iterations,
        penalty=config.penalty,
        derivative=cast("Derivative", config.derivative),
    )
