"""odeint takes y as one system; per_sample gives rows clocks of their own, and checks them."""

import math
from itertools import pairwise

import pytest
import torch

import darboux as dx
from darboux.flow import odeint
from darboux.integrators import RadauIIA

PERIOD = [0.0, 2 * math.pi]
SYSTEMS = {
    "dopri5": ({}, 1e-3),
    "rk4": ({"step_size": 0.01}, 1e-3),
    "implicit_midpoint": ({"step_size": 0.005}, 2e-2),
    "radau": ({"rtol": 1e-7}, 1e-4),
    RadauIIA(3): ({"step_size": 0.02}, 1e-4),
}


def kepler(t, y):
    """One body, its rows position and velocity."""
    return torch.stack([y[1], -y[0] / y[0].norm() ** 3])


def perihelion(e=0.6):
    velocity = math.sqrt((1 + e) / (1 - e))
    return torch.tensor([[1 - e, 0.0], [0.0, velocity]], dtype=torch.float64)


@pytest.mark.parametrize("method", SYSTEMS, ids=str)
def test_rows_that_interact_are_one_system(method):
    options, error = SYSTEMS[method]
    y = odeint(kepler, perihelion(), PERIOD, method=method, **options)
    torch.testing.assert_close(y[1], perihelion(), rtol=0, atol=error)


@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint", "radau"])
def test_the_shape_of_a_system_does_not_matter(method):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    y0 = torch.randn(6, generator=generator, dtype=torch.float64)

    def field(t, y):
        return torch.tanh(matrix @ y.reshape(6)).reshape(y.shape) * torch.cos(t)

    expected = odeint(field, y0, [0.0, 0.4, 1.0], method=method)
    for shape in ((6, 1), (1, 6), (2, 3), (3, 1, 2)):
        found = odeint(field, y0.reshape(shape), [0.0, 0.4, 1.0], method=method)
        torch.testing.assert_close(found.reshape(3, 6), expected, rtol=1e-13, atol=1e-13)


def bodies(t, y):
    """Four bodies of different masses, (body, position and velocity)."""
    q, v = y[:, :3], y[:, 3:]
    between = q[None] - q[:, None]
    distance = (between.square().sum(-1) + 0.05) ** 1.5
    masses = torch.tensor([0.5, 0.7, 1.0, 1.3], dtype=torch.float64)
    pull = (masses[None, :, None] * between / distance[..., None]).sum(1)
    return torch.cat([v, pull], dim=1)


def some_bodies():
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_implicit_equations_of_a_system_are_solved_together():
    times = torch.linspace(0, 5, 101, dtype=torch.float64)
    y = odeint(bodies, some_bodies(), times, method="implicit_euler")
    for before, after in pairwise(y):
        residual = after - before - 0.05 * bodies(0.0, after)
        assert float(residual.abs().max()) < 1e-12


def test_gradients_of_a_system_through_an_implicit_method():
    y0 = some_bodies().requires_grad_()

    def solution(y0):
        return odeint(bodies, y0, [0.0, 0.1, 0.2], method="implicit_midpoint")[-1]

    assert torch.autograd.gradcheck(solution, (y0,))


def test_samples_of_a_batch_share_one_step_size():
    counts = []

    def field(t, y):
        counts.append(t.shape)
        return -torch.tensor([[1.0], [50.0]]) * y

    odeint(field, torch.ones(2, 1), [0.0, 1.0])
    shared = len(counts)
    odeint(field, torch.ones(2, 1), [0.0, 1.0], per_sample=True)
    assert set(counts[:shared]) == {torch.Size([])}
    assert set(counts[shared:]) == {torch.Size([2, 1])}


@pytest.mark.parametrize("kind", [tuple, list])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
def test_members_of_any_shape(method, kind):
    y0 = kind([torch.tensor(1.0), torch.ones(2, 3), torch.zeros(0, 4), torch.ones(5)])

    def field(t, y):
        number, matrix, nothing, vector = y
        assert nothing.shape == (0, 4)
        return kind([-number, -2 * matrix * number, nothing, vector - number])

    number, matrix, nothing, vector = odeint(field, y0, [0.0, 0.1, 0.2], method=method)
    assert (number.shape, matrix.shape, nothing.shape) == ((3,), (3, 2, 3), (3, 0, 4))
    torch.testing.assert_close(number[2], torch.tensor(math.exp(-0.2)), rtol=1e-3, atol=0)
    torch.testing.assert_close(vector[0], torch.ones(5))
    decayed = math.exp(-2 * (1 - math.exp(-0.2)))
    torch.testing.assert_close(matrix[2], torch.full((2, 3), decayed), rtol=1e-2, atol=0)


def test_a_member_that_rests_does_not_make_the_steps_of_another_longer():
    calls = [0]

    def spring(y):
        calls[0] += 1
        return torch.stack([y[1], -9 * y[0]])

    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    alone = odeint(lambda t, y: spring(y), y0, [0.0, 5.0])
    count, calls[0] = calls[0], 0
    joined, _ = odeint(
        lambda t, y: (spring(y[0]), torch.zeros_like(y[1])),
        (y0, torch.ones(1000, dtype=torch.float64)),
        [0.0, 5.0],
    )
    assert calls[0] >= count
    torch.testing.assert_close(joined, alone, rtol=1e-5, atol=1e-5)


