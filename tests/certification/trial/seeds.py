"""What both sides of the trial share: precisions, seeds by name, examples."""

import random
import zlib
from contextlib import contextmanager

import pytest
import torch

RUNS = [
    pytest.param("quick", 0, id="quick"),
    pytest.param("quick", 1, id="quick-other", marks=pytest.mark.slow),
    pytest.param("normal", 0, id="normal", marks=pytest.mark.slow),
    pytest.param("normal", 1, id="normal-other", marks=pytest.mark.slow),
]


def dtypes(table, name):
    """Return both precisions, alternately first; float32 alone for faults of float32."""
    both = [torch.float32, torch.float64]
    if "float32" in name:
        return [torch.float32] * 2
    return both if list(table).index(name) % 2 else both[::-1]


@contextmanager
def seeded(name):
    """Draw the same random numbers for the same name."""
    before = random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()))
        random.seed(name)
        yield
    random.setstate(before)


def example(shape, dtype):
    return torch.randn(shape).to(dtype)
