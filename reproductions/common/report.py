"""The report of an experiment: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from darboux.training._report_template import STYLE
from reproductions.common.result import Result, Statement

_STYLE = """
figure { margin: 1.4rem 0; }
figure img { image-rendering: auto; background: white; }
td:last-child, th:last-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
td.good { color: var(--good); font-weight: 600; } td.bad { color: var(--bad); font-weight: 600; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>{lead}</p>
<p class="verdict{verdict_class}">{verdict}</p>
<div class="scroll"><table><thead><tr><th>Statement</th><th>Measured</th><th></th></tr></thead>
<tbody>{statements}</tbody></table></div>
{figures}
<h2>Numbers</h2>
<dl>{numbers}</dl>
</body>
</html>
"""


def to_html(result: Result) -> str:
    """Return the page: styles and pictures inside, no script, nothing to fetch.

    Args:
        result: of an experiment; its picture files are read.

    Example:
        >>> found = Statement("1 + 1 = 2", "2", holds=True)
        >>> result = Result(
        ...     title="Sums", lead="One sum.", numbers={"sum": 2}, statements=[found], figures={}
        ... )
        >>> "1 + 1 = 2" in to_html(result)
        True
    """
    return _PAGE.format(
        title=escape(result.title),
        style=STYLE + _STYLE,
        lead=escape(result.lead),
        verdict=_verdict(result),
        verdict_class="" if result.holds else " refuted",
        statements="\n".join(_row(statement) for statement in result.statements),
        figures="\n".join(_figure(*item) for item in result.figures.items()),
        numbers="".join(_number(*item) for item in result.numbers.items()),
    )


def _verdict(result: Result) -> str:
    """Return what was found, in a sentence."""
    count = len(result.statements)
    if result.holds:
        return f"All {count} statements hold."
    failed = sum(not statement.holds for statement in result.statements)
    return f"{failed} of {count} statements are refuted. See below which."


def _row(statement: Statement) -> str:
    """Return one statement as a row of the table."""
    mark = '<td class="good">holds</td>' if statement.holds else '<td class="bad">REFUTED</td>'
    return f"<tr><td>{escape(statement.text)}</td><td>{escape(statement.measured)}</td>{mark}</tr>"


def _figure(path: Path, caption: str) -> str:
    """Return a picture with its caption, the pixels inside the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    text = escape(caption, quote=True)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _number(name: str, value: float) -> str:
    """Return a number with its name."""
    return f"<div><dt>{escape(name)}</dt><dd>{value:.6g}</dd></div>"
