"""The page of experiments in a browser, where there is one: no errors, and points that move."""

import json
import re
import shutil
import subprocess

import pytest
import torch
from PIL import Image

from reproductions import Result, Statement
from reproductions.common.report import to_html
from reproductions.common.tracks import Tracks

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")

# moves the slider as a reader does, and leaves what it sees in the page
PROBE = """
<script>
const before = [], after = [], places = figure =>
  [...figure.querySelectorAll("path")].map(p => p.getAttribute("transform"));
for (const figure of document.querySelectorAll(".tracks figure")) {
  const slider = figure.querySelector("input");
  before.push([places(figure), figure.querySelector("output").value]);
  slider.value = slider.max;
  slider.dispatchEvent(new Event("input"));
  after.push([places(figure), figure.querySelector("output").value]);
}
document.body.innerHTML = "";
const seen = {before, after, errors};
document.body.textContent = "SEEN" + JSON.stringify(seen) + "SEEN";
</script>
"""
ERRORS = "<script>const errors = []; window.onerror = text => errors.push(text);</script>"


def opened(page, folder):
    """Return the body of a page in a browser after its scripts, and what its console said."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *(f"--user-data-dir={folder / 'profile'}", "--allow-file-access-from-files", "--dump-dom"),
    ]
    done = subprocess.run(
        [*command, file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


@pytest.fixture
def page(tmp_path):
    Image.new("RGB", (900, 300)).save(tmp_path / "a.png")
    states = torch.linspace(0, 1, 12)[:, None, None] * torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    space = torch.rand(5, 300, 3)
    result = Result(
        title="Moving </script> points",
        lead="They move.",
        numbers={"one": 1},
        statements=[Statement("1 < 2", "yes " * 40, holds=True)],
        figures={tmp_path / "a.png": "black"},
        tracks={
            "straight": Tracks.of(states, torch.tensor([0, 1])),
            "</script> in space": Tracks.of(space, torch.arange(300) % 6, along="step"),
        },
    )
    return to_html("All", {"one": result, "two": result})


def test_sliders_move_the_points_and_the_console_is_silent(page, tmp_path):
    probed = page.replace("<head>", f"<head>{ERRORS}").replace("</body>", f"{PROBE}</body>")
    content, console = opened(probed, tmp_path)
    seen = json.loads(content.split("SEEN")[-2])
    assert console == []
    assert seen["errors"] == []
    assert len(seen["before"]) == 4
    (first, said), (last, then) = seen["before"][0], seen["after"][0]
    assert first == ["translate(124.00,210.00)"] * 2  # both points begin at the origin
    assert last == ["translate(224.00,210.00)", "translate(24.00,10.00)"]
    assert (said, then) == ("layer 0 of 11", "layer 11 of 11")
    (first, _), (last, then) = seen["before"][1], seen["after"][1]
    assert len(first) == 200
    assert all(a != b for a, b in zip(first, last, strict=True))
    assert then == "step 4 of 4"


def test_nothing_is_wider_than_a_telephone(page, tmp_path):
    (tmp_path / "inner.html").write_text(page, encoding="utf-8")
    measure = "'SEEN' + this.contentDocument.documentElement.scrollWidth + 'SEEN'"
    frame = f'<body><iframe src="inner.html" width="360" onload="p.textContent = {measure}">'
    content, console = opened(f'{frame}</iframe><p id="p"></p></body>', tmp_path)
    assert console == []
    assert int(content.split("SEEN")[-2]) <= 360
