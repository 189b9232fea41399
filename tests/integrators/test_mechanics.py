"""RATTLE and the discrete rigid body: order, energy, momentum, symplecticity, constraint."""

import math

import pytest
import torch

import darboux as dx
from darboux.fields import MechanicalField
from darboux.integrators import Kutta4, Rattle, StormerVerlet, VariationalRigidBody
from darboux.manifolds import SO, LevelSet, Sphere
from darboux.testing import LIFECYCLE
from tests.catalogue.fields.on_manifolds import MECHANICAL, states_of
from tests.integrators.phase import compiled_once

PAIRS = [
    ("mechanical-pendulum", Rattle()),
    ("mechanical-oval", Rattle()),
    ("mechanical-top", Rattle()),
    ("mechanical-top", VariationalRigidBody()),
]
every_pair = pytest.mark.parametrize(
    ("name", "method"), PAIRS, ids=[f"{name}-{type(m).__name__}" for name, m in PAIRS]
)


def still(q):
    return 0 * q.flatten(1).sum(dim=1)


def walk(method, field, x, h, count):
    """Yield the states after each step."""
    with torch.no_grad():
        for _ in range(count):
            x = method.step(field, 0.0, h, x)
            yield x


def end(method, field, x, count, time=1.0):
    return list(walk(method, field, x, time / count, count))[-1]


@every_pair
def test_order_and_the_equation_that_is_solved(name, method):
    field = MECHANICAL[name]().double()
    x = states_of(field)
    exact = x
    with torch.no_grad():
        for _ in range(60):
            exact = Kutta4().step(field, 0.0, 1 / 60, exact)
    coarse, fine = (float((end(method, field, x, n) - exact).norm()) for n in (20, 40))
    assert 1.85 < math.log2(coarse / fine) < 2.15


@every_pair
def test_energy_and_constraint_over_many_steps(name, method):
    field = MECHANICAL[name]().double()
    x = states_of(field, batch=1)
    states = torch.cat(list(walk(method, field, x, 0.02, 150)))
    energy = field.energy(0.0, states).detach()
    assert (energy - energy[0]).abs().max() < 0.02 * (1 + energy[0].abs())
    assert field.manifold.check(states)[0]


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "steps"), [(0, 100_000), (3, 100_000)], ids=["pendulum", "top"])
def test_energy_over_very_many_steps(pair, steps):
    name, method = PAIRS[pair]
    field = MECHANICAL[name]().double()
    x = states_of(field, batch=1)
    start = field.energy(0.0, x).item()
    errors, worst = [], 0.0
    for k, state in enumerate(walk(method, field, x, 0.05, steps)):
        if k % 10 == 0:
            errors.append(abs(field.energy(0.0, state).item() - start))
            worst = max(worst, float(field.manifold.defect(state).max()))
    early, late = max(errors[:1000]), max(errors[-1000:])
    assert late < 1.5 * early  # no drift
    assert worst < 1e-12


def test_a_method_that_is_not_symplectic_loses_energy():
    """The measure of the test above sees a drift where there is one."""
    field = MECHANICAL["mechanical-pendulum"]().double()
    x = torch.tensor([[0.6, 0.0, -0.8, 0.0, 1.5, 0.0]], dtype=torch.float64)
    energies = []
    for _ in range(200):
        with torch.no_grad():
            x = field.manifold.nearest(x + 0.05 * field(0.0, x))
        energies.append(field.energy(0.0, x).item())
    assert abs(energies[-1] - energies[0]) > 0.3 * abs(energies[0])


def test_momentum_maps_are_kept():
    """A pendulum keeps its angular momentum about the vertical, a free body all of it."""
    pendulum = MECHANICAL["mechanical-pendulum"]().double()
    x = states_of(pendulum)
    q, p = end(Rattle(), pendulum, x, 100, 3.0).chunk(2, dim=1)
    about = (torch.linalg.cross(q, p)[:, 2], torch.linalg.cross(x[:, :3], x[:, 3:])[:, 2])
    torch.testing.assert_close(*about, rtol=0, atol=1e-12)
    body = MechanicalField.rigid_body(SO(3), (1.0, 2.0, 2.5), still)
    x = states_of(body)
    turn, momentum = end(VariationalRigidBody(), body, x, 100, 3.0).chunk(2, dim=1)
    whole = momentum @ turn.mT - turn @ momentum.mT
    start = x[:, 3:] @ x[:, :3].mT - x[:, :3] @ x[:, 3:].mT
    torch.testing.assert_close(whole, start, rtol=0, atol=1e-12)


