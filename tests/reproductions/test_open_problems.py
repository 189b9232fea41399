"""Small experiments on open problems: the function that is learned, bounds; statements can fail."""

import math
from dataclasses import replace

import torch

import reproductions.open_problems as module
from reproductions.open_problems.features import Approximated, kinds, target
from reproductions.open_problems.inverses import Bounded, Inverted, bounded
from reproductions.open_problems.smoothing import Smoothed, smoothed


def turned(x, angle):
    """Return every vector of x turned."""
    c, s = math.cos(angle), math.sin(angle)
    return (x.unflatten(1, (-1, 2)) @ torch.tensor([[c, s], [-s, c]], dtype=x.dtype)).flatten(1)


def test_the_function_and_the_networks_are_equivariant():
    x = torch.randn(5, 6)
    torch.testing.assert_close(target(turned(x, 0.7)), turned(target(x), 0.7), atol=1e-5, rtol=0)
    for name, make in kinds().items():
        network, angle = make(), math.pi / 4
        change = network(turned(x, angle)) - turned(network(x), angle)
        assert (change.abs().max() < 1e-5) == (name != "no symmetry")


def test_smoother_parameters_are_as_large_and_vary_less():
    rough, smooth = smoothed((0.0, 3.0), 0)
    assert smooth.roughness < rough.roughness / 3
    assert smooth.variation < rough.variation / 3
    assert smoothed((0.0,), 0) == [rough]


def test_bounds_bound():
    assert all(1 - 1e-6 <= each.proved <= each.rows for each in bounded(1).values())


def test_statements_can_fail():
    one = Smoothed(0.0, 1.0, 1.0, 1.0)
    assert module._steadier([one, one]).holds
    assert not module._steadier([one, replace(one, variation=2.0)]).holds
    layer = Inverted(1.0, 1e-3, 0.3)
    names = ("couplings", "contractive residuals", *module._CHAINS)
    assert not any(each.holds for each in module._inverses(dict.fromkeys(names, layer)))
    assert not module._bounds({"a map": Bounded(0.9, 1.0)})[0].holds
    same = Approximated(100, (0.5,))
    assert not module._symmetric({"C8": same, "no symmetry": same}).holds
