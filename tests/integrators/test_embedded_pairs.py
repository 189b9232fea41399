"""Embedded pairs: order conditions of b, of the embedded weights and between steps; convergence."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
import torch

import darboux as dx
from darboux.integrators import (
    BogackiShampine,
    DormandPrince,
    DormandPrince8,
    Fehlberg,
    HeunEuler,
    Tableau,
    Tsitouras,
    order,
)
from tests.integrators.adaptive_fields import MATRIX, batch, driven, linear

# method -> orders of b, of the embedded weights, and between steps
ORDERS = {
    BogackiShampine: (3, 2, 3),
    DormandPrince: (5, 4, 4),
    DormandPrince8: (8, 7, 5),
    Fehlberg: (2, 1, 2),
    HeunEuler: (2, 1, 2),
    Tsitouras: (5, 4, 4),
}
PAIRS = pytest.mark.parametrize("method", ORDERS)
EXACT = {BogackiShampine, DormandPrince, Fehlberg, HeunEuler}


@PAIRS
def test_order_conditions_of_both_results(method):
    pair, (higher, lower, _) = method.pair, ORDERS[method]
    assert order(pair.tableau) == pair.order == method.order == higher
    embedded = Tableau(pair.tableau.a, pair.embedded, pair.tableau.c, "embedded")
    assert order(embedded) == lower
    assert pair.tableau.a[-1] == pair.tableau.b  # the last stage is the result
    assert pair.tableau.rational == (method in EXACT)


@pytest.mark.parametrize("place", [Fraction(1, 7), Fraction(1, 2), Fraction(6, 7)])
@PAIRS
def test_order_conditions_between_steps(method, place):
    """A step by θh on the same stages: those of a/θ, b(θ)/θ and c/θ."""
    pair = method.pair
    # published dense weights are rounded, to about 1e-15 even where they are fractions
    theta = place if method in EXACT - {DormandPrince} else float(place)
    weights = [sum(x * theta**i for i, x in enumerate(row)) for row in pair.dense]
    rows = tuple(tuple(x / theta for x in row) for row in pair.tableau.a)
    nodes = tuple(sum(row) for row in rows)
    assert order(Tableau(rows, tuple(weights), nodes, "between")) == ORDERS[method][2]


@PAIRS
def test_a_step_ends_where_its_interpolation_does(method):
    pair = method.pair
    for row, weight in zip(pair.dense, pair.tableau.b, strict=True):
        assert abs(float(sum(row) - weight)) < 1e-12
    rates = [sum((i + 1) * x for i, x in enumerate(row)) for row in pair.dense]
    assert abs(float(pair.dense[0][0]) - 1) < 1e-11  # the slope at the start is the first one
    if ORDERS[method][2] < 5:  # smooth from one step to the next
        assert max(abs(float(x)) for x in rates[:-1]) < 1e-11


@PAIRS
def test_equal_steps_of_a_pair_converge_at_its_order(method):
    z, duration, errors = batch(4), 1.0, []
    exact = z @ torch.linalg.matrix_exp(duration * MATRIX).T
    for steps in (4, 8):
        h = duration / steps
        one = method(rtol=1e9, atol=1e9, first_step=h, max_step=h)
        errors.append(float((one.step(linear, 0.0, duration, z) - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) > method.order - 0.4


@PAIRS
@pytest.mark.parametrize("duration", [1.7, -1.2])
def test_errors_stay_near_the_tolerance(method, duration):
    z = batch(3)
    exact = DormandPrince8(rtol=1e-13, atol=1e-13).step(driven, 0.5, duration, z)
    found = method(rtol=1e-5, atol=1e-5).step(driven, 0.5, duration, z)
    # the estimate of Fehlberg's is that of a method of order 1, times 1/512
    factor = 1000 if method is Fehlberg else 20
    assert float((found - exact).abs().max()) < factor * 1e-5


@PAIRS
def test_first_and_longest_steps(method):
    times = []

    def field(t, z):
        times.append(float(t))
        return -z

    one = method(rtol=1e-3, first_step=0.01, max_step=0.1)
    one.step(field, 0.0, 1.0, torch.ones(1, 1).double())
    stages = len(method.pair.tableau.b) - 1
    ends = [0.0, *times[stages::stages]]
    steps = [b - a for a, b in pairwise(ends)]
    assert abs(steps[0] - 0.01) < 1e-12
    assert max(steps) < 0.1 + 1e-12
    assert abs(sum(steps) - 1) < 1e-12


def test_safety_and_growth_change_the_steps():
    def count(**settings):
        calls = []

        def field(t, z):
            calls.append(t)
            return -z

        DormandPrince(rtol=1e-6, **settings).step(field, 0.0, 3.0, torch.ones(1, 1).double())
        return len(calls)

    assert count(safety=0.5) > count()  # shorter steps of a smooth field
    assert count(grow=1.1, first_step=1e-3) > count(first_step=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"safety": 1.5}, r"safety to be a number in \(0, 1\]"),
        ({"grow": 0.5}, r"grow to be a finite number of 1 or more"),
        ({"max_step": 0.0}, r"max_step to be a positive number, or infinity"),
        ({"first_step": math.inf}, r"first_step to be a positive finite number"),
    ],
)
def test_refuses_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Tsitouras(**settings)


def test_derivatives_by_every_pair():
    z = batch(2).requires_grad_()
    for method in ORDERS:
        one = method(rtol=1e9, first_step=0.05, max_step=0.05)
        assert torch.autograd.gradcheck(lambda z, m=one: m.step(driven, 0.0, 0.1, z), z), method


def test_an_adaptive_flow_of_any_pair():
    field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()).double()
    z = torch.ones(3, 2).double()
    one, other = (
        dx.Flow(field, method(rtol=1e-10, atol=1e-12), steps=2)(z)
        for method in (Tsitouras, DormandPrince)
    )
    torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)