def test_the_discrete_rigid_body_is_rattle():
    field = MECHANICAL["mechanical-top"]().double()
    x = states_of(field)
    both = [end(method, field, x, 20) for method in (Rattle(), VariationalRigidBody())]
    torch.testing.assert_close(*both, rtol=1e-11, atol=1e-11)


def tangents(field, x):
    """Return a basis of the tangent space of the cotangent bundle at one point, as columns."""
    level = field.manifold.nearest

    def constraint(y):
        return y - level(y[None])[0]

    jacobian = torch.func.jacrev(constraint)(x).reshape(x.numel(), -1)
    _, sizes, rows = torch.linalg.svd(jacobian)
    return rows[sizes < 1e-6].T


@every_pair
def test_symplecticity_in_a_tangent_basis(name, method):
    field = MECHANICAL[name]().double()
    x = states_of(field, batch=1)[0]

    def step(y):
        return method.step(field, 0.0, 0.3, y[None])[0]

    basis = tangents(field, x)
    jacobian = torch.func.jacrev(step)(x).reshape(x.numel(), -1)
    half = x.numel() // 2
    form = torch.zeros(2 * half, 2 * half, dtype=x.dtype)
    form[:half, half:], form[half:, :half] = torch.eye(half), -torch.eye(half)
    before, after = basis.T @ form @ basis, (jacobian @ basis).T @ form @ (jacobian @ basis)
    assert basis.shape[1] == 2 * (3 if "top" in name else 2)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


def test_refusals():
    pendulum = MECHANICAL["mechanical-pendulum"]()
    with pytest.raises(TypeError, match=r"rigid body; got MechanicalField.*Rattle\(\)"):
        dx.Flow(pendulum, VariationalRigidBody(), steps=2)
    field = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())
    with pytest.raises(TypeError, match="forces on a cotangent bundle"):
        dx.Flow(field, Rattle(), steps=2)
    with pytest.raises(TypeError, match="phase space"):
        dx.Flow(pendulum, StormerVerlet(), steps=2)
    with pytest.raises(TypeError, match=r"LevelSet\(g, shape\)"):
        MechanicalField(dx.manifolds.SPD(3), still)
    with pytest.raises(ValueError, match="one mass, or 3 for the last axis"):
        MechanicalField(Sphere(3), still, masses=(1.0, 2.0))
    with pytest.raises(ValueError, match="sum of the others"):
        MechanicalField.rigid_body(SO(3), (1.0, 1.0, 2.0), still)


@pytest.mark.parametrize("method", [Rattle(), VariationalRigidBody()], ids=repr)
def test_steps_too_long_to_be_solved_are_refused(method):
    field = MechanicalField.rigid_body(SO(3), (1.0, 1.0, 0.6), still)
    x = field.manifold.nearest(100 * torch.randn(1, 6, 3))
    with pytest.raises(ValueError, match="Take shorter steps"):
        method.step(field, 0.0, 1.0, x)


class OneStep(torch.nn.Module):
    def __init__(self, name, method):
        super().__init__()
        self.method = method
        self.field = MECHANICAL[name]()
        self.h = torch.nn.Parameter(torch.tensor(0.1))

    def forward(self, x):
        return self.method.step(self.field, 0.0, self.h, x)


@pytest.mark.parametrize(("case", "check"), compiled_once(["rattle", "rigid_body"]))
def test_lifecycle(case, check):
    name, method = PAIRS[0 if case == "rattle" else 3]
    example = states_of(MECHANICAL[name](), dtype=torch.float32)
    LIFECYCLE[check](lambda: OneStep(name, method), example)


@pytest.mark.parametrize(
    "function", [lambda x: x.sum(), lambda x: x[0] - 1], ids=["no axis", "no batch"]
)
def test_equations_of_another_shape_are_refused(function):
    with pytest.raises((ValueError, IndexError), match=r"expected g of points \(batch, 3\)"):
        LevelSet(function, (3,)).nearest(torch.ones(2, 3))