def decay(t, y):
    return -y


MIXED = {
    "all": lambda t, y: y - y.mean(dim=0),
    "neighbours": lambda t, y: y.roll(1, 0) - y,
    "two": lambda t, y: torch.cat([y[:5] - y[6:7], y[5:]]),
    "late": lambda t, y: torch.where(torch.as_tensor(t).max() < 0.5, -y, y.flip(0)),
}


@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
@pytest.mark.parametrize("name", MIXED)
def test_per_sample_refuses_rows_that_see_each_other(name, method):
    y0 = torch.randn(7, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"mixes them at t\[.*row \d.*Leave per_sample out"):
        odeint(MIXED[name], y0, [0.0, 1.0], method=method, per_sample=True)


def test_per_sample_refuses_a_field_that_is_random():
    with pytest.raises(ValueError, match="other values when it is evaluated again"):
        odeint(lambda t, y: torch.randn_like(y), torch.ones(3, 2), [0.0, 1.0], per_sample=True)


@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 2, 3), (1, 4), (0, 2)])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
def test_per_sample_takes_samples_of_any_shape(method, shape):
    y0 = torch.rand(shape, dtype=torch.float64)
    found = odeint(decay, y0, [0.0, 0.3, 0.5], method=method, per_sample=True)
    torch.testing.assert_close(found, odeint(decay, y0, [0.0, 0.3, 0.5], method=method))
    pair = odeint(
        lambda t, y: (-y[0], -y[1]), (y0, y0), [0.0, 0.3, 0.5], method=method, per_sample=True
    )
    torch.testing.assert_close(pair[1], found)


def test_each_sample_reaches_the_times_on_its_own_steps():
    rates = torch.tensor([[1.0], [30.0], [0.0]], dtype=torch.float64)
    times = torch.linspace(0, 2, 9).double()
    found = odeint(
        lambda t, y: rates * torch.cos(3 * t), torch.zeros_like(rates), times, per_sample=True
    )
    expected = rates * torch.sin(3 * times).reshape(-1, 1, 1) / 3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


class Coupled:
    """A pendulum on each row, and springs between the rows, which a phase space does not have."""

    separable = False
    autonomous = True

    def drift(self, t, z, p):
        return p * (1 + 0.1 * z)

    def kick(self, t, z, p):
        return -torch.sin(z) + 0.1 * (z.mean(dim=0) - z) * (1 + p)


class Apart(Coupled):
    def kick(self, t, z, p):
        return -torch.sin(z) * (1 + 0.1 * p)


def test_methods_that_solve_for_each_row_refuse_rows_that_see_each_other():
    y0 = torch.rand(3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"solve for each row alone: use 'implicit_midpoint'"):
        odeint(Coupled(), y0, [0.0, 0.1], method="verlet")
    assert odeint(Apart(), y0, [0.0, 0.1], method="verlet").shape == (2, 3, 2)


@pytest.mark.parametrize("method", ["dopri5", "implicit_midpoint", "rk4", "verlet"])
def test_fields_of_the_package_see_samples_and_channels(method):
    field = dx.fields.HamiltonianField(
        dx.linear.Dense(1, 3), dx.linear.Dense(1, 3), dx.activations.Tanh()
    ).double()
    y0 = torch.rand(3, 2, dtype=torch.float64)
    found = odeint(field, y0, [0.0, 0.1, 0.2], method=method)
    samples = [odeint(field, row, [0.0, 0.1, 0.2], method=method) for row in y0]
    torch.testing.assert_close(found, torch.stack(samples, dim=1), rtol=1e-6, atol=1e-7)
    apart = odeint(field, y0, [0.0, 0.1, 0.2], method=method, per_sample=True)
    torch.testing.assert_close(apart, found, rtol=1e-6, atol=1e-7)


def test_stiff_systems_and_samples_by_radau():
    """Robertson's reactions: one system, and samples of several rates."""

    def reactions(t, y, speed=1.0):
        a, b, c = y.unbind(-1)
        slow, fast = -0.04 * a + 1e4 * b * c, 3e7 * b * b
        return speed * torch.stack([slow, -slow - fast, fast], dim=-1)

    y0, times = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), [0.0, 0.4, 40.0]
    found = odeint(reactions, y0, times, method="radau", rtol=1e-7, atol=1e-11)
    # the problem ROBER of Hairer and Wanner's test set
    expected = torch.tensor([0.7158270688, 9.185534765e-06, 0.2841637457], dtype=torch.float64)
    torch.testing.assert_close(found[2], expected, rtol=1e-5, atol=0)
    speeds = torch.tensor([[1.0], [10.0], [0.1]], dtype=torch.float64)
    samples = odeint(
        lambda t, y: reactions(t, y, speeds),
        y0.expand(3, 3),
        [0.0, 4.0],
        method="radau",
        rtol=1e-7,
        atol=1e-11,
        per_sample=True,
    )
    torch.testing.assert_close(samples[1, 1], found[2], rtol=1e-5, atol=0)
    torch.testing.assert_close(samples[1, 2], found[1], rtol=1e-5, atol=1e-8)
