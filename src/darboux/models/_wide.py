"""Wide states where autocast computes in few digits."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn


@final
class Wide(nn.Module):
    """The identity, which under autocast turns half precision into float32.

    What a chain adds up step after step, and takes off again, needs more digits than the
    sub-networks that autocast lets run in few.

    Example:
        >>> Wide()(torch.ones(1, dtype=torch.bfloat16)).dtype
        torch.bfloat16
        >>> with torch.autocast("cpu"):
        ...     Wide()(torch.ones(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in float32 at least where autocast is on."""
        return x.float() if torch.is_autocast_enabled(x.device.type) and _half(x) else x


def _half(x: Tensor) -> bool:
    return x.dtype in (torch.float16, torch.bfloat16)
