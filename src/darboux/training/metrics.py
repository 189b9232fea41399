"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor


def psnr(estimate: Tensor, clean: Tensor) -> float:
    """Return the peak signal-to-noise ratio 10 log₁₀(1 / mean (estimate - clean)²), in dB.

    The peak is 1; nothing is clipped; the mean is taken in float64 over all entries.

    Args:
        estimate: an image in [0, 1], of any shape.
        clean: the true image, of the same shape.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> round(psnr(torch.full((1, 8, 8), 0.1), torch.zeros(1, 8, 8)), 6)
        20.0
    """
    if estimate.shape != clean.shape:
        raise ValueError(
            "Expected an estimate of the shape of the clean image; got "
            f"{tuple(estimate.shape)} and {tuple(clean.shape)}."
        )
    error = (estimate.double() - clean.double()).square().mean()
    return float(-10 * torch.log10(error))
