"""Rules by class, for objects that do what the class does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from torch import nn
from torch.nn.modules import module as torch_modules

P = ParamSpec("P")

R = TypeVar("R")

R_co = TypeVar("R_co", covariant=True)

Rule = TypeVar("Rule", bound=Callable[..., Any])

_CALLS = {"forward", "__call__", "_call_impl"}

# What classes of torch have besides, and what does not change their values.
_HARMLESS = {
    "__init__",
    "__dir__",
    "__repr__",
    "__setstate__",
    "_load_from_state_dict",
    "append",
    "extend",
    "extra_repr",
    "insert",
    "pop",
    "reset_parameters",
    "reset_running_stats",
}


class Registry(Protocol[P, R_co]):
    """A function of a module with one rule for each class, as of `functools.singledispatch`."""

    registry: Mapping[Any, Callable[..., Any]]

    def __call__(self, module: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return what the rule says."""

    @overload
    def register(self, cls: type) -> Callable[[Rule], Rule]: ...

    @overload
    def register(self, cls: Rule) -> Rule: ...

    @overload
    def register(self, cls: type, func: Rule) -> Rule: ...


def by_class(
    otherwise: Callable[[Any, str], object],
    *,
    method: str | None = None,
    parts: Callable[[Any], Iterable[nn.Module]] = lambda module: (),
    then: Callable[[Any, Any], Any] = lambda module, result: result,
) -> Callable[[Callable[Concatenate[Any, P], R]], Registry[P, R]]:
    """Return a decorator like `functools.singledispatch`, which looks at the object as well.

    A rule is written for what its class does. Where an object does something else, by a method of
    a subclass, of its own, or by hooks, `otherwise` is called with the reason.

    Args:
        otherwise: (module, reason) -> result.
        method: of the module, that the function itself reads: a rule of the class that has it.
        parts: of the module, of ours, that rules read as well without asking again.
        then: (module, result of a rule) -> result.
    """

    def decorate(default: Callable[Concatenate[Any, P], R]) -> Registry[P, R]:
        rules = singledispatch(default)

        @wraps(default)
        def call(module: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
            module = eager(module)
            for cls in type(module).__mro__[:-1]:
                taught = cls in rules.registry
                if taught or method in vars(cls):
                    # who writes claims() for classes of one's own writes it for their subclasses
                    known = cls if taught or _package(cls) == "darboux" else type(module)
                    also = [departure(part, ours(part)) for part in parts(module)]
                    reasons = [reason for reason in (departure(module, known), *also) if reason]
                    if reasons:
                        return cast("R", otherwise(module, reasons[0]))
                    rule: Callable[..., R] = rules.registry.get(cls, default)
                    return cast("R", then(module, rule(module, *args, **kwargs)))
            return cast("R", then(module, default(module, *args, **kwargs)))

        vars(call).update(register=rules.register, registry=rules.registry)
        return cast("Registry[P, R]", call)

    return decorate


def departure(module: nn.Module, rule: type) -> str:
    """Return why what is known of a class is not known of the object, "" if it is."""
    hooks = [
        *module._forward_pre_hooks.values(),
        *module._forward_hooks.values(),
        *torch_modules._global_forward_pre_hooks.values(),
        *torch_modules._global_forward_hooks.values(),
    ]
    # A lazy layer of torch has one that makes its weights and goes away.
    names = ", ".join(sorted({_name(hook) for hook in hooks} - {"_infer_parameters"}))
    if names:
        return f"forward hooks ({names}) may change what it computes; remove them"
    for name in _CALLS & vars(module).keys():
        return f"{name}() of this {type(module).__name__} was replaced by another one"
    return "" if type(module) is rule else overridden(type(module), rule, _methods(rule))


def overridden(cls: type, rule: type, names: set[str]) -> str:
    """Return which method of a rule's class a subclass has replaced, "" if none."""
    line = cls.__mro__
    for k, part in enumerate(line[: line.index(rule)]):
        for name in sorted(names & set(vars(part))):
            above = [c for c in line[k + 1 :] if _implements(c, name)]
            if above and _package(part) != "darboux":
                return (
                    f"{part.__name__} has a {name}() of its own, and what is known of "
                    f"{above[0].__name__} is not known of it"
                )
    return ""


def _methods(rule: type) -> set[str]:
    """Return the methods that make up what a class computes."""
    # Of torch all that a class has: they call each other. Those of ours that are no forward()
    # are conditions of what is claimed, and attacked.
    if _package(rule) != "torch":
        return _CALLS
    line = rule.__mro__[: rule.__mro__.index(nn.Module)]
    return _CALLS.union(n for c in line for n, v in vars(c).items() if callable(v)) - _HARMLESS


def ours(module: object) -> type:
    """Return the first class of this package that an object is one of."""
    return next(cls for cls in type(module).__mro__ if _package(cls) == "darboux")


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _implements(cls: type, name: str) -> bool:
    found = vars(cls).get(name)
    unwritten = cls is nn.Module and name == "forward"
    return not (found is None or unwritten or getattr(found, "__isabstractmethod__", False))


def eager(module: Any) -> Any:
    """Return the module that was compiled, for one that `torch.compile` made."""
    dynamo = sys.modules.get("torch._dynamo")
    compiled = dynamo is not None and isinstance(module, dynamo.OptimizedModule)
    return module._orig_mod if compiled else module


def _name(hook: object) -> str:
    return getattr(hook, "__name__", type(hook).__name__)
