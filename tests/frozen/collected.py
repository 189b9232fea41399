"""How many tests and doctests pytest collects, by folder and by room."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def counts():
    """Return the numbers of tests by folder of tests, and of doctests by room."""
    tests = Counter(folder(line, 1) for line in listed("tests", "--ignore=tests/frozen"))
    doctests = Counter(folder(line, 2) for line in listed("--doctest-modules", "src/darboux"))
    return {"tests": dict(sorted(tests.items())), "doctests": dict(sorted(doctests.items()))}


def listed(*arguments):
    """Return the node ids that pytest collects."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in run.stdout.splitlines() if ".py::" in line]


def folder(node, depth):
    """Return the folder of a test, below tests/ or src/darboux/."""
    return node.split("::")[0].split("/")[depth].removesuffix(".py")
