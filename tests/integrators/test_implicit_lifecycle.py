"""Implicit Runge-Kutta methods as objects: what they refuse, their life cycle, equality."""

import copy
import itertools
import math
import pickle

import pytest
import torch

import darboux as dx
from darboux.integrators import (
    EULER,
    Gauss,
    ImplicitEuler,
    ImplicitRungeKutta,
    LobattoIIIC,
    RadauIA,
)
from darboux.solvers import ConvergenceError
from darboux.testing import LIFECYCLE
from tests.catalogue.integrators import IMPLICIT as CASES
from tests.integrators.phase import DrivenStep, compiled_once


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_steps_that_do_not_converge_raise():
    """ż = z² from 1: implicit Euler with h = 1 has no real solution z' = 1 + z'²."""
    z = torch.tensor([[0.1], [1.0]], dtype=torch.float64)
    message = r"'implicit Euler', order=1.*1 of 2 samples.*worst sample 1.*smaller step"
    method = ImplicitRungeKutta(ImplicitEuler().tableau, max_iter=10)
    with pytest.raises(ConvergenceError, match=message):
        method.step(lambda t, z: z.square(), 0.0, 1.0, z)


def test_explicit_tableaus_are_refused():
    with pytest.raises(ValueError, match=r"implicit tableau; got 'Euler'.*Use RungeKutta\(tableau"):
        ImplicitRungeKutta(EULER)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"tol": math.nan}, ValueError, r"tol to be a number in \(0, 1\) or None; got nan"),
        ({"tol": 1e300}, ValueError, r"tol to be a number in \(0, 1\) or None; got 1e\+300"),
        ({"max_iter": math.nan}, TypeError, "max_iter to be a positive integer; got nan"),
        ({"max_iter": True}, TypeError, "max_iter to be a positive integer; got True"),
        ({"method": "evil"}, ValueError, "method to be 'auto' or .*; got 'evil'"),
        ({"order": 100}, ValueError, "order of at most 4.*'Gauss\\(2\\)'.*; got 100"),
        ({"order": -1}, ValueError, "order to be a positive integer or None; got -1"),
    ],
)
def test_settings_are_checked_at_once(settings, error, message):
    with pytest.raises(error, match=message):
        ImplicitRungeKutta(Gauss(2).tableau, **settings)


def test_implicit_tableaus_are_sent_here():
    with pytest.raises(ValueError, match=r"Use ImplicitRungeKutta\(tableau\)"):
        dx.integrators.RungeKutta(Gauss(2).tableau)


@pytest.mark.parametrize(
    ("h", "z", "message"),
    [
        (torch.ones(1), torch.ones(1, 2), r"0-dimensional tensor; got shape \(1,\)"),
        (0.1, torch.tensor(1.0), "first axis of independent samples"),
    ],
    ids=["step_with_axes", "state_without"],
)
def test_bad_arguments_are_refused(h, z, message):
    with pytest.raises(ValueError, match=message):
        ImplicitEuler().step(lambda t, z: -z, 0.0, h, z)


def test_fields_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape of z, \(2, 3\); got \(2, 1\)"):
        Gauss(2).step(lambda t, z: z[:, :1], 0.0, 0.1, torch.ones(2, 3))


@pytest.mark.parametrize("shape", [(0, 3), (4,), (2, 3, 2, 2)], ids=str)
@pytest.mark.parametrize("name", ["implicit_midpoint", "trapezoidal"])
def test_any_shape(name, shape):
    z = normal(*shape)
    after = CASES[name]().step(lambda t, z: -z, 0.0, 1.0, z)
    torch.testing.assert_close(after, z / 3)


def test_values_that_are_not_finite_raise():
    z = torch.tensor([[1.0], [float("nan")]])
    with pytest.raises(ConvergenceError, match="worst sample 1, whose values are not finite"):
        Gauss(2).step(lambda t, z: -z, 0.0, 0.1, z)


def test_narrow_features_inside_autocast_meet_wide_weights():
    weight, z = torch.randn(3, 3) / 3, torch.randn(2, 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        after = Gauss(2).step(lambda t, z: torch.tanh(z @ weight), 0.0, 0.1, z)
    expected = Gauss(2).step(lambda t, z: torch.tanh(z @ weight), 0.0, 0.1, z.float())
    assert after.dtype == torch.bfloat16
    torch.testing.assert_close(after, expected.bfloat16())


# The number of iterations depends on values: no batch of transforms, no whole graph.
REFUSED = {
    "vmap": (RuntimeError, "Put the samples on the first axis"),
    "compile": (Exception, r"expected eager execution; got torch\.compile"),
}


@pytest.mark.parametrize(("name", "check"), compiled_once(CASES, "gauss2"))
def test_lifecycle(name, check):
    example = torch.rand(3, 4) + 0.5
    if check in REFUSED:
        error, message = REFUSED[check]
        with pytest.raises(error, match=message):
            LIFECYCLE[check](lambda: DrivenStep(CASES[name]()), example)
        return
    LIFECYCLE[check](lambda: DrivenStep(CASES[name]()), example)


@pytest.mark.parametrize("name", CASES)
def test_equal_methods_are_equal_and_copies_too(name):
    method = CASES[name]()
    assert method == CASES[name]() == copy.deepcopy(method) == pickle.loads(pickle.dumps(method))
    assert len({method, CASES[name]()}) == 1
    assert repr(method).startswith(f"{type(method).__name__}(")


def test_named_methods_are_classes():
    method = Gauss(2)
    assert isinstance(method, ImplicitRungeKutta)
    assert type(pickle.loads(pickle.dumps(method))) is type(copy.deepcopy(method)) is Gauss
    assert method == ImplicitRungeKutta(method.tableau, order=4)
    assert repr(method) == "Gauss(order=4, stages=2)"
    assert repr(ImplicitRungeKutta(method.tableau)).startswith("ImplicitRungeKutta('Gauss(2)', ")


def test_settings_tell_methods_apart():
    tableau = Gauss(2).tableau
    methods = [
        ImplicitRungeKutta(tableau),
        ImplicitRungeKutta(tableau, method="newton"),
        ImplicitRungeKutta(tableau, tol=1e-6),
        ImplicitRungeKutta(tableau, max_iter=7),
        RadauIA(2),
        LobattoIIIC(2),
    ]
    assert len(set(methods)) == len(methods)
    assert all(one != other for one, other in itertools.combinations(methods, 2))
