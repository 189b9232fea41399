"""A progress bar for a run, on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_NAMES = {"model": "network", "twin": "unconstrained twin"}


class ProgressBar:
    """A bar for each network, with the last PSNR; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        """Start to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars as they stand."""
        del kind, error, trace
        self._progress.stop()

    def phase(self, text: str) -> None:
        """Say what comes next."""
        self._console.print(text)

    def step(self, network: str, done: int, total: int) -> None:
        """Move the bar of a network."""
        if network not in self._tasks:
            name = _NAMES.get(network, network)
            self._tasks[network] = self._progress.add_task(name, total=total, note="")
        self._progress.update(self._tasks[network], completed=done)

    def evaluation(self, line: Mapping[str, Any]) -> None:
        """Show an evaluation beside the bar, or as a line of its own."""
        note = f"{line['psnr']:.2f} dB"
        if line["network"] in self._tasks:
            self._progress.update(self._tasks[line["network"]], note=note)
        if not self._console.is_terminal:
            name = _NAMES.get(line["network"], line["network"])
            self._console.print(f"{name}: step {line['step']}, loss {line['loss']:.3e}, {note}")
