"""What training measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class History:
    """What training measured.

    Args:
        loss: the loss of every step, in nats unless another loss was given.
        validation: (step, negative log-likelihood in nats) of held-out data.

    Example:
        >>> History((2.0, 1.0), ()).loss[-1]
        1.0
    """

    loss: tuple[float, ...]
    validation: tuple[tuple[int, float], ...]
