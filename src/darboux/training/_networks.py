"""The networks of a denoising run, built from its settings."""

from __future__ import annotations

import torch
from torch import nn

from darboux.models import denoiser, unconstrained_denoiser
from darboux.training._config import DenoiseConfig


def build_network(name: str, config: DenoiseConfig) -> nn.Module:
    """Return a freshly initialised network; its weights follow from the seed of the settings.

    Args:
        name: "model", nonexpansive by construction, or "twin", the same without the structure.
        config: the settings.

    Raises:
        ValueError: if there is no network of that name, or a setting is refused by it.

    Example:
        >>> config = DenoiseConfig(features=8, units=8, depth=2)
        >>> build_network("model", config)(torch.rand(1, 1, 16, 16)).shape
        torch.Size([1, 1, 16, 16])
    """
    makers = {"model": _model, "twin": _twin}
    if name not in makers:
        raise ValueError(f"Expected network 'model' or 'twin'; got {name!r}.")
    # Forked, so that neither the caller's random numbers nor the order of building matter.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return makers[name](config)


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
        metric="rows" if config.metric == "rows" else "norm",
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
