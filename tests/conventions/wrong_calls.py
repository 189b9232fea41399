"""Wrong calls of the public names: good ones, recorded, with one argument replaced at a time.

Good calls come from the examples of the docstrings and from the cases of the catalogue. Every
outcome of a wrong one is clear (an error that says what was expected and what came), cryptic
(any other, or none within the limits of time and memory), accepted because the argument may be
that, or nonsense: accepted and unlike what the signature says.
"""

import doctest
import importlib
import inspect
import math
import re
import resource
import signal
import sys
import types
import typing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor, nn

SECONDS = 3  # of processor time, for one call

GIB = 2**30

NAN = math.nan


def _one(x: object) -> object:
    return x


ARGUMENTS: dict[str, Callable[[object], object]] = {
    "None": lambda good: None,
    "text": lambda good: "ab",
    "object()": lambda good: object(),
    "list": lambda good: [1.5, "a"],
    "array": lambda good: np.ones(3),
    "nan": lambda good: NAN,
    "inf": lambda good: math.inf,
    "-inf": lambda good: -math.inf,
    "-1": lambda good: -1,
    "0": lambda good: 0,
    "2.5": lambda good: 2.5,
    "True": lambda good: True,
    "10**8": lambda good: 10**8,
    "1e300": lambda good: 1e300,
    "2**64": lambda good: 2**64,
    "1j": lambda good: 1j,
    "its class": type,
    "function": lambda good: _one,
    "nn.Linear": lambda good: nn.Linear(4, 4),
    "NaN tensor": lambda good: torch.tensor([NAN]),
}

INPUTS: dict[str, Callable[[Tensor], object]] = {
    "None": lambda x: None,
    "array": lambda x: x.detach().numpy(),
    "list": lambda x: x.tolist(),
    "text": lambda x: "ab",
    "int": lambda x: 3,
    "integers": lambda x: x.detach().long(),
    "booleans": lambda x: x.detach().bool(),
    "complex": lambda x: x.detach() + 1j,
    "NaN": lambda x: torch.full_like(x, NAN),
    "no batch": lambda x: x[0],
    "two batches": lambda x: x[None],
    "channels": lambda x: torch.cat([x, x[:, :1]], 1),
    "empty": lambda x: x[:0],
}


@dataclass(frozen=True)
class Good:
    """A call that worked: the public name, what was called, and its arguments by name."""

    name: str
    call: Callable[..., object]
    bound: inspect.BoundArguments
    hints: Mapping[str, object]


@dataclass(frozen=True)
class Outcome:
    """What became of one wrong call."""

    name: str
    parameter: str
    value: str
    kind: str  # clear, cryptic, accepted, nonsense
    said: str

    def __str__(self) -> str:
        return f"{self.kind:8}  {self.name}({self.parameter}: {self.value})  {self.said}"


class Hang(BaseException):
    """A call took too long."""


def _hang(*_: object) -> None:
    raise Hang


@contextmanager
def limits() -> Iterator[None]:
    """Stop what takes more than a few seconds, or more than a GiB of memory."""
    old = signal.signal(signal.SIGPROF, _hang)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIB, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# -- good calls ---------------------------------------------------------------------------------


class Recorder:
    """Notes the first calls of public names, and of their forward, while code runs."""

    def __init__(self, room: str, most: int = 1) -> None:
        self.most = most
        self.good: dict[str, list[Good]] = {}
        self.codes: dict[types.CodeType, object] = {}
        self.names: dict[object, str] = {}
        module = importlib.import_module(f"darboux.{room}")
        for name in module.__all__:
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            self.names[thing] = f"{room}.{name}"
            functions = [thing]
            if inspect.isclass(thing):
                functions = [thing.__init__, getattr(thing, "forward", None)]
            for function in functions:
                code = getattr(inspect.unwrap(function), "__code__", None) if function else None
                if code is not None:
                    self.codes[code] = thing

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Record within the block."""
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _event(self, frame: types.FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call" and frame.f_code in self.codes:
            sys.setprofile(None)
            try:
                self._note(frame)
            finally:
                sys.setprofile(self._event)

    def _note(self, frame: types.FrameType) -> None:
        thing, function = self.codes[frame.f_code], frame.f_code.co_name
        seen = dict(frame.f_locals)
        if inspect.isclass(thing) or function in ("__init__", "forward"):
            first = seen.pop(frame.f_code.co_varnames[0])
            thing = type(first)
            if thing not in self.names:
                return
            call: Callable[..., object] = thing if function == "__init__" else first
            signed = thing if function == "__init__" else first.forward
            hinted = thing.__init__ if function == "__init__" else first.forward
        else:
            call = signed = hinted = thing
        name = self.names[thing] + (".forward" if function == "forward" else "")
        known = self.good.setdefault(name, [])
        if len(known) < self.most:
            signature = inspect.signature(signed)
            bound = inspect.BoundArguments(
                signature, {n: seen[n] for n in signature.parameters if n in seen}
            )
            known.append(Good(name, call, bound, hints_of(hinted)))


def hints_of(function: Callable[..., object]) -> Mapping[str, object]:
    """Return the annotations that can be evaluated."""
    function = inspect.unwrap(function)
    found: dict[str, object] = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        try:
            found[name] = (
                eval(hint, vars(sys.modules[function.__module__]))
                if isinstance(hint, str)
                else hint
            )
        except (NameError, TypeError):
            found[name] = typing.Any
    return found


def run_examples(thing: object, record: Recorder) -> None:
    """Run the example of a docstring, as far as it goes."""
    module = sys.modules[thing.__module__]
    space = dict(vars(module))
    for example in doctest.DocTestParser().get_examples(inspect.getdoc(thing) or ""):
        try:
            with record():
                exec(compile(example.source, "<example>", "exec"), space)
        except Exception:
            return


def build_cases(catalogue: str, record: Recorder) -> None:
    """Build the cases of a room's catalogue."""
    try:
        cases = importlib.import_module(f"tests.catalogue.{catalogue}").CASES
    except (ModuleNotFoundError, AttributeError):
        return
    for build in cases.values():
        with record():
            build()


