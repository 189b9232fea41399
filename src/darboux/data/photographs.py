"""The photographs that scikit-image carries in its own wheel, split once and for all."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from torch import Tensor

from darboux.data.picture import Picture, grey

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
    folder = _folder()
    pixels = {name: Picture.open(folder / name).pixels for name in splits[split]}
    return {name: _channels(image, colour=colour) for name, image in pixels.items()}


def _channels(pixels: Tensor, *, colour: bool) -> Tensor:
    """Return three channels or the luminance."""
    return pixels.expand(3, -1, -1).contiguous() if colour else grey(pixels)


def _folder() -> Path:
    """Return the folder of scikit-image's data, without importing scikit-image."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "Expected scikit-image, whose photographs are wanted; it is not installed. "
            'Use: pip install "darboux[images]", or give a folder of your own images.'
        )
    return Path(spec.origin).parent / "data"
