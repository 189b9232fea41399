"""Every public class and function explains itself and says its types."""

import importlib
import inspect

import pytest
from torch import nn

from darboux.structure import maps_of

ROOMS = {
    "activations": (["activations"], "Activation"),
    "linear": (["linear"], "LinearMap"),
    "symmetry": (["symmetry"], None),
    "fields": (["fields", "phase_fields", "passive"], "VectorField"),
    "integrators": (
        ["integrators", "implicit", "symplectic", "discrete_gradients", "adaptive"],
        "Integrator",
    ),
    "bijections": (
        ["couplings", "linear_bijections", "residual_bijections", "chains"],
        None,
    ),
    "flow": (["flow", "geometric_flows", "chains"], None),
    "density": (["densities"], None),
    "compose": (["flow", "equivariant_networks"], None),
}


def is_abstract(cls):
    names = [base.__name__ for base in cls.__bases__]
    return inspect.isabstract(cls) or "ABC" in names or "Protocol" in names


def test_has_docstring(public):
    assert (public.__doc__ or "").strip(), f"{public.__qualname__} has no docstring"


def test_has_example(public):
    exempt = inspect.isclass(public) and (is_abstract(public) or issubclass(public, Exception))
    if exempt:
        return
    text = public.__doc__ or ""
    assert "Example:" in text, f"{public.__qualname__} shows no example"
    assert ">>>" in text.split("Example:")[1], f"the example of {public.__qualname__} does not run"


def signatures(public):
    """Yield (name, function) of a function, or of a class's public methods."""
    if inspect.isfunction(public):
        yield public.__qualname__, public
        return
    for name, member in vars(public).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        shown = name == "__init__" or not name.startswith("_")
        if shown and inspect.isfunction(function) and function.__module__ == public.__module__:
            yield f"{public.__qualname__}.{name}", function


def test_is_annotated(public):
    for name, function in signatures(public):
        signature = inspect.signature(function)
        bare = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
        ]
        assert not bare, f"{name}: no annotation of {', '.join(bare)}"
        assert signature.return_annotation is not signature.empty, f"{name}: no return annotation"


def test_has_no_boolean_positionals(public):
    for name, function in signatures(public):
        for parameter in inspect.signature(function).parameters.values():
            positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            boolean = parameter.annotation in (bool, "bool")
            assert not (positional and boolean), f"{name}: make {parameter.name} keyword-only"


def kinds_of(thing):
    """Return the classes of a thing, of its submodules, attributes and steps.

    Parametrised modules have a class that torch made; their own is among its bases.
    """
    things = [thing]
    if isinstance(thing, nn.Module):
        things += [part for module in thing.modules() for part in (module, *vars(module).values())]
        things += [part for _, part in maps_of(thing)]
    return {base for thing in things for base in type(thing).__mro__}


@pytest.mark.parametrize("room", ROOMS)
def test_every_final_class_is_in_the_catalogue(room):
    catalogues, base = ROOMS[room]
    package = importlib.import_module(f"darboux.{room}")
    modules = [importlib.import_module(f"tests.catalogue.{c}") for c in catalogues]
    cases = [build for module in modules for build in module.CASES.values()]
    abstract = getattr(package, base) if base else nn.Module
    final = {
        thing
        for thing in (getattr(package, name) for name in package.__all__)
        if inspect.isclass(thing) and issubclass(thing, abstract) and not is_abstract(thing)
    }
    assert final, f"darboux.{room} exports no class at all"
    built = set().union(*(kinds_of(build()) for build in cases))
    lacking = sorted(cls.__name__ for cls in final - built)
    assert not lacking, f"no case in {catalogues} of tests.catalogue builds {lacking}"
