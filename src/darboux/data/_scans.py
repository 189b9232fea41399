"""Pictures of what scanners see: a phantom of a head, and a slice of one."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from darboux.data._bundled import home
from darboux.structure._arguments import Count, checked

# Brightness, half axes, centre, and turn in degrees of ten ellipses in [-1, 1]², Toft 1996.
_ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)

_FINE = 4  # samples of a pixel along each axis


@checked
def shepp_logan(size: Count = 128) -> Tensor:
    """Return the phantom of a head by Shepp and Logan, with the contrasts of Toft.

    Pixels at the border of an ellipse are averaged.

    Shapes: (1, size, size), float32, in [0, 1].

    Source: Shepp and Logan 1974; Toft 1996, appendix B.

    Args:
        size: edge of the image in pixels.

    Example:
        >>> image = shepp_logan(64)
        >>> image.shape, round(float(image[0, 32, 32]), 4), float(image[0, 0, 0])
        (torch.Size([1, 64, 64]), 0.2, 0.0)
    """
    along = (torch.arange(size * _FINE, dtype=torch.float64) + 0.5) / (size * _FINE) * 2 - 1
    x, y = along, -along[:, None]
    total = torch.zeros(size * _FINE, size * _FINE, dtype=torch.float64)
    for brightness, a, b, u, v, turn in _ELLIPSES:
        c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        first, second = (x - u) * c + (y - v) * s, (y - v) * c - (x - u) * s
        total += brightness * ((first / a) ** 2 + (second / b) ** 2 <= 1)
    return torch.nn.functional.avg_pool2d(total[None], _FINE).float().clamp(0, 1)


def brain_slice() -> Tensor:
    """Return the T1-weighted slice of a head, coronal, that dipy installs; nothing is downloaded.

    Shapes: (1, 256, 256), float32, in [0, 1].

    Raises:
        ModuleNotFoundError: if dipy is not installed.
        FileNotFoundError: if the installed dipy lacks the file.

    Example:
        >>> from importlib.util import find_spec
        >>> find_spec("dipy") is None or tuple(brain_slice().shape) == (1, 256, 256)
        True
    """
    missing = (
        "Expected dipy, whose T1 slice is wanted; it is not installed. "
        'Use: pip install "darboux[diffusion]".'
    )
    pixels = np.load(home("dipy", missing) / "data" / "files" / "t1_coronal_slice.npy")
    return torch.from_numpy(pixels).float()[None].clamp(0, 1)
