"""The wheel holds the whole package and nothing else, and works away from the source."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, **options):
    return subprocess.run(
        [sys.executable, *command], check=True, capture_output=True, text=True, **options
    ).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def test_holds_every_module_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    caches = {path for path in files if any(p.startswith((".", "__py")) for p in path.parts)}
    assert names == {str(path) for path in files - caches}
    assert {"darboux/py.typed", "darboux/testing/__init__.py"} <= names


def test_metadata(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (n for n in archive.namelist() if n.endswith("METADATA"))
    text = archive.read(metadata).decode()
    assert "License-Expression: MIT" in text
    assert "Requires-Python: >=3.11" in text
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_works_away_from_the_source(wheel, tmp_path):
    run("-m", "pip", "install", "-qq", "--no-deps", "--target", str(tmp_path), str(wheel))
    program = (
        "import darboux, darboux.testing, torch; print(darboux.__file__);"
        "darboux.testing.check_gradients(lambda: torch.nn.Linear(2, 2), torch.ones(2, 2))"
    )
    found = run("-c", program, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": ""})
    assert Path(found.strip()).is_relative_to(tmp_path)
