"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from darboux.certification import Certificate
from darboux.training._report_pictures import crops, curves_svg
from darboux.training._settings import Settings

_LABELS = {
    "noisy": "noisy",
    "tv": "total variation",
    "unconstrained": "unconstrained",
}

_ORDER = ("noisy", "model", "tv", "unconstrained")

_TITLES = {
    "denoise": "A denoiser that is {} by construction",
    "regularizer": "A regulariser that is {} by construction",
}

_VERDICTS = {
    "holds": "The certificate holds: every claim was attacked, and none was refuted.",
    "refuted": "The certificate is refuted: at least one claim failed. See below which.",
    "undecided": "The certificate is undecided: not everything could be attacked. See below what.",
}

_SIDE = 128

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6672; --paper: #fdfdfc;
  --line: #d9dee3; --good: #1a7f37; --bad: #c9302c; --open: #7a5b00; --card: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b1;
  --paper: #14171a; --line: #333a41; --good: #57c27a; --bad: #ff7b72; --open: #e6c35c;
  --card: #1d2226; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.4rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; }
p, figcaption, dd { color: var(--soft); }
strong { color: var(--ink); }
.verdict { font-weight: 600; color: var(--good); }
.verdict.refuted { color: var(--bad); }
.verdict.undecided { color: var(--open); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.35rem 0.7rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
tr.mean td { font-weight: 600; border-top: 2px solid var(--line); }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.6rem;
  margin-bottom: 1.2rem; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 4px; image-rendering: pixelated; }
figcaption { font-size: 0.85rem; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
.curves svg { width: 100%; height: auto; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 0.2rem 1rem;
  background: var(--card); padding: 1rem; border-radius: 6px; }
dt { display: inline; font-weight: 600; } dd { display: inline; margin: 0 0 0 0.4rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>Gaussian noise of σ = {{ "%.4g" | format(255 * config.sigma) }}/255, mean over
{{ table | length }} held-out images:
{% for method, label in methods.items() %}
{{ label }} <strong>{{ "%.2f" | format(metrics["psnr_" + method]) }} dB</strong>
{{- "." if loop.last else "," }}
{% endfor %}
</p>
{% if metrics.twin_diverged is not none %}
<p>There is no unconstrained network to compare with. {{ metrics.twin_diverged }}</p>
{% endif %}
<p class="verdict {{ certificate.verdict }}">{{ verdicts[certificate.verdict] }}</p>
<h2>Held-out images</h2>
<p>No network was trained on them. Crops of {{ side }} × {{ side }} pixels, where each image has
the most detail; the numbers are the PSNR of the whole image.</p>
{% for name, values in table.items() %}
<div class="strip">
{% set urls = crops(images, name, side=side) %}
{% for method in methods | list + ["clean"] %}
{% set caption = "clean, " + name if method == "clean" else
   "%s, %.2f dB" | format(methods[method], values[method]) %}
<figure><img alt="{{ caption }}" src="{{ urls[method] }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endfor %}
<h2>Peak signal-to-noise ratio</h2>
<div class="scroll"><table>
<thead><tr><th>dB</th>
{%- for label in methods.values() %}<th>{{ label }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, values in table.items() %}
<tr><td>{{ name }}</td>
{%- for method in methods %}<td>{{ "%.2f" | format(values[method]) }}</td>{% endfor %}</tr>
{% endfor %}
<tr class="mean"><td>mean</td>
{%- for method in methods %}<td>{{ "%.2f" | format(metrics["psnr_" + method]) }}</td>{% endfor -%}
</tr>
</tbody></table></div>
<p>
{% for name, count in metrics.parameters.items() %}
The {{ networks[name] }} network has {{ "{:,}".format(count) }} parameters and was trained for
{{ "%.0f" | format(metrics.seconds[name]) }} s.
{% endfor %}
Total variation has its weight ({{ "%.4g" | format(metrics.tv_weight) }}) tuned on the training
images.</p>
<h2>Training</h2>
<div class="curves">{% for curve in curves %}<div>{{ curve | safe }}</div>{% endfor %}</div>
<h2>Certificate</h2>
<div class="scroll">{{ certificate.to_html() | safe }}</div>
{% if contrast is not none %}
<h2>The same attacks on the unconstrained network</h2>
<p>It promises nothing. Said to be nonexpansive all the same, a quick round of attacks
{{ "refuted" if contrast.verdict == "refuted" else "did not refute" }} it.</p>
<div class="scroll">{{ contrast.to_html() | safe }}</div>
{% endif %}
{% for title, pairs in lists.items() %}
<h2>{{ title }}</h2>
<dl>
{%- for name, value in pairs.items() -%}
<div><dt>{{ name }}</dt><dd>{{ "%.6g" | format(value) if value is float else value }}</dd></div>
{%- endfor -%}
</dl>
{% endfor %}
</body>
</html>
"""


def report_html(
    metrics: Mapping[str, Any],
    *,
    config: Settings,
    lines: Sequence[Mapping[str, Any]],
    images: Mapping[str, Mapping[str, Tensor]],
    certificate: Certificate,
    contrast: Certificate | None,
) -> str:
    """Return the page; `images` are method (or "clean") to name to image."""
    from jinja2 import Environment, StrictUndefined

    templates = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    labels = {**_LABELS, "model": config.label}
    return templates.from_string(_PAGE).render(
        metrics=metrics,
        table=metrics["images"],
        config=config,
        title=_TITLES[config.task].format(config.label),
        methods={method: labels[method] for method in _ORDER if method in images},
        networks={"model": config.label, "twin": _LABELS["unconstrained"]},
        images=images,
        crops=crops,
        side=_SIDE,
        curves=curves_svg(lines, label=config.label, total_variation=metrics["psnr_tv"]),
        certificate=certificate,
        verdicts=_VERDICTS,
        contrast=contrast,
        lists={
            "Settings": config.to_dict(),
            "Made with": {**metrics["versions"], **metrics["machine"]},
        },
    )
