"""Medians of several functions, measured in turns: a slow moment of the machine hits all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def medians(functions: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Return the median time in seconds of each function over interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():  # warm up
        function()
        function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
