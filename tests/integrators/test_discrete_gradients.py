"""Discrete gradients: the identity, the exact energy balance, order, drift, derivatives."""

import copy
import math
import pickle
import re
from itertools import pairwise

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.integrators import GonzalezGradient, ItohAbeGradient, MeanValueGradient
from darboux.linear import Dense
from darboux.testing import (
    LIFECYCLE,
    check_balance,
    check_convergence,
    check_determinant,
    check_discrete_gradient,
    check_energy_drift,
    check_symmetric,
)
from tests.catalogue.fields.passive import PASSIVE, NetworkEnergy, Wave, features_of
from tests.catalogue.integrators import DISCRETE_GRADIENTS as CASES
from tests.integrators.phase import compiled_once

SYMMETRIC = [name for name, build in CASES.items() if build().symmetric]
FAST = ["gonzalez", "mean-value", "itoh-abe"]


def states(field, batch=2):
    known = hasattr(field, "features")
    features, dim = features_of(field) if known else (4, 0)
    return torch.randn(batch, features, *(3, 2, 2)[:dim], dtype=torch.float64)


class Pendulum:
    """H = ½ p² - cos q with its gradient written out: any object of the form will do."""

    def __call__(self, t, z):
        return self.steer(t, z, self.gradient(t, z))

    def energy(self, t, z):
        return 0.5 * z[:, 1].square() - z[:, 0].cos()

    def gradient(self, t, z):
        return torch.stack([z[:, 0].sin(), z[:, 1]], dim=1)

    def steer(self, t, z, g):
        return torch.stack([g[:, 1], -g[:, 0]], dim=1)


def pendulums():
    """States that swing, from a little to the separatrix, with energies away from 0."""
    angle = torch.tensor([0.3, 1.0, 2.0, -2.8, 0.0, 1.0], dtype=torch.float64)
    momentum = torch.tensor([0.0, 0.2, -0.5, 0.2, 1.9, -1.6], dtype=torch.float64)
    return torch.stack([angle, momentum], dim=1)


def forced():
    """A nonlinear damped field with a signal."""
    return dx.fields.PortHamiltonianField(
        NetworkEnergy(Dense(4, 5)),
        Dense(4, 4),
        damping=Dense(4, 2),
        port=Dense(2, 4),
        signal=Wave(2),
    ).double()


@pytest.mark.parametrize("field", PASSIVE)
@pytest.mark.parametrize("name", CASES)
def test_identity_and_consistency(name, field):
    field = PASSIVE[field]().double()
    check_discrete_gradient(CASES[name](), field, states(field))


@pytest.mark.parametrize("field", PASSIVE)
@pytest.mark.parametrize("name", CASES)
def test_balance(name, field):
    field = PASSIVE[field]().double()
    check_balance(CASES[name](), field, states(field))


@pytest.mark.parametrize("h", [1.0, -0.3])
@pytest.mark.parametrize("name", FAST)
def test_balance_of_large_and_negative_steps(name, h):
    field = forced()
    check_balance(CASES[name](), field, 2 * states(field, batch=8), h=h)


@pytest.mark.parametrize("name", CASES)
def test_order(name):
    field = forced()
    check_convergence(CASES[name](), field, states(field))


@pytest.mark.long
def test_order_check_refutes_a_wrong_order():
    method, field = ItohAbeGradient(), forced()
    method.order = 2
    with pytest.raises(AssertionError, match=r"errors fall like h\^.*; the order is 2"):
        check_convergence(method, field, states(field))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric(name):
    field = forced()
    check_symmetric(CASES[name](), field, states(field))


def test_itoh_and_abe_is_not_symmetric():
    field, method = forced(), ItohAbeGradient()
    method.symmetric = True
    with pytest.raises(AssertionError):
        check_symmetric(method, field, states(field))


@pytest.mark.parametrize("name", CASES)
def test_drift_of_the_pendulum(name):
    check_energy_drift(CASES[name](), Pendulum(), pendulums(), steps=100, allowed=1e-12)


@pytest.mark.parametrize("name", FAST)
def test_drift_of_a_learned_energy(name):
    field = PASSIVE["port-network"]().double()
    check_energy_drift(CASES[name](), field, states(field, batch=8), steps=50, allowed=1e-13)


