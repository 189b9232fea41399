"""Methods that can be undone, for fields on phase space and for any field."""

import pytest
import torch

import darboux as dx
from darboux.integrators import (
    DormandPrince,
    ImplicitMidpoint,
    ImprovedEuler,
    Integrator,
    Kutta4,
    LeapfrogMidpoint,
    ReversibleHeun,
)
from darboux.testing import check_step_back, check_symmetric, check_volume
from tests.catalogue.integrators import SYMPLECTIC as CASES
from tests.integrators.phase import Phase, example

SYMMETRIC = [name for name, build in CASES.items() if build().symmetric]
QUICK = ["symplectic_euler", "symplectic_euler_kick", "stormer_verlet", "stormer_verlet_drift"]
SMALL = ["hamiltonian-2-reversible", "separable-1-driven", "second-order-conv1d-composed"]
IMPLICIT = ["learned-2-driven", "extended-1-driven"]


def dissipative():
    return dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())


def residual():
    return dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.GroupSort())


DOUBLED = ["leapfrog_midpoint", "reversible_heun"]
ANY = [dissipative, residual]


@pytest.mark.parametrize("field", [*SMALL, "coupled-4-group-sort"])
@pytest.mark.parametrize("name", CASES)
def test_step_back(name, field):
    check_step_back(CASES[name](), *example(field))


@pytest.mark.parametrize("field", IMPLICIT)
@pytest.mark.parametrize("name", [*QUICK, "composition4_yoshida"])
def test_step_back_where_nothing_separates(name, field):
    check_step_back(CASES[name](), *example(field))


@pytest.mark.parametrize("field", SMALL)
@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric(name, field):
    check_symmetric(CASES[name](), *example(field))


@pytest.mark.parametrize("field", IMPLICIT)
@pytest.mark.parametrize("name", ["stormer_verlet", "stormer_verlet_drift"])
def test_symmetric_where_nothing_separates(name, field):
    check_symmetric(CASES[name](), *example(field))


@pytest.mark.parametrize("build", ANY, ids=lambda build: build.__name__)
@pytest.mark.parametrize("name", DOUBLED)
def test_any_field_can_be_undone(name, build):
    field, x = build().double(), torch.randn(3, 4, dtype=torch.float64)
    check_step_back(CASES[name](), field, x)
    check_volume(CASES[name](), field, x)


@pytest.mark.parametrize("name", DOUBLED)
def test_a_thousand_steps_back(name):
    """To rounding: what is undone is the map, not the flow."""
    field, x = dissipative().double(), torch.randn(3, 4, dtype=torch.float64)
    flow = dx.Flow(field, CASES[name](), horizon=2.0, steps=1000).doubled()
    start = flow.start(x)
    after = flow(start)
    assert float((after - start).detach().abs().max()) > 0.1
    torch.testing.assert_close(flow.inverse(after), start, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_undone_says_so(name):
    method = CASES[name]()
    assert method.invertible
    assert type(method).step_back is not Integrator.step_back


@pytest.mark.parametrize("build", [Kutta4, ImplicitMidpoint, DormandPrince])
def test_other_methods_refuse_to_step_back(build):
    method, x = build(), torch.ones(1, 2)
    assert not method.invertible
    with pytest.raises(TypeError, match=rf"can be undone; got {build.__name__}\(.*StormerVerlet"):
        method.step_back(lambda t, z: -z, 0.0, 0.1, x)


@pytest.mark.parametrize("name", CASES)
def test_the_state_of_a_start_stands_for_it(name):
    method, x = CASES[name](), torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(method.value(method.init(Phase(autonomous=False).double(), 0.0, 0.1, x)), x)


def test_leapfrog_begins_with_improved_euler_and_asks_for_no_time_before():
    times = []

    def field(t, z):
        times.append(t)
        return (z + t).sin()

    x = torch.randn(3, 4, dtype=torch.float64)
    method = LeapfrogMidpoint()
    first = method.value(method.step(field, 0.5, 0.1, method.init(field, 0.5, 0.1, x)))
    torch.testing.assert_close(first, ImprovedEuler().step(field, 0.5, 0.1, x), rtol=0, atol=1e-15)
    assert min(times) == 0.5
    assert max(times) == 0.6


def test_reversible_heun_is_the_stated_formula():
    def field(t, z):
        return (z + t).sin()

    z, auxiliary = torch.randn(2, 3, 4, dtype=torch.float64)
    after, other = ReversibleHeun().step(field, 0.5, 0.1, (z, auxiliary))
    torch.testing.assert_close(other, 2 * z - auxiliary + 0.1 * field(0.5, auxiliary))
    slopes = field(0.5, auxiliary) + field(0.6, other)
    torch.testing.assert_close(after, z + 0.05 * slopes)


@pytest.mark.parametrize("name", DOUBLED)
def test_wrong_slopes_are_refused(name):
    method, x = CASES[name](), torch.ones(3, 4)
    with pytest.raises(ValueError, match=r"of the shape of z"):
        method.step(lambda t, z: z[:1], 0.0, 0.1, (x, x))


def test_checks_refute_volume_that_is_lost():
    class Damped(Integrator):
        doubled = True
        init = staticmethod(lambda field, t, h, z: (z, z))
        step = staticmethod(lambda field, t, h, pair: (pair[1], 0.9 * pair[0]))

    with pytest.raises(AssertionError, match=r"log\|det D\| is 0\.421"):
        check_volume(Damped(), None, torch.ones(1, 4, dtype=torch.float64))
