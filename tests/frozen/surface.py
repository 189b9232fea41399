"""Public names: what each room exports, with signatures and members."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
DOTTED = re.compile(r"\b(?:darboux|torch|tests|reproductions)(?:\.\w+)*\.(\w+)")
KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "/",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "key",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def rooms():
    """Return the packages directly inside darboux that say what is public, and darboux."""
    package = importlib.import_module("darboux")
    found = [info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg]
    modules = {name: importlib.import_module(f"darboux.{name}") for name in sorted(found)}
    return {"darboux": package, **{n: m for n, m in modules.items() if hasattr(m, "__all__")}}


def names_of(module):
    """Return what a package exports: name -> entry."""
    return {name: entry(getattr(module, name)) for name in sorted(module.__all__)}


def entry(thing):
    """Return what is recorded about one public thing."""
    if inspect.ismodule(thing):
        return {"is": "module"}
    if inspect.isclass(thing):
        return {"is": "class", "parameters": parameters_of(thing), "members": members_of(thing)}
    if callable(thing) and hasattr(thing, "__name__"):
        return {"is": "function", "parameters": parameters_of(thing)}
    return {"is": "value"}


def parameters_of(thing):
    """Return [name, kind, default] of each parameter, or None where Python knows no signature."""
    if inspect.isclass(thing) and issubclass(thing, enum.Enum | BaseException):
        return None
    try:
        found = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[p.name, KINDS[p.kind], default_of(p)] for p in found]


def default_of(parameter):
    """Return a default as text, without addresses and modules; None where there is none."""
    if parameter.default is parameter.empty:
        return None
    return DOTTED.sub(r"\1", ADDRESS.sub("", repr(parameter.default)))


def members_of(cls):
    """Return the public members that a class has of its own or from a base in darboux."""
    own = [base for base in cls.__mro__ if base.__module__.split(".")[0] == "darboux"]
    return sorted({name for base in own for name in vars(base) if not name.startswith("_")})
