"""Who wants to hear how a run gets on; the library itself stays silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Listener(Protocol):
    """Receives the progress of a run; only the main process calls it.

    Example:
        >>> listener: Listener = Silent()
        >>> listener.step("model", 3, 100)
    """

    def phase(self, text: str) -> None:
        """Hear that another phase begins, in words."""

    def step(self, network: str, done: int, total: int) -> None:
        """Hear that a network has made so many of its training steps."""

    def evaluation(self, line: Mapping[str, Any]) -> None:
        """Hear of an evaluation: what `metrics.jsonl` gets."""


class Silent:
    """A listener that does nothing.

    Example:
        >>> Silent().phase("training")
    """

    def phase(self, text: str) -> None:
        """Ignore a phase."""
        del text

    def step(self, network: str, done: int, total: int) -> None:
        """Ignore a step."""
        del network, done, total

    def evaluation(self, line: Mapping[str, Any]) -> None:
        """Ignore an evaluation."""
        del line
