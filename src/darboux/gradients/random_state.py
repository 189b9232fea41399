"""The state of torch's random number generators, to draw the same numbers again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class RandomState:
    """The states of the CPU's generator and of a device's.

    Example:
        >>> state = RandomState.now(torch.device("cpu"))
        >>> first = torch.rand(2)
        >>> state.restore()
        >>> bool((torch.rand(2) == first).all())
        True
    """

    cpu: Tensor
    device: torch.device
    other: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> RandomState:
        """Return the present states."""
        module = None if device.type == "cpu" else torch.get_device_module(device)
        other = None if module is None else module.get_rng_state(device)
        return cls(torch.get_rng_state(), device, other)

    def restore(self) -> None:
        """Set the generators back to these states."""
        torch.set_rng_state(self.cpu)
        if self.other is not None:
            torch.get_device_module(self.device).set_rng_state(self.other, self.device)

    def same(self, other: RandomState) -> bool:
        """Return whether nothing was drawn in between."""
        if not torch.equal(self.cpu, other.cpu):
            return False
        if self.other is None or other.other is None:
            return True
        return torch.equal(self.other, other.other)
