"""Public names: explained by an example, listed without helpers, built by a case of a catalogue."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
from torch import nn

import darboux
from darboux.structure import maps_of
from tests.conventions.test_source import is_abstract

# Room -> its catalogue, and the abstract class whose final ones must be in it.
CATALOGUES = {
    "activations": ("activations", "Activation"),
    "linear": ("linear", "LinearMap"),
    "manifolds": ("manifolds", "Manifold"),
    "symmetry": ("symmetry", None),
    "fields": ("fields", "VectorField"),
    "integrators": ("integrators", "Integrator"),
    "bijections": ("bijections", None),
    "flow": ("flow", None),
    "density": ("density", None),
    "compose": ("flow", None),
    "imaging": ("imaging", None),
}


def is_exempt(thing):
    """Abstract classes, protocols and errors need no example."""
    names = [base.__name__ for base in getattr(thing, "__bases__", ())]
    return inspect.isclass(thing) and (
        is_abstract(thing) or "Protocol" in names or issubclass(thing, Exception)
    )


def test_public_names_show_an_example(publics):
    wrong = [
        name
        for name, thing in publics.items()
        if not (thing.__doc__ or "").strip()
        or (not is_exempt(thing) and ">>>" not in thing.__doc__.partition("Example:")[2])
    ]
    assert not wrong, f"no example of {wrong}"


def test_examples_show_more_than_that_the_thing_exists(sources):
    read = re.compile(r"^ *>>> .*__doc__", re.MULTILINE)
    wrong = [name for name, path in sources.items() if read.search(path.read_text())]
    assert not wrong, f"an example prints __doc__ in {wrong}"


def test_rooms_show_public_names_and_nothing_else(rooms):
    shown = {
        room: {n for n in vars(module) if not n.startswith("_")} for room, module in rooms.items()
    }
    wrong = {
        room: names ^ set(rooms[room].__all__) - {"annotations"} for room, names in shown.items()
    }
    assert not any(wrong.values()), {room: names for room, names in wrong.items() if names}


def test_rooms_can_be_reached(rooms):
    lacking = [room for room in rooms if not hasattr(darboux, room)]
    assert not lacking, f"no darboux.{lacking}"


def kinds_of(thing):
    """Return the classes of a thing, of its submodules, attributes and steps.

    Parametrised modules have a class that torch made; their own is among its bases.
    """
    things = [thing]
    if isinstance(thing, nn.Module):
        things += [part for module in thing.modules() for part in (module, *vars(module).values())]
        things += [part for _, part in maps_of(thing)]
    return {base for thing in things for base in type(thing).__mro__}


@pytest.mark.parametrize("room", CATALOGUES)
def test_every_final_class_is_in_the_catalogue(room, rooms):
    catalogue, base = CATALOGUES[room]
    cases = importlib.import_module(f"tests.catalogue.{catalogue}").CASES
    abstract = getattr(rooms[room], base) if base else nn.Module
    final = {
        thing
        for thing in (getattr(rooms[room], name) for name in rooms[room].__all__)
        if inspect.isclass(thing) and issubclass(thing, abstract) and not is_abstract(thing)
    }
    assert final, f"darboux.{room} exports no class at all"
    built = set().union(*(kinds_of(build()) for build in cases.values()))
    lacking = sorted(cls.__name__ for cls in final - built)
    assert not lacking, f"no case in tests.catalogue.{catalogue} builds {lacking}"


def test_no_public_name_goes_unnoticed(rooms):
    """Others rely on these: one that goes stands in CHANGELOG with the line to write instead."""
    listed = (Path(__file__).parent / "public_names.txt").read_text(encoding="utf-8").split()
    here = {f"{room}.{name}" for room, module in rooms.items() for name in module.__all__}
    assert set(listed) <= here | {f"darboux.{name}" for name in darboux.__all__}
