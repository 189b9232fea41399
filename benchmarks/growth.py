"""Curves of time and memory against a size, their slopes, and their picture."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Run = Callable[[], object]


@dataclass(frozen=True)
class Curve:
    """What is measured at several values of one size."""

    what: str
    axis: str
    sizes: Sequence[int]
    seconds: Sequence[float]
    bytes: Sequence[int]


def measured(
    what: str, axis: str, build: Callable[[int], Run], sizes: Sequence[int], *, memory: bool = True
) -> Curve:
    """Return the curve of functions that `build` returns for each size."""
    runs = [build(size) for size in sizes]
    for run in runs:
        run()
    return Curve(what, axis, sizes, fastest(runs), [peak(run) for run in runs] if memory else [])


def fastest(runs: Sequence[Run], *, rounds: int = 3) -> list[float]:
    """Return the least processor time of each function over interleaved rounds."""
    least = [math.inf] * len(runs)
    for _ in range(rounds):
        for place, run in enumerate(runs):
            start = time.process_time()
            run()
            least[place] = min(least[place], time.process_time() - start)
    return least


def slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the slope of log value against log size, by least squares."""
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (sizes, values))
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


class _Alive(TorchDispatchMode):
    """Counts the bytes of storages that operations made and that are still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        del types
        self.known.update(key(x) for x in tree_leaves((args, kwargs)) if torch.is_tensor(x))
        found = func(*args, **(kwargs or {}))
        for x in tree_leaves(found):
            if torch.is_tensor(x) and key(x) not in self.known:
                self.add(x.untyped_storage())
        return found

    def add(self, storage: torch.UntypedStorage) -> None:
        """Count a storage until it is freed."""
        place, size = storage.data_ptr(), storage.nbytes()
        self.known.add(place)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self.free, place, size)

    def free(self, place: int, size: int) -> None:
        """Forget a storage."""
        self.known.discard(place)
        self.now -= size


def key(x: torch.Tensor) -> int:
    """Return the address of what a tensor holds."""
    return x.untyped_storage().data_ptr()


def peak(run: Run) -> int:
    """Return the largest number of bytes that tensors made by a function take at once."""
    with _Alive() as alive:
        run()
    return alive.most


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw time and memory of all curves, each relative to its first value."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for place, (name, of) in enumerate((("time", "seconds"), ("memory", "bytes"))):
        axes = figure.add_subplot(1, 2, place + 1)
        for number, curve in enumerate(curves):  # a curve looks the same in both
            style = {"color": f"C{number % 10}", "marker": "osv^D<>pXP*h"[number % 12]}
            values = getattr(curve, of)
            if not values:
                continue
            label = f"{curve.what}, {curve.axis} ({slope(curve.sizes, values):.2f})"
            x = [size / curve.sizes[0] for size in curve.sizes]
            axes.loglog(x, [value / values[0] for value in values], label=label, **style)
        axes.set(xlabel="size / smallest size", ylabel=f"{name} / that of the smallest size")
        axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        axes.set_xticks([], minor=True)
        axes.legend(fontsize=6, title="(slope)", title_fontsize=6)
        axes.grid(alpha=0.3)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
