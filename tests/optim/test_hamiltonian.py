"""Kinetic energies and Hamiltonian descent: convergence, energies, limits of stability."""

import itertools
import math

import pytest
import torch

from darboux.optim import (
    ConformalHamiltonian,
    HamiltonianDescent,
    HeavyBall,
    Nesterov,
    PowerKinetic,
    QuadraticKinetic,
    RelativisticGradientDescent,
    RelativisticKinetic,
)
from tests.optim.functions import camelback

DOUBLE = torch.float64


def stable(step, size, bound=1e6):
    """Whether repeated steps of a linear map stay bounded, by its eigenvalues."""
    x = torch.zeros(1, 2, dtype=DOUBLE)
    matrix = torch.autograd.functional.jacobian(lambda y: step(size)(y)[0], x)[:, 0]
    return float(torch.linalg.eigvals(matrix).abs().max()) <= 1 + 1e-9


MU = 0.8
LIMITS = {
    "heavy ball": (lambda p, e: HeavyBall(p, e, MU), 2 * (1 + MU)),
    "Nesterov": (lambda p, e: Nesterov(p, e, MU), 2 * (1 + MU) / (1 + 2 * MU)),
    # its ε is h²/2m
    "relativistic, order 2": (*(lambda p, e: RelativisticGradientDescent(p, e / 2, MU, 0.0), 4.0),),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_stability(name):
    """H²λ/m for E = λθ²/2, by bisection."""
    build, expected = LIMITS[name]

    def step(size):
        w = torch.nn.Parameter(torch.zeros((), dtype=DOUBLE))
        return build([w], size).step_map(lambda w: w**2 / 2)

    low, high = 1e-3, 10.0
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if stable(step, middle) else (low, middle)
    assert low == pytest.approx(expected, rel=0.01)


KINETIC = [
    QuadraticKinetic(3.0),
    RelativisticKinetic(2.0, 0.7),
    PowerKinetic(1.5, 1.2),
]


@pytest.mark.parametrize("kinetic", [*KINETIC, PowerKinetic(4 / 3, 4 / 3)], ids=repr)
def test_velocities_are_the_slopes_of_kinetic_energies(kinetic):
    p = torch.randn(7, dtype=DOUBLE, requires_grad=True)
    (slope,) = torch.autograd.grad(kinetic.energy(p.square().sum()), p)
    torch.testing.assert_close(slope, (kinetic.factor(p.square().sum()) * p).detach())
    rest = kinetic.energy(torch.zeros((), dtype=DOUBLE))
    assert rest == 0
    assert torch.isfinite(kinetic.factor(0 * rest))


def test_power_laws():
    s = torch.rand(5, dtype=DOUBLE)
    pairs = [
        (PowerKinetic(2, 1), RelativisticKinetic()),
        (PowerKinetic(2, 2), KINETIC[0]),
    ]
    for power, other in pairs:
        scale = 3.0 if other is KINETIC[0] else 1.0
        torch.testing.assert_close(power.energy(s), scale * other.energy(s))
        torch.testing.assert_close(power.factor(s), scale * other.factor(s))


def test_a_fitting_energy_makes_quartics_easy():
    """Linear convergence where that of a heavy ball is sublinear."""
    ends = {}
    for kinetic in (PowerKinetic(4 / 3, 4 / 3), QuadraticKinetic()):
        w = torch.nn.Parameter(torch.tensor([2.0, -3.0], dtype=DOUBLE))
        optimizer = HamiltonianDescent([w], 0.3, 1.0, kinetic)
        for _ in range(400):
            optimizer.zero_grad()
            (w.square().sum() ** 2 / 4).backward()
            optimizer.step()
        ends[type(kinetic)] = float(w.detach().norm())
    assert ends[PowerKinetic] < 1e-9
    assert ends[QuadraticKinetic] > 1e-2


def test_implicit_steps_solve_their_equation_and_never_raise_the_energy():
    w = torch.nn.Parameter(torch.tensor([2.0, -3.0], dtype=DOUBLE))
    kinetic = RelativisticKinetic()
    optimizer = HamiltonianDescent([w], 0.2, 1.0, kinetic, method="implicit")

    def function(w):
        return (w.square() * torch.tensor([1.0, 20.0])).sum() / 2

    def closure():
        optimizer.zero_grad()
        loss = function(w)
        loss.backward()
        return loss

    p, energies = torch.zeros(2, dtype=DOUBLE), []
    for _ in range(30):
        x = w.detach().clone()
        optimizer.step(closure)
        end = -optimizer.state[w]["momentum_buffer"]
        slope = torch.func.grad(function)(w.detach())
        torch.testing.assert_close(end, p - 0.2 * end - 0.2 * slope, rtol=1e-9, atol=1e-9)
        velocity = kinetic.factor(end.square().sum()) * end
        torch.testing.assert_close(w.detach(), x + 0.2 * velocity, rtol=1e-9, atol=1e-9)
        p = end.clone()
        energies.append(float(kinetic.energy(p.square().sum()) + function(w.detach())))
    assert all(b <= a for a, b in itertools.pairwise(energies))


def rises(h, friction=0.05, time=20.0):
    """Return how often H rises, the sum of its rises, and how far it is from -∫ γ‖p‖²."""
    w = torch.nn.Parameter(torch.tensor([-0.5, 0.8], dtype=DOUBLE))
    step = ConformalHamiltonian([w], h, friction, order=1).step_map(camelback)
    x = torch.cat([w.detach(), torch.zeros(2, dtype=DOUBLE)])[None]
    states = [x]
    for _ in range(round(time / h)):
        states.append(step(states[-1]).detach())
    squares = torch.cat([y[:, 2:].square().sum(1) for y in states])
    energy = squares / 2 + torch.stack([camelback(y[0, :2]) for y in states])
    expected = energy[0] - h * friction * squares.cumsum(0)
    up = energy.diff().clamp(min=1e-14) - 1e-14
    return int((up > 0).sum()), float(up.sum()), float((energy - expected).abs().max())


def test_rises_of_the_energy_vanish_with_the_step():
    """Well inside the limit of stability they exist; the trend is the rate of the equation."""
    counts, sums, trends = zip(*(rises(h) for h in (0.2, 0.1, 0.05)), strict=True)
    assert counts[0] > 40
    assert sums[0] > 0.3
    assert sums[1] < sums[0] / 4
    assert sums[2] == 0
    assert trends[1] < 0.6 * trends[0]
    assert trends[2] < 0.6 * trends[1]
