"""The tables from the paper to the library: every row full, and what they name is there."""

import importlib
import re
from pathlib import Path

import pytest

from reproductions import EXPERIMENTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "paper.md"
ROWS = [
    (heading, [cell.strip() for cell in line.strip("|").split("|")])
    for heading, part in re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    for line in part.splitlines()
    if line.startswith("|") and not line.startswith(("| section", "| source", "| heading", "|---"))
]
SECTIONS = (
    *("1.1", "1.2", "2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.2.3", "2.3", "3", "3.1.1"),
    *("3.1.2", "3.2", "3.3", "4.1", "4.1.1", "4.1.2", "4.1.3", "4.2.1", "4.2.2", "4.2.3", "5"),
    *("5.1.1", "5.1.2", "5.1.3", "5.2", "6", "6.1", "6.2.1", "6.2.2", "6.3"),
)
FIGURES = [f"Figure {n}" for n in range(1, 5)]


def there(name):
    """Whether a name of the library, or a command, is there."""
    if name.startswith("python -m reproductions "):
        return name.split()[3] in (*EXPERIMENTS, "list", "all")
    room, _, attribute = name.partition(".")
    return hasattr(importlib.import_module(f"darboux.{room}"), attribute)


def test_every_row_is_full_and_names_what_is_there():
    assert len(ROWS) > 80
    for heading, (source, what, here, test) in ROWS:
        names = re.findall("`([^`]+)`", here)
        assert source, what
        if "not yet" not in here:
            assert names, f"nothing is named for {source}: {what}"
        missing = [name for name in names if not there(name)]
        assert not missing, f"{source}, {what}: {missing} is not there"
        if names:
            assert test != "-", f"no test is named for {source}: {what}"
        else:
            assert heading == "The reading list", f"{source}: {what} has to be there"


@pytest.mark.parametrize(
    "test", sorted({t for row in ROWS for t in re.findall("`(.+?)`", row[1][3])})
)
def test_named_tests_are_there(test):
    file, _, function = test.partition("::")
    content = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {function}(" in content if function else "def test_" in content


def test_every_section_and_figure_has_a_row():
    sources = " | ".join(cells[0] for _, cells in ROWS).replace(",", " ").split()
    assert not set(SECTIONS) - set(sources)
    text = PAGE.read_text(encoding="utf-8")
    assert not [figure for figure in FIGURES if f"{figure} |" not in text]


def test_every_open_problem_has_a_page_with_its_parts():
    folder = ROOT / "docs" / "open-problems"
    problems = "2.4.1 2.4.2 2.4.3 3.4.1 3.4.2 3.4.3 4.3.1 4.3.2 5.3.1 5.3.2 5.3.3 6.4.1 6.4.2 6.4.3"
    index = (folder / "index.md").read_text(encoding="utf-8")
    for problem in problems.split():
        page = (folder / f"{problem.replace('.', '-')}.md").read_text(encoding="utf-8")
        assert f"]({problem.replace('.', '-')}.md)" in index
        for part in ("The question", "What is here", "What was measured", "To repeat it"):
            assert f"\n## {part}\n" in page, f"{problem} does not say: {part}"
