"""Goals of benchmarks: each a row of one table, which is printed last and written as JSON.

Helpers of the benchmarks can be imported, too.
"""

from __future__ import annotations

import json
import operator
import os
import platform
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

RESULTS = HERE.parent / ".benchmarks" / "table.json"
ROWS = pytest.StashKey[list[dict[str, Any]]]()
MET = {"<=": operator.le, ">=": operator.ge}
SECONDS = ("ours", "peer", "limit")
WIDTH = 45  # of words; the whole table takes 100 columns


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="where tensors are made: cpu, cuda, ...")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture(autouse=True)
def on_device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Make tensors on the device that --device names."""
    name = request.config.getoption("--device")
    with nullcontext() if name == "cpu" else torch.device(name):  # which costs time at every call
        yield name


@pytest.fixture
def goals(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function of rows, which fails if a goal is missed.

    A row is (what, value, "<=" or ">=", goal), and where they are known the seconds of ours, of the
    best peer, and of the limit that nothing can go below.
    """

    def judge(*rows: tuple[Any, ...]) -> None:
        missed = []
        for what, value, sense, goal, *seconds in rows:
            met = bool(MET[sense](value, goal))
            row = {"what": what, "value": value, "goal": f"{sense} {goal:g}", "met": met}
            row |= dict(zip(SECONDS, seconds, strict=False))
            request.config.stash[ROWS].append({"test": request.node.nodeid, **row, **_measured()})
            if not met:
                missed.append(f"{what}: {value:.3g}, expected {sense} {goal:g}")
        if missed:
            pytest.fail("; ".join(missed), pytrace=False)

    def _measured() -> dict[str, Any]:
        """Return the medians and other numbers that the test keeps."""
        if "benchmark" not in request.fixturenames:
            return {}
        return {"measured": dict(request.getfixturevalue("benchmark").extra_info)}

    return judge


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = sorted(config.stash[ROWS], key=_file)
    if not rows:
        return
    terminalreporter.section("goals")
    heads = "".join(f"{head:>9}" for head in (*SECONDS, "value", "goal"))
    terminalreporter.line(f"{'':{WIDTH}}{heads}")
    for file, its in groupby(rows, key=_file):
        terminalreporter.line(file)
        for row in its:
            *above, last = textwrap.wrap(row["what"], WIDTH - 2, subsequent_indent="  ")
            for line in above:
                terminalreporter.line(f"  {line}")
            times = "".join(f"{_readable(row.get(name)):>9}" for name in SECONDS)
            said = "" if row["met"] else "  MISSED"
            terminalreporter.line(
                f"  {last:{WIDTH - 2}}{times}{row['value']:9.3g}{row['goal']:>9}{said}"
            )
    missed = sum(not row["met"] for row in rows)
    terminalreporter.line(f"{len(rows)} goals, {missed} missed, on {_machine(config)['device']}")
    RESULTS.parent.mkdir(exist_ok=True)
    content = json.dumps({**_machine(config), "rows": rows}, indent=1, default=str)
    RESULTS.write_text(content + "\n", encoding="utf-8")
    terminalreporter.line(f"written to {RESULTS}")


def _file(row: dict[str, Any]) -> str:
    return Path(row["test"].partition("::")[0]).name


def _readable(seconds: float | None) -> str:
    """Return seconds in a unit that fits."""
    if seconds is None:
        return ""
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
    unit = next((unit for unit, size in units.items() if seconds >= size), "µs")
    return f"{seconds / units[unit]:.3g} {unit}"


def _machine(config: pytest.Config) -> dict[str, Any]:
    """Return where it was measured, and against which versions."""
    device = torch.device(config.getoption("--device"))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": name,
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": _versions(),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor()


def _versions() -> dict[str, str]:
    """Return the versions of what measures, and of the peers that are installed."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    peers = [re.split("[><=]", each)[0] for each in project["optional-dependencies"]["peers"]]
    found = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    return {name: found[name] for name in ("torch", "numpy", "scipy", *peers) if name in found}
