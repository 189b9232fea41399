"""Every integrator of the catalogue passes every check."""

import copy
import pickle

import pytest
import torch

from darboux.integrators import RungeKutta
from darboux.testing import (
    LIFECYCLE,
    check_lipschitz_factor,
    check_order,
    check_radius,
    check_radius_is_sharp,
    check_step_sizes,
)
from tests.catalogue.integrators import EXPLICIT as CASES
from tests.integrators.phase import DrivenStep, compiled_once

RUNGE_KUTTA = [name for name, build in CASES.items() if isinstance(build(), RungeKutta)]
CONTRACTIVE = [name for name in RUNGE_KUTTA if CASES[name]().radius is not None]


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_order(name):
    check_order(CASES[name]())


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_step_sizes(name):
    check_step_sizes(CASES[name]())


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_lipschitz_factor(name):
    check_lipschitz_factor(CASES[name]())


@pytest.mark.parametrize("name", CONTRACTIVE)
def test_radius(name):
    check_radius(CASES[name]())


@pytest.mark.parametrize("name", CONTRACTIVE)
def test_radius_is_sharp(name):
    check_radius_is_sharp(CASES[name]())


@pytest.mark.parametrize("name", CONTRACTIVE)
def test_radius_check_refutes_a_larger_radius(name):
    method = CASES[name]()
    with pytest.raises(AssertionError, match="grow by"):
        check_radius(method, radius=1.05 * method.radius)


def test_order_check_refutes_a_wrong_order():
    method = CASES["kutta3"]()
    method.order = 4
    with pytest.raises(AssertionError, match=r"errors fall like h\^3.*; the order is 4"):
        check_order(method)


@pytest.mark.parametrize(("name", "check"), compiled_once(CASES, "kutta4", "post_activation"))
def test_lifecycle(name, check):
    LIFECYCLE[check](lambda: DrivenStep(CASES[name]()), torch.rand(3, 4) + 0.5)


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_equal_methods_are_equal_and_copies_too(name):
    method = CASES[name]()
    assert method == CASES[name]() == copy.deepcopy(method) == pickle.loads(pickle.dumps(method))
    assert len({method, CASES[name]()}) == 1
    assert repr(method).startswith(f"{type(method).__name__}(")


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_steps_change_nothing_in_the_method(name):
    method = CASES[name]()
    before = copy.deepcopy(vars(method))
    method.step(lambda t, z: -z, 0.0, 0.1, torch.ones(2))
    assert vars(method) == before
