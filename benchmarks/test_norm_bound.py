"""How long norm bounds take, and how far they are above the norm."""

from __future__ import annotations

import math
import time

import pytest
import torch

import darboux as dx
from darboux.linear._frequencies import samples_for
from darboux.linear._spectral import kernel_bound
from darboux.symmetry import SO3, Cyclic, EquivariantConv, Feature, Icosahedral

KERNELS = {  # shape, most seconds
    (64, 64, 3, 3): 0.008,
    (64, 64, 7, 7): 2.0,
    (256, 256, 3, 3): 2.0,
    (32, 32, 3, 3, 3): 2.0,
}


def seconds(function, rounds):
    """Return the least processor time of a call."""
    function()
    least = math.inf
    for _ in range(rounds):
        start = time.process_time()
        function()
        least = min(least, time.process_time() - start)
    return least


@pytest.mark.parametrize("shape", KERNELS, ids=str)
def test_kernel(benchmark, goals, shape):
    torch.manual_seed(0)
    kernel = torch.randn(shape)
    found = seconds(lambda: kernel_bound(kernel), 20 if kernel.numel() < 1e5 else 3)
    benchmark.pedantic(kernel_bound, (kernel,), rounds=2)
    what = f"norm bound, {'x'.join(map(str, shape))}, seconds"
    goals((what, found, "<=", KERNELS[shape], found))


def test_against_singular_values(benchmark, goals):
    """A proved bound, against the singular values at as many frequencies, which prove nothing."""
    torch.manual_seed(0)
    conv = dx.linear.Conv(64, 64, kernel_size=3, dim=2)
    kernel = conv.weight.detach()
    frequencies = math.prod(samples_for((3, 3))) // 2 + 1
    symbol = conv.symbol(samples_for((3, 3))[0])[:frequencies].detach()
    found = seconds(lambda: kernel_bound(kernel), 20)
    values = seconds(lambda: torch.linalg.svdvals(symbol), 5)
    benchmark.extra_info.update(bound=found, singular_values=values)
    benchmark.pedantic(kernel_bound, (kernel,), rounds=2)
    goals(("norm bound, 64x64x3x3 / singular values", found / values, "<=", 0.27, found, values))


def test_distance_from_the_norm(benchmark, goals):
    """Against the largest singular value on a grid of frequencies four times as fine."""
    torch.manual_seed(0)
    conv = dx.linear.Conv(64, 64, kernel_size=3, dim=2)
    with torch.no_grad():
        supremum = float(torch.linalg.matrix_norm(conv.symbol(60), ord=2).max())
        ratio = float(conv.norm_bound()) / supremum
    benchmark.pedantic(lambda: None, rounds=1)
    goals(("norm bound, 64x64x3x3 / norm", ratio, "<=", 1.05))


def _conv(group, fields, dim):
    feature = Feature(group, fields)
    return EquivariantConv(feature, feature, kernel_size=5, dim=dim)


EQUIVARIANT = {
    "C8, 256 channels, 5x5": lambda: _conv(Cyclic(8), ["regular"] * 32, 2),
    "SO(3), 128 channels, 5x5x5": lambda: _conv(SO3(), [0] * 32 + [1] * 32, 3),
    "icosahedral, 64 channels, 5x5x5": lambda: _conv(
        Icosahedral(), ["A", "T1", "T2", "G", "H"] * 4, 3
    ),
}


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_equivariant(benchmark, goals, name):
    """One frequency of every orbit is enough."""
    torch.manual_seed(0)
    conv = EQUIVARIANT[name]()
    found = seconds(lambda: conv.norm_bound(), 2)
    benchmark.pedantic(lambda: None, rounds=1)
    goals((f"norm bound, {name}, seconds", found, "<=", 2.0, found))
