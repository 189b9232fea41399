"""Checks of values: what an annotation expects, in words, and what it accepts."""

from __future__ import annotations

import inspect
import math
import reprlib
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
from torch import Tensor, nn


@dataclass(frozen=True)
class Within:
    """The interval of a number, in words too: closed ends, or open ones."""

    words: str
    least: float = -math.inf
    most: float = math.inf
    above: float | None = None
    below: float | None = None
    infinite: bool = False
    nan: bool = False

    def holds(self, value: float) -> bool:
        """Return whether the number lies inside; NaN does where that is said."""
        return (self.nan and math.isnan(value)) or (
            self.least <= value <= self.most
            and (self.infinite or -math.inf < value < math.inf)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


_FINITE = Within("a finite number")


class _Refused(Exception):  # noqa: N818
    """A value that is not what was expected: of another type, or outside; with what to do."""

    def __init__(self, error: type[Exception], advice: str = "") -> None:
        super().__init__(advice)
        self.error = error
        self.advice = advice


@dataclass(frozen=True)
class Check:
    """What is expected, in words, and a function that returns the value to use or refuses."""

    words: str
    accept: Callable[[Any], Any]


def accepted(owner: str, name: str, check: Check, value: object) -> object:
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
    return _one(type(value))


def _one(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOUaeiou' else 'a'} {kind.__name__}"


def check_of(hint: Any) -> Check:
    """Return the check of an annotation."""
    origin, parameters = get_origin(hint), get_args(hint)
    if origin is Annotated:
        within = next((m for m in parameters[1:] if isinstance(m, Within)), None)
        check = check_of(parameters[0]) if within is None else _number(parameters[0], within)
        advice = [m for m in parameters[1:] if isinstance(m, str)]
        return _advised(check, *advice) if advice else check
    if isinstance(hint, TypeVar):
        parameters = hint.__constraints__ or (hint.__bound__ or Any,)
    if isinstance(hint, TypeVar) or origin in (Union, types.UnionType):
        return _one_of([check_of(p) for p in parameters])
    if origin is Literal:
        return _choice(parameters)
    if hint is int or hint is float:
        return _number(hint, _FINITE)
    if hint is None or hint is type(None):
        return Check("None", _is_none)
    if origin in (tuple, list, Sequence):
        return _sequence(origin, parameters)
    if origin is Callable:
        return _factory(parameters[1]) if parameters[:1] == ([],) else _function(parameters)
    kind = origin or hint
    if not isinstance(kind, type) or kind in (object, Any) or getattr(kind, "_is_protocol", False):
        return Check("anything", lambda value: value)
    return _instance(kind)


def _number(kind: type, within: Within) -> Check:
    """Return the check of an integer or a real number in an interval."""
    words = "an integer" if kind is int and within is _FINITE else within.words

    def accept(value: Any) -> Any:
        number: Any = value if type(value) is kind else _as(kind, value)
        if not within.holds(number):
            raise _Refused(ValueError)
        return number if kind is int else value

    return Check(words, accept)


def _as(kind: type, value: Any) -> Any:
    """Return an integer, or a real number of any kind, as one of Python."""
    expected: Any = Integral if kind is int else Real
    if isinstance(value, bool | np.bool_) or not isinstance(value, expected):
        raise _Refused(TypeError, _for_numbers(value))
    try:
        return kind(value)
    except OverflowError:
        return math.inf


def _for_numbers(value: object) -> str:
    """Return what to do with what is nearly a number."""
    return "Give it as value.item()." if isinstance(value, Tensor) and value.numel() == 1 else ""


def _advised(check: Check, advice: str) -> Check:
    """Return a check that says what to do where it refuses without a word."""

    def accept(value: Any) -> Any:
        try:
            return check.accept(value)
        except _Refused as refused:
            raise _Refused(refused.error, refused.advice or advice) from None

    return Check(check.words, accept)


def _one_of(checks: Sequence[Check]) -> Check:
    """Return the check that one of several accepts."""

    def accept(value: Any) -> Any:
        refusals = []
        for check in checks:
            try:
                return check.accept(value)
            except _Refused as refused:
                # without its traceback: the frames there would live until the next collection
                refusals.append(_Refused(refused.error, refused.advice))
        outside = [refused for refused in refusals if refused.error is ValueError]
        # what is said of a value outside serves it better than what is said of its type
        advice = [refused.advice for refused in outside or refusals[::-1] if refused.advice]
        raise _Refused(ValueError if outside else TypeError, *advice[:1])

    return Check(" or ".join(dict.fromkeys(check.words for check in checks)), accept)


def _choice(options: tuple[Any, ...]) -> Check:
    """Return the check of a literal."""

    def accept(value: Any) -> Any:
        if not any(type(value) is type(option) and value == option for option in options):
            raise _Refused(ValueError if isinstance(value, type(options[0])) else TypeError)
        return value

    return Check(" or ".join(map(repr, options)), accept)


def _sequence(origin: Any, parameters: tuple[Any, ...]) -> Check:
    """Return the check of a sequence, entry by entry."""
    fixed = origin is tuple and Ellipsis not in parameters
    entries = [check_of(p) for p in parameters if p is not Ellipsis]
    words = f"a sequence ({', '.join(e.words for e in entries)}{'' if fixed else ', ...'})"

    def accept(value: Any) -> Any:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence | nn.ModuleList):
            raise _Refused(TypeError, _as_one(value, entries))
        if fixed and len(value) != len(entries):
            raise _Refused(ValueError)
        each = entries if fixed else entries * len(value)
        new = [check.accept(v) for check, v in zip(each, value, strict=True)]
        unchanged = all(a is b for a, b in zip(new, value, strict=True))
        return value if unchanged else type(value)(new)  # type: ignore[call-arg]

    return Check(words, accept)


def _as_one(value: object, entries: Sequence[Check]) -> str:
    """Return what to do with what could be an entry of the sequence."""
    try:
        _one_of(entries).accept(value)
    except _Refused:
        return ""
    return f"Write [{shown(value)}]."


def _factory(hint: Any) -> Check:
    """Return the check of a class or function that makes something; what it makes is checked."""
    made = check_of(hint)

    def accept(value: Any) -> Any:
        if isinstance(value, nn.Module) or not callable(value):
            raise _Refused(TypeError, "Give what makes it, for instance its class.")
        if not takes(value, 0):
            raise _Refused(TypeError, "Use a lambda with its arguments inside.")
        return lambda: accepted(shown(value), "what it makes", made, value())

    return Check(f"a class or function that makes {made.words} without arguments", accept)


def _instance(kind: type) -> Check:
    """Return the check of an instance, or of what its class makes one from."""
    words = {str: "a string", bool: "True or False"}.get(kind, _one(kind))

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

    return Check(words, accept)


def _is_none(value: object) -> None:
    if value is not None:
        raise _Refused(TypeError)


def _function(parameters: tuple[Any, ...]) -> Check:
    """Return the check of a function, that it takes so many arguments where they are known."""
    known = bool(parameters) and isinstance(parameters[0], list)
    count = len(parameters[0]) if known else 0

    def accept(value: Any) -> Any:
        if not callable(value) or (known and not takes(value, count)):
            raise _Refused(TypeError)
        return value

    many = f" of {count} argument{'s' * (count > 1)}" if known else ""
    return Check(f"a function{many}", accept)


def takes(function: Any, count: int) -> bool:
    """Return whether a function can be called with so many arguments, as far as it says."""
    called = function.forward if isinstance(function, nn.Module) else function
    if isinstance(called, types.FunctionType) and not hasattr(called, "__wrapped__"):
        return _takes(called, count)  # in a microsecond: solvers ask at every step
    try:
        inspect.signature(called).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # functions of torch have no signature, and make no modules
        return count > 0
    return True


def _takes(function: types.FunctionType, count: int) -> bool:
    """Return whether a function of Python can be called with so many arguments."""
    code = function.__code__
    needed = code.co_argcount - len(function.__defaults__ or ())
    named = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
    endless = bool(code.co_flags & inspect.CO_VARARGS)
    return needed <= count and named == 0 and (endless or count <= code.co_argcount)
