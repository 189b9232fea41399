"""Certificates for a terminal: fixed width, no colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from darboux.certify.environment import Environment
from darboux.certify.row import Level, Row
from darboux.certify.summary import Group, gap_lines, group, number, verdict
from darboux.structure import Gap, Kind

WIDTH = 100

_STATEMENT = 62
_TITLES: tuple[tuple[Level, str], ...] = (
    ("claim", "Claims about the whole map"),
    ("part", "Claims about its parts"),
    ("premise", "Premises"),
)


def table(rows: Sequence[Row], gaps: Sequence[Gap], environment: Environment) -> str:
    """Return a certificate as text, at most `WIDTH` columns wide.

    Example:
        >>> import torch
        >>> made = Environment.of(torch.nn.Tanh(), torch.zeros(1, 2), effort="quick", seed=0)
        >>> print(table([], [], made).splitlines()[0])
        Certificate of Tanh
    """
    lines = [*_head(rows, environment)]
    for level, title in _TITLES:
        members = [row for row in rows if row.level == level]
        if members:
            lines += ["", *_section(title, members)]
    if gaps:
        lines += ["", "Where claims stopped", "-" * WIDTH]
        for places, reason in gap_lines(gaps):
            lines += _wrapped(f"{places}: {reason}", indent=2)
    lines += ["", *_legend(rows)]
    return "\n".join(line.rstrip() for line in lines)


def _head(rows: Sequence[Row], made: Environment) -> Iterator[str]:
    yield f"Certificate of {made.module}"
    yield "=" * WIDTH
    yield verdict(rows)
    yield (
        f"input {made.shape} {made.dtype} on {made.device} · effort {made.effort} · "
        f"seed {made.seed}"
    )
    yield f"darboux {made.darboux} · torch {made.torch} · {made.date}"
    yield f"state {made.fingerprint}"


def _section(title: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"{title:<{_STATEMENT}} {'measured':>12} {'allowed':>10}  status"
    yield "-" * WIDTH
    for members in group(rows):
        yield from _lines(members)


def _lines(members: Group) -> Iterator[str]:
    row = members.worst
    first, *rest = wrap(members.title, _STATEMENT - 1, subsequent_indent="  ")
    yield (
        f"{first:<{_STATEMENT}} {number(row.measured):>12} {number(row.claimed):>10}  {row.status}"
    )
    yield from rest
    yield from _wrapped(_details(members), indent=4)
    if row.status == "refuted":
        for name, tensor in row.evidence.items():
            size = f"norm {float(tensor.double().norm()):.6g}"
            yield from _wrapped(f"kept: {name}, shape {tuple(tensor.shape)}, {size}", indent=4)


def _details(members: Group) -> str:
    """Return place, kind, reason and what was tried, in one sentence to wrap."""
    row = members.worst
    parts = [members.places]
    if row.kind is not None:
        parts.append(f"{row.kind.name}: {row.reason}")
    if row.tried:
        parts.append(f"tried {row.tried} in {row.dtype}, tolerance {number(row.tolerance)}")
    if row.note:
        parts.append(row.note)
    return " · ".join(parts)


def _legend(rows: Sequence[Row]) -> Iterator[str]:
    for kind in sorted({row.kind for row in rows if row.kind is not None}, reverse=True):
        yield from _wrapped(f"{Kind(kind).name}: {Kind(kind).explain()}", indent=0)
    yield "not refuted: no attack found a counterexample; that alone proves nothing"


def _wrapped(text: str, *, indent: int) -> list[str]:
    space = " " * indent
    return wrap(text, WIDTH, initial_indent=space, subsequent_indent=space)
