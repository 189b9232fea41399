"""The growing file of evaluations, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from darboux.training.files import write_text


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
