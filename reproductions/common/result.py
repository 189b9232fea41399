"""What an experiment found: numbers, figures, and statements beside their measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reproductions.common.refuted import RefutedError


@dataclass(frozen=True)
class Statement:
    """A sentence that an experiment puts to the test, and what was measured.

    Args:
        text: what is said to hold.
        measured: what was found, in words and numbers.
        holds: whether it does hold.

    Example:
        >>> Statement("the norm is at least 1", "1.3", holds=True).holds
        True
    """

    text: str
    measured: str
    holds: bool = field(kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of an experiment.

    Args:
        title: of the report.
        lead: what is shown, in a sentence or two.
        numbers: what was measured, by name.
        statements: what the paper says, beside what was measured.
        figures: the picture files that were written, each with its caption.

    Example:
        >>> found = Statement("1 + 1 = 2", "2", holds=True)
        >>> result = Result(
        ...     title="Sums", lead="One sum.", numbers={"sum": 2}, statements=[found], figures={}
        ... )
        >>> result.holds, result.files
        (True, ())
    """

    title: str
    lead: str
    numbers: Mapping[str, float]
    statements: Sequence[Statement]
    figures: Mapping[Path, str]

    @property
    def holds(self) -> bool:
        """Whether every statement holds."""
        return all(statement.holds for statement in self.statements)

    @property
    def files(self) -> tuple[Path, ...]:
        """The pictures that were written."""
        return tuple(self.figures)

    def in_folder(self, folder: Path) -> Result:
        """Return the result with the same pictures in another folder."""
        return replace(self, figures={folder / p.name: text for p, text in self.figures.items()})

    def require(self) -> None:
        """Do nothing if every statement holds.

        Raises:
            RefutedError: naming those that do not.
        """
        failed = [statement for statement in self.statements if not statement.holds]
        if failed:
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
