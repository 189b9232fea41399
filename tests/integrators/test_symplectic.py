"""Methods made of shears and of parts: order, symplecticity, volume, energy."""

import math

import pytest
import torch

import darboux as dx
from darboux.integrators import (
    Composition,
    Euler,
    Integrator,
    Kutta4,
    StormerVerlet,
    SymplecticEuler,
)
from darboux.testing import (
    check_hamiltonian_order,
    check_step_back,
    check_symmetric,
    check_symplectic,
    check_volume,
)
from tests.catalogue.fields.phase import CASES as FIELDS
from tests.catalogue.integrators import SYMPLECTIC as CASES
from tests.integrators.phase import Pendulum, example

ONE_STEP = [name for name, build in CASES.items() if not build().doubled]
QUICK = ["symplectic_euler", "symplectic_euler_kick", "stormer_verlet", "stormer_verlet_drift"]
SMALL = ["hamiltonian-2-reversible", "separable-1-driven", "second-order-conv1d-composed"]
CANONICAL = [name for name, build in FIELDS.items() if build().canonical]


@pytest.mark.parametrize("name", CASES)
def test_order(name):
    check_hamiltonian_order(CASES[name]())


@pytest.mark.parametrize("name", [*QUICK, "composition4_yoshida", "leapfrog_midpoint"])
def test_order_where_nothing_separates(name):
    check_hamiltonian_order(CASES[name](), separable=False)


@pytest.mark.parametrize("field", CANONICAL)
@pytest.mark.parametrize("name", [*QUICK, "composition4_yoshida"])
def test_symplectic_for_every_hamiltonian_field(name, field):
    check_symplectic(CASES[name](), *example(field))


@pytest.mark.parametrize("field", SMALL)
@pytest.mark.parametrize("name", ONE_STEP)
def test_symplectic_for_every_method(name, field):
    check_symplectic(CASES[name](), *example(field))


@pytest.mark.parametrize("field", ["coupled-3-reversible", "coupled-conv2d", "separable-1-driven"])
@pytest.mark.parametrize("name", CASES)
def test_volume(name, field):
    check_volume(CASES[name](), *example(field))


@pytest.mark.parametrize("name", ["splitting", "splitting_lie", "composition4_splitting"])
def test_volume_of_shear_fields(name):
    field = dx.fields.ShearField(dx.linear.Dense(3, 4), dx.activations.Tanh()).double()
    check_volume(CASES[name](), field, torch.randn(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("first", ["drift", "kick"])
def test_symplectic_euler_is_the_stated_formula(first):
    field, x = example("learned-2-driven")
    t, h = 0.3, 0.2
    z, p = x.chunk(2, dim=1)
    after = SymplecticEuler(first=first).step(field, t, h, x)
    z1, p1 = after.chunk(2, dim=1)
    time, at = (t + h, (z1, p)) if first == "drift" else (t, (z, p1))
    expected = torch.cat([z + h * field.drift(time, *at), p + h * field.kick(time, *at)], dim=1)
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-14)


def test_stormer_verlet_is_the_stated_formula():
    field, x = example("separable-1-driven")
    t, h = 0.3, 0.2
    z, p = x.chunk(2, dim=1)
    half = p + h / 2 * field.kick(t, z, p)
    z1 = z + h / 2 * (field.drift(t, z, half) + field.drift(t + h, z, half))
    p1 = half + h / 2 * field.kick(t + h, z1, half)
    after = StormerVerlet().step(field, t, h, x)
    torch.testing.assert_close(after, torch.cat([z1, p1], dim=1), rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", [Euler(), Kutta4()])
def test_checks_refute_methods_that_are_not_symplectic(method):
    field, x = example("hamiltonian-2-reversible")
    with pytest.raises(AssertionError, match="DᵀJD - J is"):
        check_symplectic(method, field, x)
    with pytest.raises(AssertionError, match=r"log\|det D\| is"):
        check_volume(method, field, x)
    with pytest.raises(AssertionError, match="does not say that it is symmetric"):
        check_symmetric(method, field, x)


def test_checks_refute_wrong_methods():
    field, x = example("hamiltonian-2-reversible")

    class Forgetful(Integrator):
        symmetric = True
        init = staticmethod(lambda field, t, h, z: z)
        step = staticmethod(lambda field, t, h, z: z + h * field(t, z))
        step_back = staticmethod(lambda field, t, h, z: z - h * field(t, z))

    with pytest.raises(AssertionError, match="there and back is off"):
        check_step_back(Forgetful(), field, x)
    with pytest.raises(AssertionError, match="steps by h and -h are off"):
        check_symmetric(Forgetful(), field, x)
    with pytest.raises(AssertionError, match="DᵀJD - J is"):
        check_symplectic(StormerVerlet(), *example("coupled-3-reversible"))


def energy_errors(method, steps):
    """H - H(0) along the pendulum from (2, 0), h = 0.2."""
    field, x, states = Pendulum(), torch.tensor([[2.0, 0.0]], dtype=torch.float64), []
    for _ in range(steps):
        x = method.step(field, 0.0, 0.2, x)
        states.append(x)
    return field.energy(0.0, torch.cat(states)) + math.cos(2.0)


def drift(errors):
    """How far the mean moves from the first half to the second, and a line through the second."""
    first, second = errors.chunk(2)
    time = torch.linspace(-1, 1, len(second), dtype=torch.float64)
    return abs(float(second.mean() - first.mean())), abs(float((time @ second) / (time @ time)))


def test_the_energy_of_the_pendulum_stays():
    """Kick-drift-kick, t = 2000: bounded below 0.011, and no drift."""
    errors = energy_errors(StormerVerlet(), 10_000)
    assert 0.01 < float(errors.abs().max()) < 0.011
    assert max(drift(errors)) < 1e-5


def test_the_energy_of_the_pendulum_drifts_with_other_methods():
    """Of order 4, but not symplectic: the measure of drift sees it."""
    assert max(drift(energy_errors(Kutta4(), 5_000))) > 1e-3
    assert float(energy_errors(Composition(4), 500).abs().max()) < 1e-4
