"""The report of an experiment: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from reproductions.common.result import Result

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ it.title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6672; --paper: #fdfdfc;
  --line: #d9dee3; --good: #1a7f37; --bad: #c9302c; --card: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b1;
  --paper: #14171a; --line: #333a41; --good: #57c27a; --bad: #ff7b72; --card: #1d2226; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.4rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; }
p, figcaption, dd { color: var(--soft); }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.35rem 0.7rem; border-bottom: 1px solid var(--line); }
figure { margin: 1.4rem 0; }
figure img { width: 100%; display: block; border-radius: 4px; background: white; }
figcaption { font-size: 0.85rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 0.2rem 1rem;
  background: var(--card); padding: 1rem; border-radius: 6px; }
dt { display: inline; font-weight: 600; } dd { display: inline; margin: 0 0 0 0.4rem; }
</style>
</head>
<body>
<h1>{{ it.title }}</h1>
<p>{{ it.lead }}</p>
{% if it.holds -%}
<p class="good">All {{ it.statements | length }} statements hold.</p>
{%- else -%}
<p class="bad">{{ it.refuted | length }} of {{ it.statements | length }} statements are refuted. \
See below which.</p>
{%- endif %}
<div class="scroll"><table>
<thead><tr><th>Statement</th><th>Measured</th><th></th></tr></thead>
<tbody>
{%- for each in it.statements %}
<tr><td>{{ each.text }}</td><td>{{ each.measured }}</td>
{%- if each.holds %}<td class="good">holds</td>
{%- else %}<td class="bad">REFUTED</td>{% endif %}</tr>
{%- endfor %}
</tbody></table></div>
{%- for path, caption in it.figures.items() %}
<figure><img alt="{{ caption }}" src="data:image/png;base64,{{ pixels(path) }}">
<figcaption>{{ caption }}</figcaption></figure>
{%- endfor %}
<h2>Numbers</h2>
<dl>
{%- for name, value in it.numbers.items() %}
<div><dt>{{ name }}</dt><dd>{{ "%.6g" | format(value) }}</dd></div>
{%- endfor %}
</dl>
</body>
</html>
"""


def to_html(result: Result) -> str:
    """Return the page, with styles and pictures inside, no script and nothing to fetch."""
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return page.render(it=result, pixels=_pixels)


def _pixels(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
