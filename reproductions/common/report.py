"""The page of experiments: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from darboux._palette import COLOURS
from reproductions.common.result import Result
from reproductions.common.tracks import Tracks

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6672; --paper: #fdfdfc;
  --line: #d9dee3; --good: #1a7f37; --bad: #c9302c; --card: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b1;
  --paper: #14171a; --line: #333a41; --good: #57c27a; --bad: #ff7b72; --card: #1d2226; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.4rem 0; }
h2 { font-size: 1.3rem; margin: 3rem 0 0.4rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 0.4rem; }
p, figcaption, dd, summary, .unit { color: var(--soft); }
a { color: inherit; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.35rem 0.7rem; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; min-width: 4.5rem; }
figure { margin: 1.4rem 0; }
figure img { max-width: 100%; display: block; border-radius: 4px; background: white; }
figcaption { font-size: 0.85rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 0.2rem 1rem;
  background: var(--card); padding: 1rem; border-radius: 6px; overflow-wrap: anywhere; }
dt { display: inline; font-weight: 600; } dd { display: inline; margin: 0 0 0 0.4rem; }
.tracks { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem; }
.tracks figure { margin: 0; background: var(--card); border-radius: 6px; padding: 0.8rem; }
.tracks svg { width: 100%; height: auto; display: block; }
.tracks text { fill: var(--soft); font-size: 9px; }
.tracks rect { fill: none; stroke: var(--line); }
.tracks label { display: flex; gap: 0.6rem; align-items: center; }
.tracks input { flex: 1; min-width: 0; height: 2rem; }
.tracks output { font-variant-numeric: tabular-nums; min-width: 6rem; }
@media (prefers-color-scheme: dark) { .tracks svg { filter: brightness(1.4); } }
@media (max-width: 40rem) { body { padding: 1rem; } th, td { padding: 0.3rem 0.4rem; } }
"""

_SCRIPT = """
"use strict";
const COLOURS = __COLOURS__;
const MARKS = ["M-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0", "M-2.3-2.3h4.6v4.6h-4.6z",
  "M0-3.2L2.9 2.2H-2.9z", "M0-3.4L3.4 0L0 3.4L-3.4 0z", "M0 3.2L2.9-2.2H-2.9z",
  "M-1-3h2v2h2v2h-2v2h-2v-2h-2v-2h2z"];
const SVG = "http://www.w3.org/2000/svg";
function make(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return parent.appendChild(made);
}
function show(figure) {
  const tracks = JSON.parse(figure.querySelector("script").textContent);
  const svg = figure.querySelector("svg"), slider = figure.querySelector("input");
  const all = tracks.states.flat(), low = [0, 1].map(i => Math.min(...all.map(x => x[i])));
  const high = [0, 1].map(i => Math.max(...all.map(x => x[i])));
  const size = Math.max(high[0] - low[0], high[1] - low[1], 1e-9);
  const place = x => [0, 1].map(i => (x[i] - (low[i] + high[i]) / 2) / size).map((v, i) =>
    (i ? 110 - 200 * v : 124 + 200 * v).toFixed(2));
  make(svg, "rect", {x: 18, y: 4, width: 212, height: 212});
  const round = v => String(Number(v.toPrecision(2)));
  for (const i of [0, 1]) for (const end of [-0.5, 0.5]) {
    const at = (low[i] + high[i]) / 2 + end * size;
    make(svg, "text", i ? {x: 15, y: 113 - 200 * end, "text-anchor": "end"} :
      {x: 124 + 200 * end, y: 226, "text-anchor": "middle"}, round(at));
  }
  const points = tracks.classes.map(c => make(svg, "path",
    {d: MARKS[c], fill: COLOURS[c], "fill-opacity": 0.85}));
  const move = () => {
    const k = Number(slider.value);
    points.forEach((p, i) =>
      p.setAttribute("transform", `translate(${place(tracks.states[k][i])})`));
    figure.querySelector("output").value =
      `${tracks.along} ${tracks.layers[k]} of ${tracks.layers.at(-1)}`;
  };
  slider.addEventListener("input", move);
  move();
}
document.querySelectorAll(".tracks figure").forEach(show);
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ title }}</h1>
{%- if results | length + failures | length > 1 %}
<div class="scroll"><table>
<thead><tr><th>Experiment</th><th>Statements</th><th></th></tr></thead>
<tbody>
{%- for name, it in results.items() %}
<tr><td><a href="#{{ name }}">{{ it.title }}</a></td><td>{{ it.statements | length }}</td>
{%- if it.holds %}<td class="good">hold</td>
{%- else %}<td class="bad">{{ it.refuted | length }} REFUTED</td>{% endif %}</tr>
{%- endfor %}
{%- for name, reason in failures.items() %}
<tr><td>{{ name }}</td><td>{{ reason }}</td><td class="bad">FAILED</td></tr>
{%- endfor %}
</tbody></table></div>
{%- endif %}
{%- for name, it in results.items() %}
<section id="{{ name }}">
{%- if it.title != title %}
<h2>{{ it.title }}</h2>
{%- endif %}
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
{%- if it.tracks %}
<h3>Points on their way: move the slider</h3>
<div class="tracks">
{%- for what, its in it.tracks.items() %}
<figure><figcaption>{{ what }}</figcaption>
<svg viewBox="-16 0 252 230" role="img" aria-label="{{ what }}"></svg>
<label><input type="range" min="0" max="{{ its.layers | length - 1 }}" step="1" value="0"
aria-label="{{ its.along }}"><output></output></label>
<script type="application/json">{{ data(its) }}</script></figure>
{%- endfor %}
</div>
{%- endif %}
{%- for path, caption in it.figures.items() %}
<figure><img alt="{{ caption }}" src="data:image/png;base64,{{ pixels(path) }}">
<figcaption>{{ caption }}</figcaption></figure>
{%- endfor %}
{%- for head, of in {"Numbers": it.numbers, "What it cost": it.costs}.items() if of %}
<details><summary>{{ head }}</summary>
<dl>
{%- for what, value in of.items() %}
<div><dt>{{ what }}</dt><dd>{{ "%.6g" | format(value) }}</dd></div>
{%- endfor %}
</dl></details>
{%- endfor %}
</section>
{%- endfor %}
{%- if moving %}
<script>{{ script }}</script>
{%- endif %}
</body>
</html>
"""


def to_html(
    title: str, results: Mapping[str, Result], failures: Mapping[str, str] | None = None
) -> str:
    """Return the page of results by name, with styles, pictures and tracks inside.

    It fetches nothing. A script, where points move, does nothing else.
    """
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return page.render(
        title=title,
        results=results,
        failures=failures or {},
        style=Markup(_STYLE),
        script=Markup(_SCRIPT.replace("__COLOURS__", json.dumps(COLOURS))),
        moving=any(each.tracks for each in results.values()),
        pixels=lambda path: base64.b64encode(Path(path).read_bytes()).decode(),
        data=_data,
    )


def _data(tracks: Tracks) -> Markup:
    """Return tracks as JSON that no script element ends on."""
    return Markup(json.dumps(vars(tracks)).replace("<", "\\u003c"))
