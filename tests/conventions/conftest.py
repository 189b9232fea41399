"""What the rules run over: source files, modules, public objects, pages, tracked files."""

import importlib
import inspect
import pkgutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"darboux": ROOT / "src" / "darboux", "reproductions": ROOT / "reproductions"}


@cache
def sources():
    """Every source file, "darboux/linear/_conv.py" -> its path."""
    return {
        str(path.relative_to(package.parent)): path
        for package in PACKAGES.values()
        for path in sorted(package.rglob("*.py"))
    }


@cache
def modules():
    """Every module, by its dotted name."""
    packages = [importlib.import_module(name) for name in PACKAGES]
    found = {package.__name__: package for package in packages}
    for package in packages:
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith("__main__"):
                found[info.name] = importlib.import_module(info.name)
    return found


def rooms():
    """Every room of the library: the packages inside darboux that list public names."""
    return {
        name.removeprefix("darboux."): module
        for name, module in modules().items()
        if name.count(".") == 1 and hasattr(module, "__all__") and name.startswith("darboux.")
    }


def publics():
    """Every class and function that the library lists as public, each once."""
    listed = [modules()["darboux"], *rooms().values()]
    things = (getattr(module, name) for module in listed for name in module.__all__)
    return {
        f"{thing.__module__}.{thing.__qualname__}": thing
        for thing in things
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and "darboux" in thing.__module__
    }


def classes():
    """Every class that is defined in a module of ours."""
    return {
        f"{module.__name__}.{name}": thing
        for module in modules().values()
        for name, thing in inspect.getmembers(module, inspect.isclass)
        if thing.__module__ == module.__name__
    }


def tracked():
    """Every text file that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = {name: ROOT / name for name in sorted(set(listed.stdout.splitlines()))}
    return {name: p for name, p in paths.items() if p.is_file() and b"\0" not in p.read_bytes()}


@pytest.fixture(name="sources", scope="session")
def _sources():
    return sources()


@pytest.fixture(name="rooms", scope="session")
def _rooms():
    return rooms()


@pytest.fixture(name="publics", scope="session")
def _publics():
    return publics()


@pytest.fixture(name="classes", scope="session")
def _classes():
    return classes()


@pytest.fixture(name="tracked", scope="session")
def _tracked():
    return tracked()
