"""Methods of shears and of parts as objects: derivatives, copies, bounds, bad input."""

import copy
import math
import pickle

import pytest
import torch

import darboux as dx
from darboux.integrators import (
    Composition,
    Euler,
    Splitting,
    StormerVerlet,
    SymplecticEuler,
)
from darboux.testing import LIFECYCLE
from tests.catalogue.integrators import SYMPLECTIC as CASES
from tests.integrators.phase import Linear, OneStep, Phase
from tests.lifecycles import lifecycle_cases

ONE_STEP = [name for name, build in CASES.items() if not build().doubled]
PARTITIONED = [name for name in ONE_STEP if "splitting" not in name]


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check):
    LIFECYCLE[check](lambda: OneStep(CASES[name]()), torch.rand(3, 4) + 0.5)


@pytest.mark.parametrize("name", CASES)
def test_double_backward(name):
    module = OneStep(CASES[name](), autonomous=True).double()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(module, x)


@pytest.mark.parametrize("name", CASES)
def test_learned_and_negative_steps(name):
    method, field = CASES[name](), Phase(autonomous=False).double()
    x = torch.randn(2, 4, dtype=torch.float64)

    def after(h):
        return method.value(method.step(field, 0.2, h, method.init(field, 0.2, h, x)))

    for size in (0.3, -0.3):
        h = torch.tensor(size, dtype=torch.float64, requires_grad=True)
        torch.testing.assert_close(after(h), after(size), rtol=0, atol=1e-14)
        assert torch.autograd.gradcheck(after, h)
    with pytest.raises(ValueError, match="step size that is a number or a 0-dimensional tensor"):
        after(torch.ones(2))


@pytest.mark.parametrize("name", CASES)
def test_equal_methods_are_equal_and_copies_too(name):
    method = CASES[name]()
    assert method == CASES[name]() == copy.deepcopy(method) == pickle.loads(pickle.dumps(method))
    assert len({method, CASES[name]()}) == 1
    assert method != Euler()
    assert type(method).__name__ in repr(method)


@pytest.mark.parametrize("name", CASES)
def test_steps_change_nothing_in_the_method(name):
    method, field = CASES[name](), Phase(autonomous=False)
    before = copy.deepcopy(vars(method))
    method.step(field, 0.0, 0.1, method.init(field, 0.0, 0.1, torch.ones(1, 4)))
    assert vars(method) == before


def test_different_methods_differ():
    methods = {build() for build in CASES.values()}
    assert len(methods) == len(CASES)


@pytest.mark.parametrize("h", [-0.7, 0.05, 1.5])
@pytest.mark.parametrize("name", PARTITIONED)
def test_lipschitz_factor_holds_and_is_differentiable(name, h):
    method, identity = CASES[name](), torch.eye(2, dtype=torch.float64)
    maps = [method.step(Linear(sign), 0.0, h, identity) for sign in (1.0, -1.0)]
    growth = max(float(torch.linalg.matrix_norm(matrix, 2)) for matrix in maps)
    size = torch.tensor(h, dtype=torch.float64, requires_grad=True)
    factor = method.lipschitz_factor(size, 2.0)
    assert factor.dtype == torch.float64
    weights = method.coefficients.weights if isinstance(method, Composition) else (1.0,)
    total = sum(abs(weight) for weight in weights)
    # s(x) <= e^(x/2) for each shear
    assert growth <= float(factor.detach()) <= math.exp(2 * abs(h) * total)
    assert torch.autograd.grad(factor, size)[0].sign() == math.copysign(1, h)


def test_lipschitz_factors_of_two_shears_are_sharp():
    """Of the norms s(x) = (x + √(x² + 4))/2 of shears, and no larger."""
    s = lambda x: (x + math.sqrt(x * x + 4)) / 2  # noqa: E731
    for method, expected in (
        (SymplecticEuler(), s(0.6) ** 2),
        (StormerVerlet(), s(0.3) ** 2 * s(0.6)),
        (StormerVerlet(first="drift"), s(0.3) ** 2 * s(0.6)),
    ):
        assert float(method.lipschitz_factor(0.3, 2.0)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    "method", [SymplecticEuler(), StormerVerlet(), Composition(4), Splitting(symmetric=False)]
)
def test_fields_without_the_property_are_refused_by_name(method):
    field = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())
    x = torch.ones(1, 4)
    for refuse in (
        lambda: method.require(field),
        lambda: method.step(field, 0.0, 0.1, x),
        lambda: method.step_back(field, 0.0, 0.1, x),
        lambda: dx.Flow(field, method, steps=1),
    ):
        with pytest.raises(TypeError, match=r"got ResidualField, which has no .*Use .*Midpoint"):
            refuse()


def test_splitting_says_why_runge_kutta_does_not_do():
    with pytest.raises(TypeError, match="No Runge-Kutta method preserves volume"):
        Splitting().require(len)


def test_bad_arguments():
    for method in (SymplecticEuler, StormerVerlet):
        with pytest.raises(ValueError, match="expected first to be 'drift' or 'kick'"):
            method(first="both")
    with pytest.raises(TypeError, match="expected symmetric to be True or False"):
        Splitting(symmetric="yes")
    with pytest.raises(ValueError, match="even number of channels"):
        StormerVerlet().step(Phase(autonomous=True), 0.0, 0.1, torch.ones(1, 3))
    field = Phase(autonomous=True)
    field.drift = lambda t, z, p: p[:1]
    with pytest.raises(ValueError, match=r"of the shape of z"):
        StormerVerlet().step(field, 0.0, 0.1, torch.ones(2, 4))
