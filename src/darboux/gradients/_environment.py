"""What surrounds an evaluation, so that it can be repeated: autocast, modes, random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn


@final
class Environment:
    """The environment of a forward pass: autocast, and the training mode of every module."""

    def __init__(self, modules: Iterable[nn.Module], device: torch.device) -> None:
        self.device = device
        self.autocast = autocast_dtype(device)
        self.modules = [(module, module.training) for module in modules]

    def uncached(self) -> torch.autocast:
        """Return the same autocast without its cache of weights."""
        # What is cast where no gradients are recorded would be found there later, by those who
        # need its gradient.
        enabled = self.autocast is not None
        return torch.autocast(
            self.device.type, dtype=self.autocast, enabled=enabled, cache_enabled=False
        )

    @contextmanager
    def again(self) -> Iterator[None]:
        """Surround a repetition: what it draws and how it is set leaves no trace."""
        changed = [(m, mode) for m, mode in self.modules if m.training is not mode]
        state = RandomState.now(self.device)
        for module, mode in changed:
            module.training = mode
        try:
            with self.uncached():
                yield
        finally:
            for module, mode in changed:
                module.training = not mode
            state.restore()


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the dtype of autocast on a device, or None where it is off."""
    kind = device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None


@final
@dataclass(frozen=True, eq=False)
class RandomState:
    """The states of the CPU's generator and of a device's."""

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
