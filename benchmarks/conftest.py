"""Goals of benchmarks: each a row of one table, which is printed last and written as JSON.

Helpers of the benchmarks can be imported, too.
"""

from __future__ import annotations

import json
import operator
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

RESULTS = Path(__file__).parent.parent / ".benchmarks" / "table.json"
ROWS = pytest.StashKey[list[dict[str, Any]]]()
MET = {"<=": operator.le, ">=": operator.ge}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def goals(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function of rows (what, value, "<=" or ">=", goal), which fails if one is missed."""

    def judge(*rows: tuple[str, float, str, float]) -> None:
        missed = []
        for what, value, sense, limit in rows:
            met = bool(MET[sense](value, limit))
            row = {"what": what, "value": value, "goal": f"{sense} {limit:g}", "met": met}
            request.config.stash[ROWS].append({"test": request.node.nodeid, **row})
            if not met:
                missed.append(f"{what}: {value:.3g}, expected {sense} {limit:g}")
        if missed:
            pytest.fail("; ".join(missed), pytrace=False)

    return judge


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    terminalreporter.section("goals")
    width = max(len(row["what"]) for row in rows)
    for row in rows:
        said = "met" if row["met"] else "MISSED"
        terminalreporter.line(
            f"{row['what']:{width}}  {row['value']:8.3g}  {row['goal']:>9}  {said}"
        )
    machine = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    machine |= {"machine": platform.machine(), "python": platform.python_version()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    terminalreporter.line(f"written to {RESULTS}")