# -- wrong calls --------------------------------------------------------------------------------


def wrong_arguments(
    good: Good, sensible: Mapping[str, str]
) -> Iterator[tuple[str, str, Callable[[], object], bool]]:
    """Yield parameter, value, call and whether the signature allows the value."""
    forward = good.name.endswith(".forward")
    for name, parameter in good.bound.signature.parameters.items():
        old = good.bound.arguments.get(name, parameter.default)
        several = parameter.kind is parameter.VAR_POSITIONAL
        if parameter.kind is parameter.VAR_KEYWORD or (
            several and not good.bound.arguments.get(name)
        ):
            continue
        old = old[0] if several else old
        if forward and not isinstance(old, Tensor):
            continue
        hint = good.hints.get(name, typing.Any)
        for label, make in (INPUTS if forward else ARGUMENTS).items():
            try:
                value = make(old)  # type: ignore[arg-type]
            except (IndexError, RuntimeError, TypeError):
                continue
            if value is parameter.default or (value is type(None)):
                continue
            arguments = dict(good.bound.arguments)
            arguments[name] = (value, *arguments[name][1:]) if several else value
            bound = inspect.BoundArguments(good.bound.signature, arguments)
            allowed = forward or f"{good.name}.{name}" in sensible or fits(value, hint)
            yield name, label, _calling(good.call, bound), allowed


def _calling(call: Callable[..., object], bound: inspect.BoundArguments) -> Callable[[], object]:
    return lambda: call(*bound.args, **bound.kwargs)


def fits(value: object, hint: object) -> bool:
    """Return whether a value is what an annotation says; no more than it says.

    Numbers of no stated range fit where they are ordinary: not whole, and not huge.
    """
    origin, parameters = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is type(None):
        return value is None
    if origin is typing.Annotated:
        ranges = [m for m in parameters[1:] if hasattr(m, "holds")]
        if ranges and isinstance(value, Integral if parameters[0] is int else Real):
            return not isinstance(value, bool) and all(r.holds(float(value)) for r in ranges)
        return fits(value, parameters[0])
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, p) for p in parameters)
    if origin is typing.Literal:
        return any(value is p or (type(value) is type(p) and value == p) for p in parameters)
    if isinstance(value, bool):
        return hint is bool
    if hint in (int, float):
        if hint is int or isinstance(value, Integral) or not isinstance(value, Real):
            return False
        return abs(value) < 1e9
    if origin is not None and origin is Callable:
        return callable(value)
    kind = origin or hint
    if (
        kind is typing.Any
        or not isinstance(kind, type)
        or kind is object
        or getattr(kind, "_is_protocol", False)
    ):
        return False
    return isinstance(value, kind)


def outcome(
    good: Good, name: str, label: str, call: Callable[[], object], *, fine: bool
) -> Outcome:
    """Return what becomes of a wrong call."""
    try:
        with limits(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = call()
        problem = "" if not good.name.endswith(".forward") else odd_output(label, result)
        kind = "accepted" if fine and not problem else "nonsense"
        return Outcome(good.name, name, label, kind, problem)
    except Hang:
        return Outcome(good.name, name, label, "cryptic", f"takes more than {SECONDS} s")
    except Exception as error:
        asked = re.search(r"tried to allocate (\d+) bytes", str(error))
        if fine and asked is not None and int(asked[1]) < 64 * GIB:
            return Outcome(good.name, name, label, "accepted", "fits another machine")
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        return Outcome(good.name, name, label, "clear" if is_clear(error) else "cryptic", said)


def odd_output(label: str, result: object) -> str:
    """Return what is wrong with the output for a wrong input, "" if nothing is."""
    outputs = [y for y in (result if isinstance(result, tuple) else (result,)) if _is_float(y)]
    if label in ("None", "array", "list", "text", "int", "integers", "booleans", "complex"):
        return f"returns a {type(result).__name__}"
    if label == "NaN" and outputs and not any(y.isnan().any() for y in outputs):
        return "NaN became numbers"
    if label == "empty" and any(y.ndim and y.shape[0] for y in outputs):
        return "nothing became something"
    return ""


def _is_float(y: object) -> bool:
    return isinstance(y, Tensor) and y.is_floating_point()


def is_clear(error: Exception) -> bool:
    """Return whether code of ours raised it, with what was expected and what came."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    ours = traceback is not None and "darboux" in traceback.tb_frame.f_globals.get("__name__", "")
    said = str(error)
    short = (
        isinstance(error, TypeError | ValueError | AssertionError | FloatingPointError)
        or "darboux" in type(error).__module__
    )
    return bool(ours and short and re.search(r"(?is)\bexpected\b.*\bgot\b", said))


def summary(outcomes: list[Outcome]) -> Counter[str]:
    """Return how many outcomes are of each kind."""
    return Counter(o.kind for o in outcomes)
