"""A certificate as text, and the words and groups of rows that its page has in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import final

from darboux.certification._environment import Environment
from darboux.certification._finding import Level, Row
from darboux.structure import Gap, Kind

_WIDTH = 100

_RULE = "-" * _WIDTH

_STATEMENT = 62

_OPEN = {"not attacked": "was not attacked", "undecided": "is undecided"}

_TITLES: tuple[tuple[Level, str], ...] = (
    ("claim", "Claims about the whole map"),
    ("part", "Claims about its parts"),
    ("premise", "Premises"),
)


@final
@dataclass(frozen=True)
class Group:
    """Rows that say the same about different places."""

    rows: tuple[Row, ...]

    @property
    def worst(self) -> Row:
        """The row that came closest to its limit."""
        return max(self.rows, key=_closeness)

    @property
    def places(self) -> str:
        """The places in short."""
        names = list(dict.fromkeys(row.place for row in self.rows))
        return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"

    @property
    def title(self) -> str:
        """The statement, with its count if there are several."""
        count = len(self.rows)
        statement = self.rows[0].statement
        return statement if count == 1 else f"{count} × {statement}"

    @property
    def details(self) -> list[str]:
        """Kind and reason, what was tried, and the note of the worst row."""
        row = self.worst
        known = "" if row.kind is None else f"{row.kind.name}: {row.reason}"
        limit = f"tolerance {number(row.tolerance)}"
        tried = f"tried {row.tried} in {row.dtype}, {limit}" if row.tried else ""
        return [text for text in (known, tried, row.note) if text]


def sections(rows: Sequence[Row]) -> list[tuple[str, list[Group]]]:
    """Return (title, groups of equal rows) for claims, parts and premises, where there are any."""
    found = [
        (title, _grouped([row for row in rows if row.level == level])) for level, title in _TITLES
    ]
    return [(title, groups) for title, groups in found if groups]


def kinds(rows: Sequence[Row]) -> list[Kind]:
    """Return the kinds that rows have, strongest first."""
    return sorted({row.kind for row in rows if row.kind is not None}, reverse=True)


def _grouped(rows: Sequence[Row]) -> list[Group]:
    """Return rows grouped by statement, kind, reason, status and dtype; refuted ones stay alone."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for k, row in enumerate(rows):
        alone = k if row.refuted else None
        note = row.note if row.open else ""
        key = (row.statement, row.kind, row.reason, row.status, row.dtype, note, alone)
        found.setdefault(key, []).append(row)
    return [Group(tuple(members)) for members in found.values()]


def number(value: float | None) -> str:
    """Return a number for people, "-" for none."""
    return "-" if value is None else f"{value:.6g}"


def verdict(rows: Sequence[Row], gaps: Sequence[Gap]) -> str:
    """Return the sentence on top."""
    refuted = sum(row.refuted for row in rows)
    if refuted:
        return f"REFUTED: {refuted} of {len(rows)} rows have a counterexample"
    left = missing(rows, gaps)
    if left:
        return f"UNDECIDED: {left[0]}" + (f"; {len(left) - 1} more" if left[1:] else "")
    return f"HOLDS: {len(rows)} of {len(rows)} rows attacked, none refuted"


def missing(rows: Sequence[Row], gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Return what keeps attacks that refuted nothing from a conclusion, a sentence each."""
    if any(row.level == "claim" for row in rows):
        return left_open(rows)
    where = "".join(f"; {gap.path or 'whole map'}: {gap.reason}" for gap in gaps[:1])
    return (f"nothing is claimed of the whole map{where}", *left_open(rows))


def left_open(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the rows that were not attacked, or left undecided, with the reason, in words."""
    groups = _grouped([row for row in rows if row.open])
    return tuple(
        f"{row.statement} ({group.places}) {_OPEN.get(row.status, row.status)}: {row.note}"
        for group in groups
        for row in group.rows[:1]
    )


def gap_lines(gaps: Sequence[Gap]) -> list[tuple[str, str]]:
    """Return (places, reason) with equal reasons together."""
    found: dict[str, list[str]] = {}
    for gap in gaps:
        found.setdefault(gap.reason, []).append(gap.path or "whole map")
    return [(_short(places), reason) for reason, places in found.items()]


def _short(places: list[str]) -> str:
    return ", ".join(places) if len(places) <= 3 else f"{places[0]} … {places[-1]}"


def _closeness(row: Row) -> float:
    if row.measured is None or row.claimed is None:
        return float("-inf")
    return row.measured - row.claimed - (row.tolerance or 0.0)


def table(rows: Sequence[Row], gaps: Sequence[Gap], environment: Environment) -> str:
    """Return a certificate as text, at most 100 columns wide."""
    lines = [*_head(rows, gaps, environment)]
    lacking = missing(rows, gaps)
    if lacking:
        lines += ["", "What is missing", _RULE]
        lines += [line for sentence in lacking for line in _wrapped(sentence, indent=2)]
    for title, groups in sections(rows):
        lines += ["", f"{title:<{_STATEMENT}} {'measured':>12} {'allowed':>10}  status", _RULE]
        lines += [line for members in groups for line in _lines(members)]
    if gaps:
        lines += ["", "Where claims stopped", _RULE]
        for places, reason in gap_lines(gaps):
            lines += _wrapped(f"{places}: {reason}", indent=2)
    lines += ["", *_legend(rows)]
    return "\n".join(line.rstrip() for line in lines)


def _head(rows: Sequence[Row], gaps: Sequence[Gap], made: Environment) -> Iterator[str]:
    yield f"Certificate of {made.module}"
    yield "=" * _WIDTH
    yield from _wrapped(verdict(rows, gaps), indent=0)
    yield (
        f"input {made.shape} {made.dtype} on {made.device} · effort {made.effort} · "
        f"seed {made.seed}"
    )
    yield f"darboux {made.darboux} · torch {made.torch} · {made.date}"
    yield f"state {made.fingerprint}"


def _lines(members: Group) -> Iterator[str]:
    row = members.worst
    first, *rest = wrap(members.title, _STATEMENT - 1, subsequent_indent="  ")
    yield (
        f"{first:<{_STATEMENT}} {number(row.measured):>12} {number(row.claimed):>10}  {row.status}"
    )
    yield from rest
    yield from _wrapped(" · ".join([members.places, *members.details]), indent=4)
    if row.status == "refuted":
        for name, tensor in row.evidence.items():
            size = f"norm {float(tensor.double().norm()):.6g}"
            yield from _wrapped(f"kept: {name}, shape {tuple(tensor.shape)}, {size}", indent=4)


def _legend(rows: Sequence[Row]) -> Iterator[str]:
    for kind in kinds(rows):
        yield from _wrapped(f"{kind.name}: {kind.explain()}", indent=0)
    yield "not refuted: no attack found a counterexample; that alone proves nothing"


def _wrapped(text: str, *, indent: int) -> list[str]:
    space = " " * indent
    return wrap(text, _WIDTH, initial_indent=space, subsequent_indent=space)
