"""Writes the snapshot: ``python -m tests.frozen.take`` from the root of the repository."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from tests.catalogue.fields import general, passive, phase
from tests.frozen import made
from tests.frozen.collected import counts
from tests.frozen.lookup import asked, catalogue, named
from tests.frozen.measure import measure
from tests.frozen.planted import faults, refuted
from tests.frozen.surface import names_of, rooms

HERE = Path(__file__).parent
MODULES = (
    "activations",
    "bijections",
    "density",
    "equivariant_networks",
    "fields",
    "flow",
    "integrators",
    "linear",
    "symmetry",
)
INVERTIBLE = ("bijections", "density")
SPACE = {
    "scale-lifting": [2, 1, 12, 10],
    "scale-inner": [2, 4, 12, 10],
    "scale-pooling": [2, 4, 5, 6],
    "spherical-conv": [2, 2, 4, 7],
    "sphere-activation": [2, 2, 4, 7],
}


def recipe_of(module, name):
    """Return how a case of the catalogue is called, and the shape of its input."""
    cases = catalogue(module)
    if module == "integrators":
        phase, energy = name in cases.SYMPLECTIC, name in cases.DISCRETE_GRADIENTS
        field = "phase" if phase else "energy" if energy else "driven"
        return {"call": "integrator", "field": field, "shape": [3, 4]}
    if module in INVERTIBLE:
        return invertible(cases, name)
    if module == "flow":
        return {"call": "map", "shape": [2, *cases.example_shape(name)]}
    return of_thing(module, name, cases.CASES[name]())


def invertible(cases, name):
    """Return the recipe of a bijection or a density."""
    flow = name in getattr(cases, "FLOWS", ()) or name in getattr(cases, "BASES", ())
    recipe = {"call": "density" if flow else "bijection", "shape": [3, *cases.SHAPES[name]]}
    if name in getattr(cases, "CONTEXTS", {}):
        recipe["context"] = [3, *cases.CONTEXTS[name]]
    return {**recipe, "unit": True} if name.startswith("logit") else recipe


def of_thing(module, name, thing):
    """Return the recipe of what says its own size."""
    if module == "activations":
        return {"call": "activation", "shape": [2, 4, 5, 3]}
    if name in SPACE:
        linear = isinstance(thing, named("linear.LinearMap"))
        return {"call": "linear" if linear else "map", "shape": SPACE[name]}
    if isinstance(thing, named("linear.LinearMap")):
        return {"call": "linear", "shape": [2, thing.in_features, *(6, 4, 2)[: thing.dim]]}
    if isinstance(thing, named("fields.VectorField")):
        families = (general, passive, phase)
        family = next(family for family in families if name in family.CASES)
        features, dim = family.features_of(thing)
        return {"call": "field", "shape": [2, features, *(4, 4, 2)[:dim]]}
    return {"call": "map", "shape": equivariant_shape(thing)}


def equivariant_shape(thing):
    """Return the shape of an input of an equivariant layer or network."""
    if isinstance(thing, nn.Sequential):
        linear = thing[0].map
        return [1, linear.in_features, *((7, 6) if linear.dim == 2 else (4, 4, 3))]
    claim = named("structure.claims_of")(thing).find(named("structure.Equivariant"))
    return [2, asked(claim, "structure").source.channels, 6, 7]


def cases():
    """Return "module/case" -> recipe and record, of all catalogues, groups and models."""
    recipes = dict(made.recipes())
    for module in MODULES:
        names = catalogue(module).CASES
        recipes |= {f"{module}/{name}": recipe_of(module, name) for name in names}
    return {key: recorded(key, recipe) for key, recipe in recipes.items()}


def recorded(key, recipe):
    """Return the recipe of a case and what was measured."""
    build = made.factory(key) or catalogue(key.split("/")[0]).CASES[key.split("/", 1)[1]]
    return {"recipe": recipe, "found": measure(key, recipe, build)}


def write(name, table):
    """Write a table, one entry a line."""
    lines = [f"{json.dumps(key)}: {compact(value)}" for key, value in table.items()]
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def compact(value):
    """Return JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main():
    """Write all files."""
    torch.set_num_threads(1)
    exports = {room: names_of(module) for room, module in rooms().items()}
    write("names.json", {f"{r}.{n}": e for r, found in exports.items() for n, e in found.items()})
    write("cases.json", cases())
    write("faults.json", {key: refuted(key) for key in faults()})
    write("counts.json", counts())


if __name__ == "__main__":
    main()
