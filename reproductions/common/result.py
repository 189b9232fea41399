"""The result of an experiment: numbers, figures, and statements beside their measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


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
    numbers: Mapping[str, float]  # what was measured, by name
    statements: Sequence[Statement]  # what the paper says, beside what was measured
    figures: Mapping[Path, str]  # the picture files that were written, each with its caption

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

    def to_dict(self) -> dict[str, Any]:
        """Return numbers and statements as JSON holds them."""
        return {
            "title": self.title,
            "holds": self.holds,
            "numbers": dict(self.numbers),
            "statements": [
                {"text": s.text, "measured": s.measured, "holds": s.holds} for s in self.statements
            ],
            "figures": [path.name for path in self.figures],
        }

    def __str__(self) -> str:
        """Return the statements as a short table."""
        lines = [self.title]
        for statement in self.statements:
            mark = "holds  " if statement.holds else "REFUTED"
            lines.append(f"  {mark}  {statement.text}: {statement.measured}")
        return "\n".join(lines)
