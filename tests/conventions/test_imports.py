"""Imports run downward only and in no circle, and importing changes nothing."""

import ast
import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import darboux as dx
from darboux.activations._activation import from_torch
from darboux.bijections._bijection import inversion_of

ROOMS = (
    "_ending",
    "_palette",
    "_workshop",
    "structure",
    "solvers",
    "gradients",
    "activations",
    "linear",
    "manifolds",
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
    "control",
    "optim",
    "transport",
    "models",
    "certification",
    "imaging",
    "training",
    "testing",
    "cli",
)
# Fields flow and integrators step: neither may know the other.
FORBIDDEN = {("integrators", "fields")}


def imported(path):
    """Return the dotted names of all imports of a file, wherever they stand."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from (f"{source}.{alias.name}" for alias in node.names)


def upward(room, name):
    """Return what is wrong about an import of a room, or None."""
    parts = name.split(".")
    if name.startswith("."):
        return "relative: write it in full"
    if parts[0] != "darboux":
        return "the library knows no reproductions" if parts[0] == "reproductions" else None
    if parts[1] not in ROOMS:
        return "import from a room, not from the whole"
    if ROOMS.index(parts[1]) > ROOMS.index(room):
        return "above it"
    return "it must not know that" if (room, parts[1]) in FORBIDDEN else None


def test_imports_run_downward(sources):
    wrong = []
    for file, path in sources.items():
        package, room = file.removesuffix(".py").split("/")[:2]
        if package == "darboux" and room not in ("__init__", "__main__"):  # those see everything
            assert room in ROOMS, f"{room} is not in the list of rooms: give it its place in ROOMS"
            found = ((name, upward(room, name)) for name in imported(path))
            wrong += [f"{file} imports {name}: {what}" for name, what in found if what]
    assert not wrong, "\n".join(wrong)


def test_imports_make_no_circle(sources):
    """Imports for type checkers and inside functions count as well."""
    dotted = {
        f.removesuffix(".py").removesuffix("/__init__").replace("/", "."): p
        for f, p in sources.items()
    }
    graph = {}
    for module, path in dotted.items():
        names = {name if name in dotted else name.rpartition(".")[0] for name in imported(path)}
        graph[module] = {name for name in names if name in dotted and name != module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


RULES = (
    *(dx.structure.claims_of, dx.structure.maps_of, dx.certification.attack),
    *(dx.freeze, dx.deploy.increment, dx.deploy.shear_layers, from_torch, inversion_of),
)


def test_a_rule_is_there_when_its_class_is():
    """Rooms are imported one by one: a rule lives in the room of its function or of its class."""

    def room(thing):
        return ".".join(thing.__module__.split(".")[:2])

    wrong = [
        f"{rules.__name__}({cls.__name__}) in {rule.__module__}"
        for rules in RULES
        for cls, rule in rules.registry.items()
        if room(rule) not in (room(rules), room(cls))
        and not room(rule).startswith(("tests", "test_"))
    ]
    assert sum(len(rules.registry) for rules in RULES) > 100
    assert not wrong, "\n".join(wrong)


ALONE = """
from torch import nn
from darboux.structure import Lipschitz, claims_of
print(all(claims_of(m).find(Lipschitz) for m in (nn.Linear(2, 3), nn.ConvTranspose1d(1, 2, 3))))
"""


def test_structure_alone_knows_layers_with_weights():
    run = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert run.stdout == "True\n", run.stderr


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
named = ("matplotlib", "PIL", "accelerate", "typer", "rich", "skimage", "onnx")
heavy = [n for n in named if n in sys.modules]
print(json.dumps({"changed": changed, "heavy": heavy, "took": took}))
"""


def test_importing_changes_no_global_state():
    run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["changed"] == [], "import darboux changed an entry of state() in PROBE"
    assert result["heavy"] == [], "import darboux loads what only some functions need"
    assert result["took"] < 1.5, "seconds of CPU beyond importing torch"
