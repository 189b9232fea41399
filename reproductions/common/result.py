"""The result of an experiment: numbers, figures, and statements beside their measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reproductions.common.tracks import Tracks

METRICS = "metrics.json"
_TRACKS = "tracks.json"


class RefutedError(RuntimeError):
    """A statement was measured and does not hold."""


@dataclass(frozen=True)
class Statement:
    """A sentence that an experiment puts to the test, and what was measured."""

    text: str  # what is said to hold
    measured: str  # what was found, in words and numbers
    holds: bool = field(kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of an experiment."""

    title: str  # of the report
    lead: str  # what is shown, in a sentence or two
    numbers: Mapping[str, float]  # what was measured, by name: the same in each run with one seed
    statements: Sequence[Statement]  # what the paper says, beside what was measured
    figures: Mapping[Path, str]  # the picture files that were written, each with its caption
    costs: Mapping[str, float] = field(default_factory=dict)  # seconds, and what follows from them
    tracks: Mapping[str, Tracks] = field(default_factory=dict)  # points that move with depth

    @property
    def refuted(self) -> list[Statement]:
        """The statements that do not hold."""
        return [statement for statement in self.statements if not statement.holds]

    @property
    def holds(self) -> bool:
        """Whether every statement holds."""
        return not self.refuted

    @property
    def files(self) -> tuple[Path, ...]:
        """The pictures that were written."""
        return tuple(self.figures)

    def in_folder(self, folder: Path) -> Result:
        """Return the result with the same pictures in another folder."""
        return replace(self, figures={folder / p.name: text for p, text in self.figures.items()})

    def require(self) -> None:
        """Raise `RefutedError`, naming the statements that do not hold, if there are any."""
        if failed := self.refuted:
            head = f"{self.title}: {len(failed)} of {len(self.statements)} statements refuted."
            raise RefutedError("\n".join([head, *(f"  {s.text}: {s.measured}" for s in failed)]))

    def write(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write ``metrics.json``, with what the run was about, and ``tracks.json`` if any."""
        content = {
            **about,
            "title": self.title,
            "lead": self.lead,
            "holds": self.holds,
            "numbers": dict(self.numbers),
            "costs": dict(self.costs),
            "statements": [vars(statement) for statement in self.statements],
            "figures": {path.name: caption for path, caption in self.figures.items()},
        }
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / METRICS).write_text(text + "\n", encoding="utf-8")
        if self.tracks:
            tracks = {name: vars(its) for name, its in self.tracks.items()}
            (folder / _TRACKS).write_text(json.dumps(tracks, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Result:
        """Return what `write` wrote."""
        content = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        tracks = folder / _TRACKS
        return cls(
            title=content["title"],
            lead=content["lead"],
            numbers=content["numbers"],
            costs=content["costs"],
            statements=[Statement(**each) for each in content["statements"]],
            figures={folder / name: text for name, text in content["figures"].items()},
            tracks={
                name: Tracks(**its)
                for name, its in json.loads(tracks.read_text(encoding="utf-8")).items()
            }
            if tracks.is_file()
            else {},
        )

    def __str__(self) -> str:
        """Return the statements as a short table."""
        lines = [self.title]
        for statement in self.statements:
            mark = "holds  " if statement.holds else "REFUTED"
            lines.append(f"  {mark}  {statement.text}: {statement.measured}")
        return "\n".join(lines)
