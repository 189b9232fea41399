"""Finds today's modules, names and methods by those of the snapshot."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from tests.frozen import renamed


def first_of(*candidates):
    """Import the first module that exists."""
    for name in candidates:
        if exists(name):
            return importlib.import_module(name)
    msg = f"none of the modules {', '.join(candidates)} exists: add a line to tests/frozen/renamed"
    raise ModuleNotFoundError(msg)


def exists(name):
    """Return whether a module exists, without importing it."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def room(old):
    """Return the package of a room."""
    if old == "darboux":
        return importlib.import_module("darboux")
    new = renamed.ROOMS.get(old, old)
    return first_of(f"darboux.{new}", new)


def catalogue(old):
    """Return a module of the catalogue."""
    return first_of(f"tests.catalogue.{old}", f"darboux.testing.catalogue.{old}")


def case(key):
    """Return the factory of "module/case", or None where it is gone."""
    module, name = renamed_case(key).split("/", 1)
    return catalogue(module).CASES.get(name)


def renamed_case(key):
    """Return today's "module/case"."""
    fitting = [prefix for prefix in renamed.CASES if key.startswith(prefix)]
    if not fitting:
        return key
    longest = max(fitting, key=len)
    return renamed.CASES[longest] + key.removeprefix(longest)


def tests_module(old):
    """Return a module of the tests, "tests.<room>.<name>"."""
    if old in renamed.MODULES:
        return first_of(renamed.MODULES[old])
    tests, folder, rest = old.split(".", 2)
    return first_of(f"{tests}.{renamed.ROOMS.get(folder, folder)}.{rest}", old)


def new_name(old):
    """Return today's (room, name) of "room.Name", or None where it was dropped."""
    where, name = old.split(".", 1)
    if old not in renamed.NAMES:
        return where, name
    new = renamed.NAMES[old]
    return None if new is None else tuple(new.rsplit(".", 1))


def named(old):
    """Return a public thing by "room.Name"."""
    where, name = new_name(old)
    return getattr(room(where), name)


def member(owner, name):
    """Return today's name of a public member of "room.Name", or None where it was dropped."""
    return renamed.METHODS.get(f"{owner}.{name}", renamed.METHODS.get(name, name))


def asked(thing, name):
    """Return an attribute of an object by its old name."""
    return getattr(thing, renamed.METHODS.get(name) or name)


def has(thing, name):
    """Return whether an object has an attribute of this old name."""
    return hasattr(thing, renamed.METHODS.get(name) or name)


def parameter(owner, name):
    """Return today's name of a parameter of "room.Name", or None where it was dropped."""
    return renamed.PARAMETERS.get(f"{owner}.{name}", renamed.PARAMETERS.get(name, name))


def called(old, *args, **options):
    """Call a public thing, "room.Name", by its old name and parameters."""
    given = {parameter(old, name): value for name, value in options.items()}
    return named(old)(*args, **given)
