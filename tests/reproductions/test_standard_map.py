"""The standard map beside its formula; Bessel functions; and statements that can fail."""

import math

import pytest
import torch

import reproductions.standard_map as topic
from reproductions.standard_map.orbits import (
    TURN,
    Spread,
    bessel,
    jacobian,
    lyapunov,
    orbits,
    standard_map,
)


def test_the_map_is_that_of_the_formula():
    x = torch.rand(5, 2, dtype=torch.float64)
    p = x[:, 1] + 1.3 * x[:, 0].sin()
    torch.testing.assert_close(standard_map(1.3)(x), torch.stack([x[:, 0] + p, p], dim=1))
    kick = 1.3 * x[:, 0].cos()
    one = torch.ones_like(kick)
    rows = torch.stack([1 + kick, one, kick, one], dim=1).reshape(-1, 2, 2)
    torch.testing.assert_close(jacobian(1.3, x), rows)


def test_bessel_functions_have_their_zeros_and_recurrence():
    assert bessel(1, 3.8317059702075125) == pytest.approx(0, abs=1e-13)
    assert bessel(1, 5.0) + bessel(3, 5.0) == pytest.approx(4 / 5 * bessel(2, 5.0), abs=1e-13)


def test_exponent_at_the_unstable_point_is_that_of_its_eigenvalue():
    track = orbits(1.0, torch.zeros(1, 2, dtype=torch.float64), steps=60)
    eigenvalue = (3 + math.sqrt(5)) / 2  # λ² - 3λ + 1 = 0
    assert float(lyapunov(1.0, track)) == pytest.approx(math.log(eigenvalue), abs=0.02)
    assert float(track[:, :, 0].max()) < TURN


def test_random_kicks_are_refuted_where_theory_says_less():
    squares = 50.0 * torch.arange(101, dtype=torch.float64)
    assert not topic._walks([Spread(10.0, squares)], 0.15)[0].holds


def test_orbits_that_cross_too_soon_are_refuted():
    found = topic._crossings({0.5: 0.2, 0.9: 1.2, 1.2: 1.5, 1.5: 0.4}, 10)
    assert [s.holds for s in found] == [True, False, True, False]
