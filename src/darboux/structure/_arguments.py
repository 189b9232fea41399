"""Arguments checked against their annotations, once and in one way."""

from __future__ import annotations

import inspect
import math
import reprlib
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from numbers import Integral, Real
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np
from torch import Tensor

P = ParamSpec("P")

R = TypeVar("R")


@dataclass(frozen=True)
class Within:
    """The interval of a number, in words too: closed ends, or open ones."""

    words: str
    least: float = -math.inf
    most: float = math.inf
    above: float | None = None
    below: float | None = None
    infinite: bool = False

    def holds(self, value: float) -> bool:
        """Return whether the number lies inside; NaN does not."""
        return (
            self.least <= value <= self.most
            and (self.infinite or math.isfinite(value))
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


_FINITE = Within("a finite number")

Count = Annotated[int, Within("a positive integer", least=1, most=2**31 - 1)]
Natural = Annotated[int, Within("an integer of 0 or more", least=0, most=2**63 - 1)]
Positive = Annotated[float, Within("a positive finite number", above=0)]
NonNegative = Annotated[float, Within("a finite number of 0 or more", least=0)]
Extended = Annotated[float, Within("a number or an infinity", infinite=True)]


class _Refused(Exception):  # noqa: N818
    """A value that is not what was expected: of another type, or outside; with what to do."""

    def __init__(self, error: type[Exception], advice: str = "") -> None:
        super().__init__(advice)
        self.error = error
        self.advice = advice


@dataclass(frozen=True)
class _Check:
    """What is expected, in words, and a function that returns the value to use or refuses."""

    words: str
    accept: Callable[[Any], Any]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function, or an ``__init__``, that refuses arguments unlike its annotations.

    Numbers are finite unless `Within` says otherwise, True is no number, and a class is no
    instance. A class may take more than its instances by a class method
    ``from_argument(value)``, which returns an instance, or raises `TypeError` with what to do.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if it has the type and lies outside its range or choices.
    """
    signature = inspect.signature(function)

    @cache
    def checks() -> dict[str, _Check]:
        hints = typing.get_type_hints(function, include_extras=True)
        return {name: _check_of(hints.get(name, Any)) for name in signature.parameters}

    @wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # names what is missing or unknown
        owner = function.__qualname__.split(".")[0]
        if function.__name__ == "__init__":
            owner = type(args[0]).__name__
        for name, check in checks().items():
            if name not in bound.arguments:
                continue
            value, parameter = bound.arguments[name], signature.parameters[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(_accepted(owner, name, check, v) for v in value)
            elif parameter.kind is not parameter.VAR_KEYWORD and value is not parameter.default:
                bound.arguments[name] = _accepted(owner, name, check, value)
        return function(*bound.args, **bound.kwargs)

    return checking


def _accepted(owner: str, name: str, check: _Check, value: object) -> object:
    """Return the value that a check accepts, or raise the sentence."""
    try:
        return check.accept(value)
    except _Refused as refused:
        advice = f" {refused.advice}" if refused.advice else ""
        msg = f"{owner}: expected {name} to be {check.words}; got {shown(value)}.{advice}"
        raise refused.error(msg) from None


def shown(value: object) -> str:
    """Return a value in a few words, as errors name it."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and {value.dtype}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and {value.dtype}"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | Sequence):
        return reprlib.repr(value)
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    return f"a {type(value).__name__}"


def _check_of(hint: Any) -> _Check:
    """Return the check of an annotation."""
    origin, parameters = get_origin(hint), get_args(hint)
    if origin is Annotated:
        within = next((m for m in parameters[1:] if isinstance(m, Within)), None)
        return _check_of(parameters[0]) if within is None else _number(parameters[0], within)
    if origin in (Union, types.UnionType):
        return _one_of([_check_of(p) for p in parameters])
    if origin is Literal:
        return _choice(parameters)
    if hint is int or hint is float:
        return _number(hint, _FINITE)
    if hint is None or hint is type(None):
        return _Check("None", _is_none)
    if origin in (tuple, list, Sequence):
        return _sequence(origin, parameters)
    if origin is Callable:
        return _Check("a function", _is_callable)
    kind = origin or hint
    if not isinstance(kind, type) or kind is object or getattr(kind, "_is_protocol", False):
        return _Check("anything", lambda value: value)
    return _instance(kind)


def _number(kind: type, within: Within) -> _Check:
    """Return the check of an integer or a real number in an interval."""
    expected: Any = Integral if kind is int else Real
    words = "an integer" if kind is int and within is _FINITE else within.words

    def accept(value: Any) -> Any:
        if isinstance(value, bool | np.bool_) or not isinstance(value, expected):
            raise _Refused(TypeError, _for_numbers(value))
        if not within.holds(float(value)):
            raise _Refused(ValueError)
        return int(value) if kind is int else value

    return _Check(words, accept)


def _for_numbers(value: object) -> str:
    """Return what to do with what is nearly a number."""
    return "Give it as value.item()." if isinstance(value, Tensor) and value.numel() == 1 else ""


def _one_of(checks: Sequence[_Check]) -> _Check:
    """Return the check that one of several accepts."""

    def accept(value: Any) -> Any:
        refusals = []
        for check in checks:
            try:
                return check.accept(value)
            except _Refused as refused:
                refusals.append(refused)
        outside = any(refused.error is ValueError for refused in refusals)
        advice = next((refused.advice for refused in refusals if refused.advice), "")
        raise _Refused(ValueError if outside else TypeError, advice)

    return _Check(" or ".join(dict.fromkeys(check.words for check in checks)), accept)


def _choice(options: tuple[Any, ...]) -> _Check:
    """Return the check of a literal."""

    def accept(value: Any) -> Any:
        if not any(type(value) is type(option) and value == option for option in options):
            raise _Refused(ValueError if isinstance(value, type(options[0])) else TypeError)
        return value

    return _Check(" or ".join(map(repr, options)), accept)


def _sequence(origin: Any, parameters: tuple[Any, ...]) -> _Check:
    """Return the check of a sequence, entry by entry."""
    fixed = origin is tuple and Ellipsis not in parameters
    entries = [_check_of(p) for p in parameters if p is not Ellipsis]
    words = f"a sequence ({', '.join(e.words for e in entries)}{'' if fixed else ', ...'})"

    def accept(value: Any) -> Any:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise _Refused(TypeError)
        if fixed and len(value) != len(entries):
            raise _Refused(ValueError)
        each = entries if fixed else entries * len(value)
        new = [check.accept(v) for check, v in zip(each, value, strict=True)]
        unchanged = all(a is b for a, b in zip(new, value, strict=True))
        return value if unchanged else type(value)(new)  # type: ignore[call-arg]

    return _Check(words, accept)


def _instance(kind: type) -> _Check:
    """Return the check of an instance, or of what its class makes one from."""
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    words = {str: "a string", bool: "True or False"}.get(kind, f"{article} {kind.__name__}")

    def accept(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if isinstance(value, type) and issubclass(value, kind):
            raise _Refused(TypeError, f"Make one: {value.__name__}(...).")
        if kind is Tensor and isinstance(value, np.ndarray | list | tuple):
            raise _Refused(TypeError, "Make it one by torch.as_tensor.")
        made = getattr(kind, "from_argument", None)
        if made is None:
            raise _Refused(TypeError)
        try:
            return made(value)
        except TypeError as error:
            raise _Refused(TypeError, str(error)) from None

    return _Check(words, accept)


def _is_none(value: object) -> None:
    if value is not None:
        raise _Refused(TypeError)


def _is_callable(value: object) -> object:
    if not callable(value):
        raise _Refused(TypeError)
    return value
