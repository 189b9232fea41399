"""Digits and photographs that scikit-learn and scikit-image install, with a fixed split."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from darboux.data._pictures import Picture, in_channels

DIGIT_LEVELS = 17

"""A pixel counts the dark ones among 16: 0, ..., 16."""

_SIZES = {"training": 1097, "validation": 200, "test": 500}

_ORDER = 20  # the seed of the split


def digits(split: Literal["training", "validation", "test"] = "training") -> Tensor:
    """Return the images of one part of the fixed split; nothing is downloaded.

    1797 images of 8 x 8 pixels with 17 levels are shuffled once: 1097 to train on, 200 to choose
    by, and 500 to judge by. Writers occur in all parts, since the file does not name them.

    Shapes: (images, 1, 8, 8), int64, with values 0, ..., 16.

    Source: Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI.

    Args:
        split: "training", "validation" or "test".

    Raises:
        ModuleNotFoundError: if scikit-learn is not installed.
        ValueError: if `split` is none of the three names.
        FileNotFoundError: if the installed scikit-learn lacks the file.

    Example:
        >>> digits("test").shape, int(digits().max())
        (torch.Size([500, 1, 8, 8]), 16)
    """
    if split not in _SIZES:
        known = ", ".join(repr(name) for name in _SIZES)
        raise ValueError(f"Expected split to be one of {known}; got {split!r}.")
    missing = (
        "Expected scikit-learn, whose digits are wanted; it is not installed. "
        'Use: pip install "darboux[digits]".'
    )
    file = home("sklearn", missing) / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    levels = torch.from_numpy(table[:, :-1]).to(torch.int64).reshape(-1, 1, 8, 8)
    order = torch.randperm(len(levels), generator=torch.Generator().manual_seed(_ORDER))
    parts = order.split(list(_SIZES.values()))
    return levels[parts[list(_SIZES).index(split)]]


HELD_OUT = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png")

"""The photographs that no network is trained on and no baseline is tuned on.

A portrait, a landscape with fine structure, fur, and a still life with smooth shading: four
subjects, four cameras, none of which occurs among the training photographs.
"""

TRAINING = (
    "brick.png",
    "clock_motion.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)

"""Textures, objects, a workshop, the sky, and microscopy.

Both views of the motorcycle are on this side of the split, since they show one scene. Left out:
line art, scanned text, synthetic pictures, and images of a few pixels.
"""


def photographs(
    split: Literal["training", "held-out"] = "training", *, colour: bool = False
) -> dict[str, Tensor]:
    """Return the photographs of one side of the fixed split; nothing is downloaded.

    Args:
        split: "training" (`TRAINING`) or "held-out" (`HELD_OUT`).
        colour: whether to return three channels; otherwise the luminance.

    Returns:
        Name to photograph, (1, H, W) or (3, H, W), in [0, 1].

    Raises:
        ModuleNotFoundError: if scikit-image is not installed.
        ValueError: if `split` is neither of the two names.
        FileNotFoundError: if the installed scikit-image lacks one of the files.

    Example:
        >>> held_out = photographs("held-out")
        >>> [(name, tuple(image.shape)) for name, image in held_out.items()][1]
        ('camera.png', (1, 512, 512))
    """
    splits = {"training": TRAINING, "held-out": HELD_OUT}
    if split not in splits:
        raise ValueError(f"Expected split 'training' or 'held-out'; got {split!r}.")
    missing = (
        "Expected scikit-image, whose photographs are wanted; it is not installed. "
        'Use: pip install "darboux[images]", or give a folder of your own images.'
    )
    folder = home("skimage", missing) / "data"
    pixels = {name: Picture.open(folder / name).pixels for name in splits[split]}
    return {name: in_channels(image, colour=colour) for name, image in pixels.items()}


def home(module: str, missing: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(missing)
    return Path(spec.origin).parent
