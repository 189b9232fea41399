"""The code blocks of README and of the documentation run as they stand."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from darboux.certification import Effort, _target

ROOT = Path(__file__).parents[2]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]
BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Return the Python blocks of a page, each with its first line number."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        indent = len(found[1])
        code = "\n".join(line[indent:] for line in found[2].splitlines())
        yield text[: found.start()].count("\n") + 1, code


# torch's exporter to ONNX uses a function of its own that it deprecates
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page, tmp_path, monkeypatch, request):
    """Blocks of one page share their names, as a reader would type them.

    Certificates of normal effort are made with little effort, or as they stand with --slow.
    """
    if not request.config.getoption("--slow"):
        monkeypatch.setitem(_target._EFFORTS, "normal", Effort.named("quick"))
    monkeypatch.chdir(tmp_path)
    script = ModuleType(f"page_{page.stem}")  # a module, so that classes of a page pickle
    monkeypatch.setitem(sys.modules, script.__name__, script)
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), vars(script))


def test_readme_has_the_first_six_lines():
    """Guard against a page that passes because it shows nothing."""
    assert any("certificate.holds" in code for _, code in blocks(ROOT / "README.md"))
