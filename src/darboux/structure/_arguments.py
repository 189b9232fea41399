"""Arguments checked against their annotations, once and in one way."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import cache, wraps
from typing import Annotated, Any, TypeVar, cast

from torch.compiler import is_compiling

from darboux.structure._checks import Check, accepted, check_of
from darboux.structure._checks import Within as Within
from darboux.structure._checks import shown as shown
from darboux.structure._checks import takes as takes

F = TypeVar("F", bound=Callable[..., Any])

Count = Annotated[int, Within("a positive integer", least=1, most=2**31 - 1)]
Natural = Annotated[int, Within("an integer of 0 or more", least=0, most=2**63 - 1)]
Positive = Annotated[float, Within("a positive finite number", above=0)]
NonNegative = Annotated[float, Within("a finite number of 0 or more", least=0)]
Extended = Annotated[float, Within("a number or an infinity", infinite=True)]
Measured = Annotated[float, Within("a number, an infinity or NaN", infinite=True, nan=True)]


def checked(function: F) -> F:
    """Return a function, ``__init__`` or dataclass that refuses arguments unlike its annotations.

    Numbers are finite unless `Within` says otherwise, True is no number, and a class is no
    instance. A class may take more than its instances by a class method
    ``from_argument(value)``, which returns an instance, or raises `TypeError` with what to do;
    so does a string in `Annotated` for one parameter.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if it has the type and lies outside its range or choices.
    """
    if isinstance(function, type):
        function.__init__ = checked(function.__init__)  # type: ignore[misc]
        return function
    parameters = inspect.signature(function).parameters.values()
    usual = {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}
    places = [p.name for p in parameters if p.kind <= p.VAR_POSITIONAL]
    last = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL] or [""]

    @cache
    def checks() -> dict[str, Check]:
        hints = typing.get_type_hints(function, include_extras=True)
        return {name: check_of(hints.get(name, Any)) for name in usual}

    def taken(owner: str, name: str, value: object) -> object:
        if name not in usual or value is usual[name]:  # the function says what it does not know
            return value
        return accepted(owner, name, checks()[name], value)

    @wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        if is_compiling():  # compilers do not follow this
            return function(*args, **kwargs)
        owner = function.__qualname__.split(".")[0]
        if function.__name__ == "__init__" and args:
            owner = type(args[0]).__name__
        names = places + last * (len(args) - len(places))
        values = [taken(owner, *pair) for pair in zip(names, args, strict=False)]
        return function(*values, **{name: taken(owner, name, x) for name, x in kwargs.items()})

    return cast("F", checking)
