"""A denoiser and regularisers that come trained with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

from safetensors.torch import load_file

from darboux.imaging._denoisers import NonexpansiveDenoiser
from darboux.imaging._ridge import RidgeRegularizer
from darboux.models import denoiser
from darboux.structure._arguments import checked
from darboux.symmetry import Dihedral

_WEIGHTS = Path(__file__).with_name("weights")

_SIZES = ("channels", "features", "units", "depth", "shuffle", "kernel_size", "fraction", "metric")


@overload
def pretrained(name: Literal["crr", "wcrr"]) -> RidgeRegularizer: ...


@overload
def pretrained(name: Literal["averaged"]) -> NonexpansiveDenoiser: ...


@checked
def pretrained(
    name: Literal["crr", "wcrr", "averaged"],
) -> RidgeRegularizer | NonexpansiveDenoiser:
    """Return a regulariser, or a denoiser, of grey images that comes trained with the package.

    "crr" is convex and "wcrr" 1-weakly convex, so that denoising stays a convex problem up to
    the weight 1. Both are invariant under quarter turns and reflections. "averaged" is a chain of
    contractive steps for plug-and-play methods. They were trained by denoising scikit-image's
    photographs with noise of 25/255:

    - ``darboux train regularizer --weak 0 --sharpness 200 --penalty 5 --filters 64 --steps 2000``
    - ``darboux train regularizer --filters 64 --steps 1500``
    - ``darboux train denoise --no-twin --steps 2400``

    The settings and the certificate of each stand beside its weights. What they promise holds
    whatever the weights are, and `certify` attacks it.

    Shapes: x is (batch, 1, height, width).

    Source: sections 2.2.1 and 3.2; Goujon et al. 2023 and 2024.

    Args:
        name: "crr", "wcrr" or "averaged".

    Raises:
        ValueError: if there is none of that name.

    Example:
        >>> import torch, darboux as dx
        >>> prior = dx.imaging.pretrained("wcrr")
        >>> prior.weak_convexity() <= 1, sum(p.numel() for p in prior.parameters())
        (True, 656)
    """
    settings = json.loads((_WEIGHTS / f"{name}.json").read_text())
    tensors = load_file(_WEIGHTS / f"{name}.safetensors")
    if name == "averaged":
        chain = denoiser(**{size: settings[size] for size in _SIZES})
        chain.load_state_dict(tensors)
        return NonexpansiveDenoiser(chain, sigma=settings["sigma"]).eval()
    prior = regularizer_of(settings)
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
