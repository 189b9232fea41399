"""The sine from zero: its network, its methods, and statements that can fail."""

import pytest
import torch

import reproductions.successive_approximations as module
from reproductions.successive_approximations.methods import (
    ADAM,
    BASIC,
    EXTENDED,
    SGD,
    Learned,
    by_gradients,
    by_sweeps,
)
from reproductions.successive_approximations.sine import Setting, loss, network, sine

SETTING = Setting(layers=2, points=10, sweeps=8, basic=2, steps=3, inner=2)


def test_the_network_begins_as_the_identity():
    data = sine(SETTING, seed=0)
    flow = network(SETTING, noise=0.0, seed=0)
    assert torch.equal(flow(data.x), data.x)
    torch.testing.assert_close(data.x[:, :1].sin(), data.y)
    assert loss(data.x, data.y) > 1


@pytest.mark.parametrize("method", [EXTENDED, BASIC, SGD, ADAM])
def test_methods_begin_alike(method):
    data = sine(SETTING, seed=0)
    if method in (EXTENDED, BASIC):
        found = by_sweeps(method, SETTING, data, noise=0.0, seed=0)
        assert len(found.objectives) == (8 if method == EXTENDED else 2)
    else:
        found = by_gradients(method, SETTING, data, noise=0.0, seed=0, steps=3)
        assert len(found.objectives) == 3
    assert found.objectives[0] == pytest.approx(float(loss(data.x, data.y)))
    assert found.objectives[1] < found.objectives[0]


def test_statements_can_fail():
    still = Learned([1.0, 2.0, 1.0], [1.0, 1.0], [0.1] * 3)
    names = [f"{m}, from {b}" for m in (EXTENDED, BASIC, SGD) for b in ("zero", "near zero")]
    found = dict.fromkeys(names, still)
    assert not module._stalls(found, SETTING).holds
    assert not module._settles(found, "zero").holds
    assert not module._does_not_settle(found).holds
    assert not module._principle(found).holds
