"""Weights on manifolds, registered the way torch registers constraints."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import darboux as dx
from darboux.manifolds import (
    SO,
    SPD,
    Grassmann,
    Power,
    Sphere,
    Stiefel,
    Symplectic,
    Trivialization,
)

CASES = {
    "sphere": (Sphere(4), (3, 4)),
    "rotation": (SO(3), (3, 3)),
    "stiefel": (Stiefel(5, 2), (5, 2)),
    "grassmann": (Grassmann(5, 2), (5, 2)),
    "batch of frames": (Stiefel(5, 2), (7, 5, 2)),
    "spd": (SPD(3), (3, 3)),
    "symplectic": (Symplectic(4), (4, 4)),
    "power": (Power(Sphere(4), 3), (3, 4)),
}


class Holder(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)


def _held(manifold, shape, **settings):
    x = manifold.random_point(*shape[: len(shape) - len(manifold.shape)])
    holder = Holder(x)
    constraint = Trivialization(manifold, **settings)
    parametrize.register_parametrization(holder, "weight", constraint)
    return holder, x


@pytest.mark.parametrize("map", ["retract", "exp"])
@pytest.mark.parametrize("name", CASES)
def test_weights_are_points_after_steps(name, map):
    manifold, shape = CASES[name]
    holder, x = _held(manifold, shape, map=map)
    torch.testing.assert_close(holder.weight, x)
    optimizer = torch.optim.Adam(holder.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (holder.weight - 1).square().sum().backward()
        optimizer.step()
    assert manifold.check(holder.weight)[0]
    assert not torch.allclose(holder.weight, x)
    assert manifold.check(holder.double().weight)[0]


def test_gradients_are_exact():
    manifold = Stiefel(4, 2)
    holder, _ = _held(manifold, (4, 2))
    holder = holder.double()
    raw = 0.3 * torch.randn(4, 2, dtype=torch.float64)
    constraint = holder.parametrizations.weight[0]
    raw.requires_grad_()
    assert torch.autograd.gradcheck(constraint, raw)
    assert torch.autograd.gradgradcheck(constraint, raw)


def test_assignment_copies_and_files():
    holder, _ = _held(Sphere(3), (2, 3))
    target = Sphere(3).random_point(2)
    holder.weight = target
    torch.testing.assert_close(holder.weight, target)
    other, _ = _held(Sphere(3), (2, 3))
    other.load_state_dict(holder.state_dict())
    torch.testing.assert_close(other.weight, target)
    torch.testing.assert_close(copy.deepcopy(holder).weight, target)
    assert pickle.loads(pickle.dumps(Trivialization(SO(3)))).manifold == SO(3)


def test_autocast_and_half_precision():
    holder, _ = _held(Stiefel(6, 2), (6, 2))
    with torch.no_grad():
        holder.parametrizations.weight.original.normal_()
    exact = holder.weight
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(holder.weight, exact)
    assert (holder.to(torch.bfloat16).weight - exact).abs().max() < 0.05


@pytest.mark.parametrize(("manifold", "sizes"), [(Stiefel(5, 3), (3, 5)), (SO(3), (3, 3))], ids=str)
def test_isometries_are_claimed_and_attacked(manifold, sizes):
    dense = dx.linear.Dense(*sizes)
    parametrize.register_parametrization(dense, "weight", Trivialization(manifold))
    certificate = dx.certify(dense, torch.randn(4, sizes[0]), effort="quick")
    assert certificate.holds
    assert certificate.require(dx.Isometric()) is not None


def test_other_manifolds_claim_nothing():
    dense = dx.linear.Dense(3, 3)
    parametrize.register_parametrization(dense, "weight", Trivialization(SPD(3)))
    assert dense.claims().find(dx.Isometric) is None


def test_refusals():
    with pytest.raises(ValueError, match=r"expected a weight of shape \(\*batch, \(4,\)\)"):
        Trivialization(Sphere(4)).right_inverse(torch.ones(3))
    with pytest.raises(ValueError, match="expected the X of a registered constraint"):
        Trivialization(Sphere(3))(torch.ones(3))
    with pytest.raises(TypeError, match="expected manifold to be"):
        Trivialization("sphere")