def test_drift_of_a_hamiltonian_network():
    layers = nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1, bias=False)
    energy = dx.fields.NetworkEnergy(nn.Sequential(*layers))
    field = dx.fields.LearnedHamiltonianField(energy, autonomous=True).double()
    z = torch.randn(8, 4, dtype=torch.float64)
    check_energy_drift(GonzalezGradient(), field, z, steps=50, allowed=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_drift_of_the_pendulum_over_ten_thousand_steps(name):
    check_energy_drift(CASES[name](), Pendulum(), pendulums(), steps=10_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_drift_of_a_learned_energy_over_ten_thousand_steps(name):
    field = PASSIVE["port-network"]().double()
    check_energy_drift(CASES[name](), field, states(field, batch=8), steps=10_000)


def test_drift_check_refutes_a_method_that_drifts():
    with pytest.raises(AssertionError, match="relative energy drift"):
        check_energy_drift(dx.integrators.Kutta4(), Pendulum(), pendulums(), steps=100)


@pytest.mark.parametrize("name", CASES)
def test_beside_an_equilibrium(name):
    """H is -1 there, and what it changes by is far below its rounding."""
    method = CASES[name]()
    sizes = torch.tensor([[0.0], [1e-12], [1e-9], [1e-7], [1e-5], [1e-3]], dtype=torch.float64)
    start = z = sizes * torch.tensor([1.0, 0.5], dtype=torch.float64)
    for k in range(50):
        z = method.step(Pendulum(), 0.1 * k, 0.1, z)
    assert (z.norm(dim=1) <= 1.1 * start.norm(dim=1)).all()
    assert (z.norm(dim=1) >= 0.9 * start.norm(dim=1)).all()


@pytest.mark.parametrize("name", CASES)
def test_one_coordinate_at_rest(name):
    energy = dx.fields.QuadraticEnergy(Dense(4, 4), floor=1.0)
    field = dx.fields.PortHamiltonianField(energy, Dense(4, 4)).double()
    with torch.no_grad():
        field.skew.map.weight[:, 1:3] = 0
        field.skew.map.weight[1:3] = 0
        energy.map.weight.zero_()
    z = torch.ones(1, 4, dtype=torch.float64)
    after = CASES[name]().step(field, 0.0, 0.3, z)
    assert torch.equal(after[:, 1:3], z[:, 1:3])
    assert (after[:, ::3] != z[:, ::3]).all()


@pytest.mark.parametrize(
    ("field", "size", "steps"),
    [
        ("port-network-damped", 0.4, (0.001, 0.01)),
        ("interconnection-damped", 1.0, (0.05, 0.5, 5.0)),
    ],
)
@pytest.mark.parametrize("name", FAST)
def test_energy_does_not_rise_for_any_parameters_and_steps(name, field, size, steps):
    field = PASSIVE[field]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(size * torch.randn_like(parameter))
    z = states(field, batch=4)
    for h in steps:
        after = CASES[name]().step(field, 0.0, h, z)
        start, end = field.energy(0.0, z), field.energy(0.0, after)
        assert (end <= start + 1e-12 * start.abs()).all()
        assert (end < start).any()


@pytest.mark.parametrize("name", FAST)
def test_lossless_interconnection_keeps_the_sum_but_not_its_terms(name):
    field = PASSIVE["interconnection"]().double()
    z = states(field)
    after = CASES[name]().step(field, 0.0, 0.5, z)
    torch.testing.assert_close(field.energy(0.0, after), field.energy(0.0, z), rtol=1e-13, atol=0)
    one = field.first.energy(0.0, after[:, :4]) - field.first.energy(0.0, z[:, :4])
    assert (one.abs() > 1e-4).all()


@pytest.mark.parametrize("name", FAST)
def test_potentials_of_gradient_fields_fall_at_any_step(name):
    field = dx.fields.GradientField(Dense(4, 6), dx.activations.Tanh()).double()
    flow = dx.Flow(field, CASES[name](), horizon=300.0, steps=10)
    values = [field.energy(0.0, z) for z in flow.trajectory(5 * states(field, batch=4))]
    assert all((after < before).all() for before, after in pairwise(values))


@pytest.mark.parametrize("name", FAST)
def test_extended_energy_of_a_field_that_depends_on_time(name):
    def energy(t, z, p):
        return (0.5 * p.square() - (1 + 0.5 * t.sin()) * z.cos()).sum(dim=1)

    field = dx.fields.ExtendedPhaseSpace(dx.fields.LearnedHamiltonianField(energy))
    z = torch.tensor([[0.8, 0.0, 0.2, 0.7], [1.6, 0.1, -0.5, 0.7]], dtype=torch.float64)
    check_energy_drift(CASES[name](), field, z, steps=20, allowed=1e-12)


def test_energies_with_kinks():
    def energy(z):
        return z.abs().sum(dim=1) + z.square().sum(dim=1)

    field = dx.fields.PortHamiltonianField(energy, Dense(2, 2)).double()
    z = torch.tensor([[0.7, 0.4]], dtype=torch.float64)
    method = ItohAbeGradient()
    after = torch.tensor([[-0.2, 0.9]], dtype=torch.float64)
    gradient = method.gradient(field, 0.0, 0.1, z, after)
    torch.testing.assert_close(((after - z) * gradient).sum(dim=1), energy(after) - energy(z))


def test_gonzalez_is_the_midpoint_rule_for_quadratic_energies():
    field = PASSIVE["port-quadratic-damped"]().double()
    z, h = states(field), 0.4
    matrix = torch.func.jacrev(lambda x: field(0.0, x[None])[0])(z[0]).detach()
    eye = torch.eye(4, dtype=torch.float64)
    expected = torch.linalg.solve(eye - h / 2 * matrix, (eye + h / 2 * matrix) @ z.T).T
    for method in (GonzalezGradient(), MeanValueGradient()):
        torch.testing.assert_close(method.step(field, 0.0, h, z), expected, rtol=1e-12, atol=1e-13)


def test_mean_value_is_exact_for_polynomials_of_its_degree():
    def energy(z):
        return z.pow(4).sum(dim=1) + z[:, 0] * z[:, 1].pow(3)

    field = dx.fields.PortHamiltonianField(energy, Dense(2, 2)).double()
    z, after = torch.randn(2, 5, 2, dtype=torch.float64)
    for nodes, exact in ((1, False), (2, True)):
        (part,) = MeanValueGradient(nodes=nodes).increments(field, 0.0, z, after)
        missing = part.missing.abs().max()
        assert (missing < 1e-13 * part.scale.max()) == exact


@pytest.mark.parametrize("name", CASES)
def test_gradients_to_state_step_and_parameters(name):
    method, field = CASES[name](), forced()
    h = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    z = states(field).requires_grad_()
    weight = field.storage.map.weight

    def after(z, h, weight):
        inner = {"field.storage.map.weight": weight}
        return torch.func.functional_call(_Step(method, field), inner, (h, z))

    assert torch.autograd.gradcheck(after, (z, h, weight), fast_mode=True)


@pytest.mark.parametrize("name", FAST)
def test_second_derivatives(name):
    method, field = CASES[name](), PASSIVE["port-pendulum"]().double()
    h = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    z = pendulums()[1:2].requires_grad_()
    assert torch.autograd.gradgradcheck(lambda z, h: method.step(field, 0.0, h, z), (z, h))


class _Step(nn.Module):
    """One step of a field with a learned step size."""

    def __init__(self, method, field):
        super().__init__()
        self.method, self.field = method, field

    def forward(self, h, z):
        return self.method.step(self.field, 0.1, h, z)


class OneStep(nn.Module):
    """One step of a learned field with a learned step size."""

    def __init__(self, method) -> None:
        super().__init__()
        self.method = method
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.field = forced().float()
        self.h = nn.Parameter(torch.tensor(0.3))

    def forward(self, z):
        return self.method.step(self.field, 0.1, self.h, z)


REFUSED = {"compile": "expected eager execution", "vmap": "torch.func.vmap"}


@pytest.mark.parametrize(("name", "check"), compiled_once(FAST, "gonzalez"))
def test_lifecycle(name, check):
    example = torch.rand(3, 4) + 0.5
    if check in REFUSED:
        with pytest.raises(Exception, match=REFUSED[check]):
            LIFECYCLE[check](lambda: OneStep(CASES[name]()), example)
        return
    LIFECYCLE[check](lambda: OneStep(CASES[name]()), example)


def test_conservative_steps_preserve_no_volume():
    """Keeping energy and keeping the symplectic form exclude each other, in general."""
    field = PASSIVE["port-pendulum"]().double()
    with pytest.raises(AssertionError, match=r"log\|det\| ="):
        check_determinant(lambda z: GonzalezGradient().step(field, 0.0, 0.5, z), pendulums()[2:3])


def test_flow_claims_what_holds():
    flow = dx.Flow(PASSIVE["port-network"]().double(), GonzalezGradient(), horizon=1.0, steps=4)
    names = [type(claim.structure).__name__ for claim in flow.maps()[0][1].claims().claims]
    assert "EnergyPreserving" in names
    damped = dx.Flow(PASSIVE["port-network-damped"](), GonzalezGradient(), horizon=1.0, steps=4)
    names = [type(claim.structure).__name__ for claim in damped.maps()[0][1].claims().claims]
    assert "Dissipative" in names
    assert "EnergyPreserving" not in names
    driven = dx.Flow(PASSIVE["port-quadratic-driven"](), GonzalezGradient(), horizon=1.0, steps=4)
    names = [type(claim.structure).__name__ for claim in driven.maps()[0][1].claims().claims]
    assert not {"Dissipative", "EnergyPreserving"} & set(names)


@pytest.mark.parametrize("name", CASES)
def test_refuses_a_field_without_an_energy(name):
    field = dx.fields.ResidualField(Dense(4, 4), dx.activations.Tanh())
    expected = re.escape(f"{CASES[name]()!r}: expected a field with an energy, f = S∇H")
    with pytest.raises(TypeError, match=expected + ".*ResidualField, which has no energy"):
        CASES[name]().step(field, 0.0, 0.1, torch.ones(1, 4))


def test_refuses_step_sizes_with_axes():
    field = PASSIVE["port-quadratic"]()
    with pytest.raises(ValueError, match=r"number or a 0-dimensional tensor; got shape \(2,\)"):
        GonzalezGradient().step(field, 0.0, torch.ones(2), torch.ones(2, 4))


def test_names_the_sample_whose_equation_is_not_solved():
    field = dx.fields.PortHamiltonianField(
        lambda z: (z * z[:, :1].square().exp()).sum(dim=1), Dense(2, 2)
    )
    z = torch.tensor([[1.5, 2.0], [0.0, 0.0]])
    with pytest.raises(dx.solvers.ConvergenceError, match=r"GonzalezGradient.*worst sample 1"):
        GonzalezGradient().step(field, 0.0, 5.0, z)


@pytest.mark.parametrize("nodes", [0, -1, 10**8])
def test_refuses_no_nodes_and_very_many(nodes):
    with pytest.raises(ValueError, match=f"nodes to be an integer from 1 to 100; got {nodes}"):
        MeanValueGradient(nodes=nodes)


@pytest.mark.parametrize("name", CASES)
def test_copies_and_names(name):
    method = CASES[name]()
    for twin in (copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        assert repr(twin) == repr(method)
        assert vars(twin) == vars(method)
    space = {kind.__name__: kind for kind in (GonzalezGradient, MeanValueGradient, ItohAbeGradient)}
    assert vars(eval(repr(method), space)) == vars(method)


def test_nodes_are_those_of_gauss():
    method = MeanValueGradient(nodes=3)
    nodes = [0.5 - math.sqrt(0.15), 0.5, 0.5 + math.sqrt(0.15)]
    field = dx.fields.PortHamiltonianField(lambda z: z[:, 0].pow(6), Dense(2, 2)).double()
    z, after = torch.zeros(1, 2).double(), torch.ones(1, 2).double()
    (part,) = method.increments(field, 0.0, z, after)
    mean = sum(w * 6 * x**5 for w, x in zip((5 / 18, 8 / 18, 5 / 18), nodes, strict=True))
    assert abs(float(part.gradient[0, 0]) - mean) < 1e-14


@pytest.mark.parametrize("h", [0.1, 1.0, 100.0])
@pytest.mark.parametrize(
    "method", [dx.integrators.GonzalezGradient, dx.integrators.MeanValueGradient]
)
def test_energy_falls_along_steps_that_no_explicit_guess_survives(method, h):
    class Rosenbrock:
        passive = True

        def energy(self, t, z):
            return 100 * (z[:, 1] - z[:, 0] ** 2) ** 2 + (1 - z[:, 0]) ** 2

        def gradient(self, t, z):
            bend = 200 * (z[:, 1] - z[:, 0] ** 2)
            return torch.stack([-2 * z[:, 0] * bend - 2 * (1 - z[:, 0]), bend], dim=1)

        def steer(self, t, z, g):
            return -g

    field, z = Rosenbrock(), torch.tensor([[-1.2, 1.0]], dtype=torch.float64)
    after = method().step(field, 0.0, h, z)
    fallen = field.energy(0.0, z) - field.energy(0.0, after)
    due = (after - z).square().sum(dim=1) / h
    torch.testing.assert_close(fallen, due, rtol=0, atol=1e-12 * 24.2)
