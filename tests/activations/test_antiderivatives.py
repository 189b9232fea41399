"""Antiderivatives against exact oracles, far out, and to second order."""

import math

import mpmath
import pytest
import scipy.special
import torch

from darboux.activations import (
    ELU,
    Clip,
    Identity,
    LeakyReLU,
    LipSwish,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)

POINTS = [
    -1e4,
    -700.0,
    -40.0,
    -21.0,
    -1.0,
    -0.1,
    -1e-9,
    0.0,
    1e-9,
    0.3,
    1.0,
    20.5,
    40.1,
    700.0,
    1e4,
]


def dilogarithm(x, beta):
    value = mpmath.polylog(2, -mpmath.exp(beta * mpmath.mpf(x))).real
    return -value / mpmath.mpf(beta) ** 2


def swish_integral(x):
    s = mpmath.log1p(mpmath.exp(mpmath.mpf("0.5")))
    u = s * mpmath.mpf(x)
    value = u * mpmath.log1p(mpmath.exp(u)) + mpmath.polylog(2, -mpmath.exp(u)).real
    return (value + mpmath.pi**2 / 12) / (mpmath.mpf(1.1) * s**2)


ORACLES = {
    "tanh": (Tanh(), lambda x: mpmath.log(mpmath.cosh(mpmath.mpf(x)))),
    "sigmoid": (Sigmoid(), lambda x: mpmath.log1p(mpmath.exp(mpmath.mpf(x)))),
    "softplus": (Softplus(), lambda x: dilogarithm(x, 1.0)),
    "softplus_sharp": (Softplus(beta=8.0), lambda x: dilogarithm(x, 8.0)),
    "relu": (ReLU(), lambda x: max(x, 0) ** 2 / 2),
    "leaky_relu": (LeakyReLU(slope=0.5), lambda x: (1 if x > 0 else 0.5) * x**2 / 2),
    "elu": (ELU(), lambda x: x**2 / 2 if x > 0 else mpmath.expm1(mpmath.mpf(x)) - x),
    "lip_swish": (LipSwish().double(), swish_integral),
    "identity": (Identity(), lambda x: x**2 / 2),
    "clip": (Clip(threshold=1.0), lambda x: x**2 / 2 if abs(x) <= 1 else abs(x) - 0.5),
}


@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("name", ORACLES)
def test_antiderivative_has_full_relative_accuracy(name, x):
    activation, oracle = ORACLES[name]
    with mpmath.workdps(400):  # 1 + e^x with x = -700
        expected = float(oracle(x))
    value = float(activation.antiderivative(torch.tensor(x, dtype=torch.float64)).detach())
    assert math.isclose(value, expected, rel_tol=4e-15, abs_tol=1e-300)


def test_softplus_agrees_with_the_spence_function():
    x = torch.linspace(-5, 300, 2001, dtype=torch.float64)
    expected = -torch.from_numpy(scipy.special.spence(1 + torch.exp(x).numpy()))
    torch.testing.assert_close(Softplus().antiderivative(x), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ORACLES)
def test_second_derivative_is_the_slope(name):
    activation, _ = ORACLES[name]
    points = [-1e3, -30.0, -0.7, -1e-9, 0.0, 1e-9, 0.7, 30.0, 1e3]
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(activation.antiderivative(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    (slope,) = torch.autograd.grad(activation(x).sum(), x)
    torch.testing.assert_close(second, slope, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ORACLES)
def test_far_out_everything_is_finite(name, dtype):
    activation, _ = ORACLES[name]
    x = torch.tensor([-1e4, 1e4], dtype=dtype, requires_grad=True)
    value = activation.antiderivative(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert value.isfinite().all()
    torch.testing.assert_close(slope, activation(x).detach(), rtol=1e-6, atol=1e-6)


def test_softplus_has_no_jump_where_torch_has_one():
    x = torch.tensor([20.0, 20.0 + 1e-10], dtype=torch.float64)
    assert Softplus()(x).diff() > 0
    assert torch.nn.functional.softplus(x).diff() < 0, "torch has none any more: simplify"


def test_slopes_of_the_swish_are_below_the_bound_and_as_steep_as_it_says():
    with mpmath.workdps(30):

        def slope(u):
            return mpmath.diff(lambda t: t / (1 + mpmath.exp(-t)), u)

        steepest = slope(mpmath.findroot(lambda u: mpmath.diff(slope, u), 2.4))
    lower, upper = LipSwish().slopes()
    assert 0 < upper * 1.1 - steepest < 1e-9
    assert 0 < (1 - steepest) - lower * 1.1 < 1e-9
