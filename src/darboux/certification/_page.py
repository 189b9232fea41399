"""Certificates as a fragment of HTML that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from darboux.certification._environment import Environment
from darboux.certification._finding import Level, Row
from darboux.certification._summary import Group, gap_lines, group, number, verdict
from darboux.structure import Gap, Kind

_TITLES: tuple[tuple[Level, str], ...] = (
    ("claim", "Claims about the whole map"),
    ("part", "Claims about its parts"),
    ("premise", "Premises"),
)

_STYLE = (
    ".darboux-certificate{font:14px/1.5 system-ui,sans-serif;color:#1a1a1a}"
    ".darboux-certificate table{border-collapse:collapse;width:100%}"
    ".darboux-certificate th,.darboux-certificate td{text-align:left;padding:.3em .7em;"
    "border-bottom:1px solid #ddd;vertical-align:top}"
    ".darboux-certificate .n{text-align:right;font-variant-numeric:tabular-nums}"
    ".darboux-certificate small{color:#555}"
    ".darboux-certificate .refuted{color:#a40000;font-weight:600}"
    ".darboux-certificate .skipped{color:#7a5b00}"
)


def page(rows: Sequence[Row], gaps: Sequence[Gap], environment: Environment) -> str:
    """Return a certificate as HTML, everything escaped."""
    parts = ['<section class="darboux-certificate">', f"<style>{_STYLE}</style>"]
    parts += _head(rows, environment)
    for level, title in _TITLES:
        members = [row for row in rows if row.level == level]
        if members:
            parts += _section(title, members)
    if gaps:
        parts.append("<h3>Where claims stopped</h3><ul>")
        parts += [f"<li>{escape(p)}: {escape(reason)}</li>" for p, reason in gap_lines(gaps)]
        parts.append("</ul>")
    parts += [*_legend(rows), "</section>"]
    return "\n".join(parts)


def _head(rows: Sequence[Row], made: Environment) -> list[str]:
    css = ' class="refuted"' if any(row.refuted for row in rows) else ""
    facts = (
        f"input {made.shape} {made.dtype} on {made.device} · effort {made.effort} · seed "
        f"{made.seed} · darboux {made.darboux} · torch {made.torch} · {made.date}"
    )
    return [
        f"<h2>Certificate of {escape(made.module)}</h2>",
        f"<p{css}><strong>{escape(verdict(rows))}</strong></p>",
        f"<p><small>{escape(facts)}<br>state {escape(made.fingerprint)}</small></p>",
    ]


def _section(title: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"<h3>{escape(title)}</h3><table><thead><tr><th>what</th><th>where</th>"
    yield '<th class="n">measured</th><th class="n">allowed</th><th>status</th></tr></thead><tbody>'
    for members in group(rows):
        yield _line(members)
    yield "</tbody></table>"


def _line(members: Group) -> str:
    row = members.worst
    css = {"refuted": ' class="refuted"', "not attacked": ' class="skipped"'}.get(row.status, "")
    known = "" if row.kind is None else f"{row.kind.name}: {row.reason}"
    tried = (
        f"tried {row.tried} in {row.dtype}; tolerance {number(row.tolerance)}" if row.tried else ""
    )
    small = "<br>".join(escape(text) for text in (known, tried, row.note) if text)
    return (
        f"<tr><td>{escape(members.title)}<br><small>{small}</small></td>"
        f"<td>{escape(members.places)}</td>"
        f'<td class="n">{number(row.measured)}</td><td class="n">{number(row.claimed)}</td>'
        f"<td{css}>{escape(row.status)}</td></tr>"
    )


def _legend(rows: Sequence[Row]) -> Iterator[str]:
    yield "<p><small>"
    for kind in sorted({row.kind for row in rows if row.kind is not None}, reverse=True):
        yield f"{Kind(kind).name}: {escape(Kind(kind).explain())}.<br>"
    yield "not refuted: no attack found a counterexample; that alone proves nothing.</small></p>"
