"""The handwritten digits that scikit-learn carries in its own wheel, split once and for all."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

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
    table = np.loadtxt(_file(), delimiter=",")
    levels = torch.from_numpy(table[:, :-1]).to(torch.int64).reshape(-1, 1, 8, 8)
    order = torch.randperm(len(levels), generator=torch.Generator().manual_seed(_ORDER))
    parts = order.split(list(_SIZES.values()))
    return levels[parts[list(_SIZES).index(split)]]


def _file() -> Path:
    """Return the file of the digits, without importing scikit-learn."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "Expected scikit-learn, whose digits are wanted; it is not installed. "
            'Use: pip install "darboux[digits]".'
        )
    return Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
