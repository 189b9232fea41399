"""The page that a report is poured into: one file, no scripts, light and dark."""

STYLE = """
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
strong { color: var(--ink); }
.verdict { font-weight: 600; color: var(--good); }
.verdict.refuted { color: var(--bad); }
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
"""

PAGE = """<!doctype html>
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
<h2>Held-out images</h2>
<p>No network was trained on them. Crops of {side} × {side} pixels, where each image has
the most detail; the numbers are the PSNR of the whole image.</p>
{strips}
<h2>Peak signal-to-noise ratio</h2>
<div class="scroll">{table}</div>
<p>{parameters} Total variation has its weight ({weight:.4g}) tuned on the training images.</p>
<h2>Training</h2>
<div class="curves"><div>{loss}</div><div>{quality}</div></div>
<h2>Certificate</h2>
<div class="scroll">{certificate}</div>
{contrast}
<h2>Settings</h2>
<dl>{settings}</dl>
<h2>Made with</h2>
<dl>{versions}</dl>
</body>
</html>
"""

CONTRAST = """<h2>The same attacks on the unconstrained network</h2>
<p>It promises nothing. Said to be nonexpansive all the same, a quick round of attacks {found}
it.</p>
<div class="scroll">{certificate}</div>"""
