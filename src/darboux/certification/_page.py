"""Certificates as a fragment of HTML that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence

from darboux.certification._environment import Environment
from darboux.certification._finding import Row
from darboux.certification._summary import gap_lines, kinds, missing, number, sections, verdict
from darboux.structure import Gap

_TEMPLATE = """\
<section class="darboux-certificate">
<style>
.darboux-certificate{font:14px/1.5 system-ui,sans-serif;overflow-x:auto;
--bad:#a40000;--open:#7a5b00}
@media (prefers-color-scheme:dark){.darboux-certificate{--bad:#ff8a80;--open:#e6c35c}}
.darboux-certificate table{border-collapse:collapse;width:100%}
.darboux-certificate th,.darboux-certificate td{text-align:left;padding:.3em .7em;
border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent);vertical-align:top}
.darboux-certificate .n{text-align:right;font-variant-numeric:tabular-nums}
.darboux-certificate small{opacity:.75}
.darboux-certificate .refuted{color:var(--bad);font-weight:600}
.darboux-certificate .open{color:var(--open)}
</style>
<h2>Certificate of {{ made.module }}</h2>
<p{% if mark %} class="{{ mark }}"{% endif %}><strong>{{ verdict }}</strong></p>
<p><small>input {{ made.shape }} {{ made.dtype }} on {{ made.device }} · effort {{ made.effort }} ·
seed {{ made.seed }} · darboux {{ made.darboux }} · torch {{ made.torch }} ·
{{ made.date }}<br>state {{ made.fingerprint }}</small></p>
{% if missing %}
<h3>What is missing</h3>
<ul>{% for sentence in missing %}<li>{{ sentence }}</li>{% endfor %}</ul>
{% endif %}
{% for title, groups in sections %}
<h3>{{ title }}</h3>
<table><thead><tr><th>what</th><th>where</th><th class="n">measured</th><th class="n">allowed</th>
<th>status</th></tr></thead><tbody>
{% for group in groups %}
{% set row = group.worst %}
<tr><td>{{ group.title }}<br><small>
{%- for line in group.details %}{{ line }}{% if not loop.last %}<br>{% endif %}{% endfor -%}
</small></td>
<td>{{ group.places }}</td>
<td class="n">{{ row.measured | number }}</td><td class="n">{{ row.claimed | number }}</td>
<td{% if row.open or row.refuted %} class="{{ "open" if row.open else "refuted" }}"{% endif %}>
{{- row.status }}</td></tr>
{% endfor %}
</tbody></table>
{% endfor %}
{% if gaps %}
<h3>Where claims stopped</h3>
<ul>{% for places, reason in gaps %}<li>{{ places }}: {{ reason }}</li>{% endfor %}</ul>
{% endif %}
<p><small>
{% for kind in kinds %}{{ kind.name }}: {{ kind.explain() }}.<br>
{% endfor %}
not refuted: no attack found a counterexample; that alone proves nothing.</small></p>
</section>"""


def page(rows: Sequence[Row], gaps: Sequence[Gap], environment: Environment) -> str:
    """Return a certificate as HTML, everything escaped."""
    from jinja2 import Environment as Templates
    from jinja2 import StrictUndefined

    templates = Templates(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["number"] = number
    lacking = missing(rows, gaps)
    refuted = any(row.refuted for row in rows)
    return templates.from_string(_TEMPLATE).render(
        made=environment,
        verdict=verdict(rows, gaps),
        mark="refuted" if refuted else "open" if lacking else "",
        missing=lacking,
        sections=sections(rows),
        gaps=gap_lines(gaps),
        kinds=kinds(rows),
    )
