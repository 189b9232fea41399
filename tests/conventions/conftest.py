"""What the convention tests run over: source files, public objects, classes, pages."""

import importlib
import inspect
import pkgutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "darboux"


def sources():
    """Every source file of the package, with its path inside the package as its name."""
    return {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}


def modules():
    """Every module of the package."""
    package = importlib.import_module("darboux")
    found = pkgutil.walk_packages(package.__path__, "darboux.")
    names = [info.name for info in found if not info.name.endswith("__main__")]
    return [package, *(importlib.import_module(name) for name in names)]


def ours(thing):
    """Whether a class or function is defined in this package."""
    return getattr(thing, "__module__", "").split(".")[0] == "darboux"


def publics():
    """Every class and function that some ``__all__`` lists, each once."""
    return {
        f"{thing.__module__}.{thing.__qualname__}": thing
        for module in modules()
        for thing in (getattr(module, name) for name in getattr(module, "__all__", ()))
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and ours(thing)
    }


def classes():
    """Every class that is defined in the package."""
    return {
        f"{module.__name__}.{name}": thing
        for module in modules()
        for name, thing in inspect.getmembers(module, inspect.isclass)
        if thing.__module__ == module.__name__
    }


def pages():
    """README and every page of the documentation."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {str(path.relative_to(ROOT)): path for path in found}


def tracked():
    """Every text file that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = {name: ROOT / name for name in sorted(set(listed.stdout.splitlines()))}
    return {name: p for name, p in paths.items() if p.is_file() and b"\0" not in p.read_bytes()}


TABLES = {
    "source": sources,
    "public": publics,
    "cls": classes,
    "page": pages,
    "tracked_file": tracked,
}


def pytest_generate_tests(metafunc):
    for argument, table in TABLES.items():
        if argument in metafunc.fixturenames:
            members = table()
            metafunc.parametrize(argument, members.values(), ids=members.keys())
