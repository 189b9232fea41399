"""What a denoiser is trained to make small."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]
_EPSILON = 1e-3  # where Charbonnier's loss turns from quadratic to linear, in units of the image


def loss_named(name: str) -> Loss:
    """Return a loss (estimate, clean) -> mean over all entries, by its name.

    Args:
        name: "mse", (a - b)²; "l1", |a - b|; "charbonnier", √((a - b)² + ε²), ε = 10⁻³.

    Raises:
        ValueError: if there is no loss of that name.

    Example:
        >>> float(loss_named("l1")(torch.zeros(2), torch.ones(2)))
        1.0
    """
    losses: dict[str, Loss] = {
        "mse": functional.mse_loss,
        "l1": functional.l1_loss,
        "charbonnier": _charbonnier,
    }
    if name not in losses:
        raise ValueError(f"Expected a loss among {', '.join(losses)}; got {name!r}.")
    return losses[name]


def _charbonnier(estimate: Tensor, clean: Tensor) -> Tensor:
    """Return the mean of √((a - b)² + ε²)."""
    return torch.sqrt((estimate - clean).square() + _EPSILON**2).mean()
