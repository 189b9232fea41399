"""One version, told the same everywhere, and every dependency pinned."""

import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = metadata.version("darboux")
REQUIRED = sorted({re.match(r"[\w.-]+", line)[0] for line in metadata.requires("darboux")})


@pytest.mark.parametrize("name", ["CITATION.cff", "CHANGELOG.md", "pyproject.toml"])
def test_file_names_the_version(name):
    assert VERSION in (ROOT / name).read_text()


@pytest.mark.parametrize("package", REQUIRED)
def test_dependency_is_pinned(package):
    pins = (ROOT / "constraints.txt").read_text()
    assert re.search(rf"^{re.escape(package)}==", pins, re.MULTILINE | re.IGNORECASE)


def test_torch_is_pinned_to_one_version():
    assert re.search(r"^torch==2\.13\.0$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
