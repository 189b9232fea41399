"""Regularisers that come trained with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import load_file

from darboux.imaging._ridge import RidgeRegularizer
from darboux.structure._arguments import checked
from darboux.symmetry import Dihedral

Pretrained = Literal["crr", "wcrr"]

_WEIGHTS = Path(__file__).with_name("weights")


@checked
def pretrained(name: Pretrained) -> RidgeRegularizer:
    """Return a regulariser of grey images that comes trained with the package.

    "crr" is convex and "wcrr" 1-weakly convex, so that denoising stays a convex problem up to
    the weight 1. Both are invariant under quarter turns and reflections. They were trained by
    denoising scikit-image's photographs with noise of 25/255:

    - ``darboux train regularizer --weak 0 --sharpness 200 --penalty 5 --filters 64 --steps 2000``
    - ``darboux train regularizer --filters 64 --steps 1500``

    The settings and the certificate of each stand beside its weights. What they promise holds
    whatever the weights are, and `certify` attacks it.

    Shapes: x is (batch, 1, height, width).

    Source: section 3.2; Goujon et al. 2023 and 2024.

    Args:
        name: "crr" or "wcrr".

    Raises:
        ValueError: if there is none of that name.

    Example:
        >>> import torch, darboux as dx
        >>> prior = dx.imaging.pretrained("wcrr")
        >>> prior.weak_convexity() <= 1, sum(p.numel() for p in prior.parameters())
        (True, 656)
    """
    prior = regularizer_of(json.loads((_WEIGHTS / f"{name}.json").read_text()))
    tensors = load_file(_WEIGHTS / f"{name}.safetensors")
    prior.load_state_dict({key.removeprefix("prior."): value for key, value in tensors.items()})
    return prior.eval()


def regularizer_of(settings: Mapping[str, Any]) -> RidgeRegularizer:
    """Return an untrained regulariser of the settings of a training."""
    return RidgeRegularizer(
        settings["channels"],
        filters=settings["filters"],
        kernel_size=settings["kernel_size"],
        weak=settings["weak"],
        sharpness=settings["sharpness"],
        levels=(settings["sigma"],),
        group=Dihedral(4 if settings["turns"] else 2),
    )
