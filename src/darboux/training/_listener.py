"""Who wants to hear how a run gets on; the library itself stays silent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from darboux.training._files import write_text


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


class MetricsLog:
    """A file of JSON lines that only grows, except that a resumed run forgets what it redoes.

    Args:
        path: the file; it need not exist.

    Example:
        >>> import tempfile
        >>> log = MetricsLog(Path(tempfile.mkdtemp()) / "metrics.jsonl")
        >>> log.append({"step": 1})
        >>> log.append({"step": 2})
        >>> log.keep(lambda line: line["step"] < 2)
        >>> log.lines()
        [{'step': 1}]
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line, and hand it to the system at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Return all complete lines; a last one that was cut by a kill is passed over."""
        if not self.path.is_file():
            return []
        *complete, _ = self.path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in complete]

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the lines that are not wanted, atomically.

        Args:
            wanted: whether a line stays.
        """
        lines = [json.dumps(line) + "\n" for line in self.lines() if wanted(line)]
        write_text(self.path, "".join(lines))
