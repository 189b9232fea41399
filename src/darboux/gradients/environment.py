"""What surrounds an evaluation, so that it can be repeated: autocast, modes, random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import nn

from darboux.gradients.random_state import RandomState


@final
class Environment:
    """The environment of a forward pass: autocast, and the training mode of every module.

    Args:
        modules: all that take part, parts of modules included.
        device: where the features live.

    Example:
        >>> layer = torch.nn.Dropout()
        >>> then = Environment([layer], torch.device("cpu"))
        >>> _ = layer.eval()
        >>> with then.again():
        ...     layer.training
        True
    """

    def __init__(self, modules: Iterable[nn.Module], device: torch.device) -> None:
        self.device = device
        self.autocast = autocast_dtype(device)
        self.modules = [(module, module.training) for module in modules]

    def uncached(self) -> torch.autocast:
        """Return the same autocast without its cache of weights.

        What is cast where no gradients are recorded would be found there later, by those who
        need its gradient.
        """
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
    """Return the dtype of autocast on a device, or None where it is off.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     autocast_dtype(torch.device("cpu"))
        torch.bfloat16
    """
    kind = device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
