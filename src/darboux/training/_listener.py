"""Progress callbacks of a run, and the log of its evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec

from darboux.data._files import append_bytes, write_bytes
from darboux.training._files import checked, json_bytes, parsed


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


class _Evaluation(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the log."""

    network: str
    step: Annotated[int, msgspec.Meta(ge=0)]
    loss: float
    psnr: float | None  # None: infinite
    seconds: Annotated[float, msgspec.Meta(ge=0)]


class MetricsLog:
    """A file of JSON lines, one per evaluation; a resumed run drops those it makes again.

    A line has a network, a step, the loss, the PSNR (null where it is infinite), and the seconds.

    Args:
        path: the file; it need not exist.

    Example:
        >>> import tempfile
        >>> log = MetricsLog(Path(tempfile.mkdtemp()) / "metrics.jsonl")
        >>> for step in (1, 2):
        ...     log.append({"network": "a", "step": step, "loss": 0.1, "psnr": 20.0, "seconds": 3})
        >>> log.keep(lambda line: line["step"] < 2)
        >>> log.lines()
        [{'network': 'a', 'step': 1, 'loss': 0.1, 'psnr': 20.0, 'seconds': 3.0}]
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line, and wait until the disk has it.

        Args:
            line: network, step, loss, psnr and seconds.

        Raises:
            ValueError: if a key is missing, unknown, or of another type.
            OSError: if the disk is full; the file is as before.
        """
        content = json_bytes(line) + b"\n"
        checked(parsed(content, where="a line"), _Evaluation, where=f"a line for {self.path}")
        append_bytes(self.path, content)

    def lines(self) -> list[dict[str, Any]]:
        """Return all complete lines; a last one that was cut by a kill is passed over.

        Raises:
            ValueError: if a line is damaged.
        """
        if not self.path.is_file():
            return []
        *complete, _ = self.path.read_bytes().split(b"\n")
        return [self._line(number, line) for number, line in enumerate(complete, 1)]

    def _line(self, number: int, content: bytes) -> dict[str, Any]:
        """Return a line, checked."""
        where = f"line {number} of {self.path}"
        line = checked(parsed(content, where=where), _Evaluation, where=where)
        return msgspec.structs.asdict(line)

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the lines that are not wanted, and one that was cut by a kill, atomically.

        Args:
            wanted: whether a line stays.
        """
        lines = [json_bytes(line) + b"\n" for line in self.lines() if wanted(line)]
        write_bytes(self.path, b"".join(lines))
