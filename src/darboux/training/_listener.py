"""Progress callbacks of a run, and the log of its evaluations."""

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
        """Take note that another phase begins, which `text` names."""

    def step(self, network: str, done: int, total: int) -> None:
        """Take note that a network has made `done` of its `total` training steps."""

    def evaluation(self, line: Mapping[str, Any]) -> None:
        """Take note of an evaluation, given as its line of ``metrics.jsonl``."""


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
    """A file of JSON lines, one per evaluation; a resumed run drops those it makes again.

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
