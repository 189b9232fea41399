"""Fields of learned energies: derivatives of every order, in every mode of torch."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import darboux as dx
from darboux.fields import halves, join
from tests.catalogue.fields.phase import CASES, DrivenEnergy, features_of


def states(field):
    channels, dim = features_of(field)
    return torch.randn(2, channels, *(5, 4, 3)[:dim], dtype=torch.float64)


def wide(name):
    return CASES[name]().double()


def _network(**options):
    layers = nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1, bias=False)
    energy = dx.fields.NetworkEnergy(nn.Sequential(*layers))
    return dx.fields.LearnedHamiltonianField(energy, **options)


def test_slopes_have_derivatives_where_something_asks_for_them():
    stiffness = torch.ones(2)

    def energy(t, z, p):
        return (p.square() + stiffness * z.pow(4)).sum(dim=1)

    field, x = dx.fields.LearnedHamiltonianField(energy, autonomous=True), torch.randn(3, 4)
    assert not field(0.0, x).requires_grad
    assert field(0.0, x.clone().requires_grad_()).requires_grad
    stiffness = torch.ones(2, requires_grad=True) * 2  # no leaf, and found all the same
    assert field(0.0, x).requires_grad
    network = _network()
    assert network(0.0, x).requires_grad
    assert not network.requires_grad_(requires_grad=False)(0.0, x).requires_grad


@pytest.mark.parametrize("form", ["slopes", "drift", "kick"])
def test_zeros_are_nothing_that_wants_a_gradient(form):
    """An energy that ignores one half, inside of what may use no tensors but its own."""
    ignoring = {"slopes": lambda t, z, p: p, "drift": lambda t, z, p: z, "kick": lambda t, z, p: p}
    weight = torch.ones(2, requires_grad=True)
    choice = ignoring[form]
    field = dx.fields.LearnedHamiltonianField(lambda *at: (weight * choice(*at)).sum(dim=1))
    z, p = torch.randn(2, 3, 2)
    found = getattr(field, form)(0.0, z, p)
    zeros = found[1] if form == "slopes" else found
    assert not zeros.any()
    assert not zeros.requires_grad


def test_adjoint_of_an_energy_that_ignores_positions():
    field = dx.fields.LearnedHamiltonianField(lambda t, z, p: p.square().sum(dim=1))
    flow = dx.Flow(field, dx.integrators.ImplicitMidpoint(), horizon=1, steps=2, gradient="adjoint")
    x = torch.randn(3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(flow(x).sum(), x)
    expected = torch.tensor([1.0, 1.0, 3.0, 3.0]).expand_as(slope)
    torch.testing.assert_close(slope, expected)


def test_learned_field_is_the_derivative_by_autograd():
    field, x = _network(autonomous=True), torch.randn(3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(field.energy(0.0, x).sum(), x)
    expected = join(slope[:, 2:], -slope[:, :2])
    torch.testing.assert_close(field(0.0, x), expected)
    z, p = halves(x)
    torch.testing.assert_close(join(field.drift(0.0, z, p), field.kick(0.0, z, p)), expected)


@pytest.mark.parametrize("name", ["learned-2-driven", "separable-1-driven", "extended-2-driven"])
def test_learned_fields_have_first_and_second_derivatives(name):
    field = wide(name)
    x = states(field)[:1].requires_grad_()
    parameters = [p.detach().clone().requires_grad_() for p in field.parameters()]
    keys = [key for key, _ in field.named_parameters()]

    def call(state, *values):
        return torch.func.functional_call(field, dict(zip(keys, values, strict=True)), (0.3, state))

    assert torch.autograd.gradcheck(call, (x, *parameters), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, (x, *parameters))


def test_learned_fields_train_under_autocast_and_are_silent_without_gradients():
    field, x = _network(), torch.randn(3, 4)
    parameters = list(field.parameters())
    expected = torch.autograd.grad((2 * field(0.0, x)).square().sum(), parameters)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            assert not field(0.0, x).requires_grad  # and nothing of it is cached
        total = field(0.0, x) + field(0.0, x)
    found = torch.autograd.grad(total.square().sum(), parameters)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() < 0.05 * other.norm()
    with torch.no_grad():
        torch.testing.assert_close(field(0.0, x), field(0.0, x.clone()))
    with torch.inference_mode():
        assert field(0.0, x).isfinite().all()


@pytest.mark.parametrize("name", ["learned-2-driven", "separable-3", "extended-1-driven"])
def test_learned_fields_go_through_checkpoints_and_offloading(name):
    field = wide(name)
    x = states(field).requires_grad_()
    wanted = [x, *field.parameters()]

    def result(call):
        y = call(field, 0.3, x)
        return [y, *torch.autograd.grad(call(field, 0.3, y).square().sum(), wanted)]

    plain = result(lambda f, *arguments: f(*arguments))
    checkpointed = result(partial(checkpoint, use_reentrant=False))
    with torch.autograd.graph.save_on_cpu():
        offloaded = result(lambda f, *arguments: f(*arguments))
        with torch.no_grad():
            silent = field(0.3, x)
    assert not silent.requires_grad
    for one, *others in zip(plain, checkpointed, offloaded, strict=True):
        for other in others:
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_an_energy_that_is_constant_moves_nothing():
    field = dx.fields.LearnedHamiltonianField(lambda t, z, p: torch.ones(len(z)))
    x = torch.ones(3, 4)
    assert not field(0.0, x).any()
    with torch.autograd.graph.save_on_cpu():
        assert not field(0.0, x).any()


def test_errors_of_an_energy_are_its_own():
    def energy(t, z, p):
        raise RuntimeError("no such energy")

    with pytest.raises(RuntimeError, match="no such energy"):
        dx.fields.LearnedHamiltonianField(energy)(0.0, torch.ones(3, 4))


def test_learned_fields_get_a_time_for_every_sample():
    shapes = []

    def energy(t, z, p):
        shapes.append(tuple(t.shape))
        return (t * (z * p)).flatten(1).sum(dim=1)

    field = dx.fields.LearnedHamiltonianField(energy)
    field(0.5, torch.ones(3, 4))
    field(torch.tensor(0.5), torch.ones(3, 2, 5, 5))
    field(torch.ones(3, 1), torch.ones(3, 4))
    field(torch.ones(3), torch.ones(3, 2, 5))
    assert shapes == [(3, 1), (3, 1, 1, 1), (3, 1), (3, 1, 1)]


def test_a_learned_step_has_gradients_through_the_time():
    field = dx.fields.LearnedHamiltonianField(DrivenEnergy(1))
    h = torch.tensor(0.4, requires_grad=True)
    field(h, torch.ones(2, 2)).sum().backward()
    assert h.grad.abs() > 0


def test_a_function_serves_as_energy_and_survives_copies():
    field = dx.fields.LearnedHamiltonianField(_pendulum, autonomous=True)
    x = torch.tensor([[0.5, 2.0]])
    expected = torch.tensor([[2.0, -math.sin(0.5)]])
    for twin in (field, copy.deepcopy(field), pickle.loads(pickle.dumps(field))):
        torch.testing.assert_close(twin(0.0, x), expected)
    assert "autonomous=True" in repr(field)


def _pendulum(t, z, p):
    return (p.square() / 2 - torch.cos(z)).sum(dim=1)


def test_kinetic_energy_divides_by_its_masses():
    kinetic = dx.fields.KineticEnergy(2)
    with torch.no_grad():
        kinetic.log_mass.copy_(torch.tensor([0.0, math.log(4.0)]))
    p = torch.tensor([[1.0, 2.0]], requires_grad=True)
    (velocity,) = torch.autograd.grad(kinetic(0.0, p).sum(), p)
    torch.testing.assert_close(velocity, torch.tensor([[1.0, 0.5]]))
    assert torch.equal(kinetic(0.0, p), kinetic(0.0, -p))
