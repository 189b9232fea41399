"""Gradients with built-in error: tolerances that follow the gradient, and what they cost."""

import pytest
import torch

from darboux.control import gradient_tolerances
from darboux.solvers import descend

DOUBLE = torch.float64
WRONG = torch.tensor([0.6, -0.8], dtype=DOUBLE)  # a unit vector
RATE = 0.2


class Inexact:
    """E = ½‖θ‖², whose gradient with tolerance τ is θ + 3τ · WRONG."""

    def __init__(self):
        self.theta = torch.tensor([3.0, 1.0], dtype=DOUBLE, requires_grad=True)
        self.asked = []

    def __call__(self, tolerance):
        self.asked.append(tolerance)
        return self.theta.square().sum() / 2 + 3 * tolerance * (WRONG * self.theta).sum()

    def descend(self, tolerances):
        """Train, and return the tolerances and the exact gradients at each step."""
        used, exact = [], []

        def noted():
            for tolerance in tolerances:
                used.append(tolerance)
                exact.append(float(self.theta.detach().norm()))
                yield tolerance

        descend(torch.optim.SGD([self.theta], lr=RATE), self, noted())
        return used, exact


def test_errors_are_a_fraction_of_the_gradient():
    loss = Inexact()
    tolerances = gradient_tolerances([loss.theta], loss, steps=60, fraction=0.1, every=6)
    used, exact = loss.descend(tolerances)
    # between two measurements the norm is the one at the step before, with its error
    assert all(3 * t <= 0.1 * 1.1 * g / (1 - RATE) for t, g in zip(used, exact, strict=True))
    assert all(3 * t >= 0.05 * g for t, g in zip(used[20:], exact[20:], strict=True))
    assert exact[-1] < 1e-4 * exact[0]


def test_fixed_tolerance_stops_where_its_error_is_the_gradient():
    loss = Inexact()
    _, exact = loss.descend([1e-2] * 60)
    assert exact[-1] == pytest.approx(0.03, rel=0.01)


def test_loose_tolerances_stay_at_the_first_and_cost_two_gradients_a_measurement():
    loss = Inexact()
    used, _ = loss.descend(gradient_tolerances([loss.theta], loss, steps=4, first=1e-4, every=2))
    assert used == [1e-4] * 4
    assert len(loss.asked) == 4 + 2 * 2


def test_never_falls_below_the_least():
    loss = Inexact()
    used, exact = loss.descend(gradient_tolerances([loss.theta], loss, steps=60, least=1e-3))
    assert min(used) == used[-1] == 1e-3
    assert exact[-1] == pytest.approx(3e-3, rel=0.1)


def test_measures_until_the_error_is_small_enough():
    loss = Inexact()
    first = next(gradient_tolerances([loss.theta], loss, steps=1, first=100.0, fraction=0.1))
    assert 3 * first <= 0.1 * 1.1 * loss.theta.detach().norm()
    assert loss.asked == pytest.approx([100.0, 10.0, 1.0, 0.1, 0.01])


def test_refuses_what_is_out_of_range():
    loss = Inexact()
    with pytest.raises(ValueError, match="requires_grad"):
        gradient_tolerances([torch.zeros(2)], loss, steps=3)
    with pytest.raises(ValueError, match=r"in \(0, 1\)"):
        gradient_tolerances([loss.theta], loss, steps=3, fraction=1.0)
    with pytest.raises(ValueError, match="`least` of at most `first`"):
        gradient_tolerances([loss.theta], loss, steps=3, first=1e-4, least=1e-3)


def test_takes_one_parameter_as_a_list_of_one():
    loss = Inexact()
    wanted = next(gradient_tolerances([loss.theta], loss, steps=1, fraction=1e-3))
    assert next(gradient_tolerances(loss.theta, loss, steps=1, fraction=1e-3)) == wanted < 1e-2


def test_says_when_there_is_no_gradient_or_none_that_is_finite():
    loss = Inexact()
    tolerances = gradient_tolerances([loss.theta], loss, steps=3)
    next(tolerances)
    with pytest.raises(ValueError, match=r"the last step in \.grad"):
        next(tolerances)
    loss.theta.data.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        next(gradient_tolerances([loss.theta], loss, steps=3))
