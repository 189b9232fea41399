"""The parts of the deep network: data, prolongation, Jacobians; and that it can fail."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from reproductions.deep_hamiltonian import plain_layers
from reproductions.deep_hamiltonian.data import swiss_roll
from reproductions.deep_hamiltonian.networks import HamiltonianNetwork, accuracy_of, loss_of, train
from reproductions.deep_hamiltonian.sensitivity import sensitivity
from reproductions.deep_hamiltonian.training import gradient_norms


@pytest.fixture
def network():
    return HamiltonianNetwork.new(4, features=8, units=6, horizon=2.0)


def test_swiss_roll_is_two_spirals_in_two_disjoint_halves():
    data, held_out = swiss_roll(count=101)
    assert (len(data.points), len(held_out.points)) == (102, 100)
    assert torch.cdist(data.points, held_out.points).min() > 1e-3
    radii = data.points.norm(dim=1)
    first, second = radii[data.classes == 0], radii[data.classes == 1]
    torch.testing.assert_close(second, first + 0.2)


def test_prolongation_keeps_parameters_and_horizon_and_shares_nothing(network):
    deep = network.prolonged(5)
    assert len(deep.flow.fields) == 20
    assert sum(h for _, _, h in deep.flow.grid()) == pytest.approx(2.0)
    for k, field in enumerate(deep.flow.fields):
        for mine, its in zip(
            field.parameters(), network.flow.fields[k // 5].parameters(), strict=True
        ):
            assert torch.equal(mine, its)
            assert mine is not its
    assert len({id(p) for p in deep.parameters()}) == len(list(deep.parameters()))


def test_prolongation_is_a_finer_discretisation_of_the_same(network):
    x = torch.randn(6, 8, dtype=torch.float64)
    with torch.no_grad():
        exact, *found = (network.prolonged(times)(x) for times in (64, 2, 4))
    errors = [float((scores - exact).abs().max()) for scores in found]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_sensitivity_is_the_jacobian_of_the_whole(network):
    x = torch.randn(3, 8, dtype=torch.float64)
    layers = [layer for _, layer in network.flow.maps()]
    found = sensitivity(layers, x)
    for i, sample in enumerate(x):
        exact = torch.func.jacrev(lambda z: network.flow(z[None])[0])(sample)
        norm = torch.linalg.matrix_norm(exact, ord=2)
        torch.testing.assert_close(10 ** found.log_norms[0, i], norm, rtol=1e-12, atol=0)
        torch.testing.assert_close(found.whole[i] * norm, exact, rtol=1e-11, atol=1e-12)
    assert found.log_norms.shape == (5, 3)
    assert bool((found.log_norms[-1] == 0).all())


def test_sensitivity_of_symplectic_layers_is_at_least_one(network):
    found = sensitivity([layer for _, layer in network.flow.maps()], torch.ones(3, 8).double())
    assert float(found.log_norms[:-1].min()) > 0
    assert found.symplectic_defect() < 1e-14


def test_other_layers_are_not_symplectic():
    layers = plain_layers(3, name="Glorot's weights")
    assert sensitivity(layers, torch.ones(2, 8).double()).symplectic_defect() > 0.01


def test_sensitivity_goes_beyond_the_range_of_floating_point():
    layer = nn.Linear(2, 2, bias=False).double()
    layer.weight.data = 1e-3 * torch.eye(2, dtype=torch.float64)
    found = sensitivity([layer] * 200, torch.ones(1, 2, dtype=torch.float64))
    assert float(found.log_norms[0, 0]) == pytest.approx(-600)


def test_gradient_norms_are_those_of_backward(network):
    data = swiss_roll(count=9)[0]
    found = gradient_norms(network, data)
    loss_of(network, data, 8).backward()
    for norm, field in zip(found, network.flow.fields, strict=True):
        squares = sum(float(p.grad.square().sum()) for p in field.parameters())
        assert float(norm) == pytest.approx(squares**0.5)


def test_training_learns_a_few_points(network):
    data = swiss_roll(count=3)[0]
    losses = train(network, data, 8, steps=80, rate=0.05)
    assert losses[-1] < 0.5 * losses[0]
    assert accuracy_of(network, data, 8) == 1


def test_a_loss_that_is_not_finite_ends_the_training(network):
    data = swiss_roll(count=3)[0]
    bad = replace(data, points=math.nan * data.points)
    with pytest.raises(FloatingPointError, match="a finite loss; got nan at step 1"):
        train(network, bad, 8, steps=9, rate=0.05)


def test_plain_network_is_refuted_where_the_hamiltonian_one_holds(reproduced):
    result, _ = reproduced("deep-hamiltonian")
    numbers = result.numbers
    assert numbers["smallest norm of a Jacobian"] > 1
    assert 10 ** numbers["log10 ‖∂z_K/∂z_0‖, nn.Linear's weights"] < 1e-8
    assert numbers["layers"] == 64
