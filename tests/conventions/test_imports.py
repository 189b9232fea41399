"""Imports run downward only, and importing changes nothing."""

import ast
import json
import subprocess
import sys

ROOMS = (
    "structure",
    "solvers",
    "gradients",
    "activations",
    "linear",
    "symmetry",
    "fields",
    "integrators",
    "bijections",
    "flow",
    "diagnostics",
    "compose",
    "deploy",
    "data",
    "density",
    "models",
    "certify",
    "imaging",
    "training",
    "testing",
    "experiments",
    "cli",
)
# Fields flow and integrators step: neither may know the other.
FORBIDDEN = {("integrators", "fields")}


def imported(tree):
    """Return the dotted names of all imports, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from (f"{source}.{alias.name}" for alias in node.names)


def room_of(source):
    package = source.parts[source.parts.index("darboux", source.parts.index("src")) :]
    return package[1].removesuffix(".py")


def test_imports_run_downward(source):
    room = room_of(source)
    if room == "__init__":  # the package itself re-exports everything
        return
    assert room in ROOMS, f"{room} is not in the list of rooms: give it its place in ROOMS"
    for name in imported(ast.parse(source.read_text())):
        assert not name.startswith("."), f"relative import {name}: write it in full"
        parts = name.split(".")
        if parts[0] != "darboux":
            continue
        assert set(parts[1:2]) & set(ROOMS), f"{name}: import from a room, not from the whole"
        assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{room} imports {name} above it"
        assert (room, parts[1]) not in FORBIDDEN, f"{room} must not know {name}"


PROBE = """
import json, sys, time, warnings, random
import numpy, torch
def state():
    return [str(torch.get_default_dtype()), str(torch.get_default_device()),
            torch.get_num_threads(), torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_rng_state().tolist(), str(numpy.random.get_state()),
            hash(random.getstate()), numpy.geterr(), str(warnings.filters)]
before, start = state(), time.process_time()
import darboux
took = time.process_time() - start
after = state()
changed = [i for i, (a, b) in enumerate(zip(before, after)) if a != b]
heavy = [n for n in ("matplotlib", "accelerate", "typer", "skimage", "onnx") if n in sys.modules]
print(json.dumps({"changed": changed, "heavy": heavy, "took": took}))
"""


def test_importing_changes_no_global_state():
    run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["changed"] == [], "import darboux changed an entry of state() in PROBE"
    assert result["heavy"] == [], "import darboux loads what only some functions need"
    assert result["took"] < 1.5, "seconds of CPU beyond importing torch"
