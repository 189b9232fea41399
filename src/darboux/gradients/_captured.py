"""Modules and tensors that a function depends on, wherever it has them from."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any, final

from torch import Tensor, nn

_MOST = 10_000  # objects that are looked at: a function may hold on to the whole program

_OPAQUE = (str, bytes, int, float, complex, type, types.ModuleType, type(None))


@final
class Captured(nn.Module):
    """The modules of a function, and `loose` tensors with gradients that are in none of them.

    Args:
        f: a function or module: its closure, its arguments by `functools.partial`, the object that
            it is a method of, the globals that it names, and what these hold in turn.
        wanted: what gradients are to reach; all of it if None.
    """

    def __init__(self, f: object, wanted: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        found = list(_reached(f))
        self.parts = nn.ModuleList(x for x in found if isinstance(x, nn.Module))
        known = {id(parameter) for parameter in self.parts.parameters()}
        chosen = [] if wanted is None else list(wanted)
        tensors = [x for x in (*found, *chosen) if isinstance(x, Tensor) and x.requires_grad]
        self.loose = [x for k, x in {id(x): x for x in tensors}.items() if k not in known]
        self._wanted = None if wanted is None else {id(x) for x in chosen}

    @property
    def chosen(self) -> bool:
        """Whether gradients are to reach some tensors only."""
        return self._wanted is not None

    def is_wanted(self, tensor: Tensor) -> bool:
        """Return whether gradients are to reach a tensor."""
        return self._wanted is None or id(tensor) in self._wanted


def _reached(f: object) -> Iterator[object]:
    """Yield modules and tensors that can be reached from an object, each once."""
    queue, seen = [f], {id(f)}
    while queue and len(seen) < _MOST:
        found = queue.pop()
        if isinstance(found, (nn.Module, Tensor)):
            yield found
        for held in _held(found):
            if not isinstance(held, _OPAQUE) and id(held) not in seen:
                seen.add(id(held))
                queue.append(held)


def _held(found: Any) -> Iterable[object]:
    """Return what an object holds."""
    if isinstance(found, Tensor):
        return ()
    if isinstance(found, dict):
        return found.values()
    if isinstance(found, (list, tuple, set, frozenset)):
        return found
    if isinstance(found, functools.partial):
        return (found.func, *found.args, *found.keywords.values())
    if isinstance(found, types.MethodType):
        return (found.__self__, found.__func__)
    if isinstance(found, types.FunctionType):
        return (*_cells(found), *_globals(found), *_defaults(found), *vars(found).values())
    if isinstance(found, nn.Module):
        # registered submodules are reached through their owner; only the outermost are wanted
        plain = {k: v for k, v in vars(found).items() if not k.startswith("_")}
        return (*plain.values(), *(part for m in found.children() for part in _held(m)))
    return _attributes(found)


def _cells(f: types.FunctionType) -> list[object]:
    cells = []
    for cell in f.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # a name that has no value yet
            continue
    return cells


def _globals(f: types.FunctionType) -> list[object]:
    """Return the global variables that a function, or one inside of it, names."""
    codes, names = [f.__code__], set()
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return [f.__globals__[name] for name in sorted(names & f.__globals__.keys())]


def _defaults(f: types.FunctionType) -> list[object]:
    return [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]


def _attributes(found: object) -> list[object]:
    """Return what an object of a class written in Python holds."""
    slots = [name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())]
    values = [getattr(found, name) for name in slots if hasattr(found, name)]
    return [*values, *getattr(found, "__dict__", {}).values()]
