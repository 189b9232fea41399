"""Deep limits: exact minimisers of a quadratic problem, Theorem 3.3 with its rates, refusals."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import darboux as dx
from darboux.control import (
    H1,
    L1,
    L2,
    ControlProblem,
    Regularizer,
    TotalVariation,
    deep_limit,
)
from darboux.solvers import ConvergenceError
from tests.control.problems import residual_flow

DOUBLE = torch.float64
HORIZON, WEIGHT = 2.0, 0.1


class Push(dx.fields.VectorField):
    """f = b, so that E is quadratic."""

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(1, dtype=DOUBLE))

    def forward(self, t, z):
        return self.b.expand_as(z)


def quadratic():
    flow = dx.Flow([Push()], dx.integrators.Euler(), horizon=HORIZON)
    z = torch.zeros(1, 1, dtype=DOUBLE)
    return ControlProblem(flow, z, lambda y: (y - 1).square().sum(), WEIGHT * H1())


def problem(integrator, weight=0.01):
    torch.manual_seed(0)
    layer = dx.linear.Dense(2, 2)
    flow = dx.Flow([dx.fields.ResidualField(layer, dx.activations.Tanh())], integrator).double()
    angle = torch.arange(12, dtype=DOUBLE) * (math.pi / 6)
    z = torch.stack([angle.cos(), angle.sin()], dim=1) * torch.tensor([0.5, 1.0]).repeat(6)[:, None]
    goal = torch.stack([z[:, 0] + z[:, 1].square() / 2, z[:, 1] / 2 - 0.3], dim=1)
    return ControlProblem(flow, z, lambda y: (y - goal).square().sum(1).mean(), weight * H1())


def test_quadratic_problem_is_solved_exactly():
    found = deep_limit(quadratic(), (4, 8))
    for k, own in enumerate((4, 8)):
        h = HORIZON / own
        difference = np.diff(np.eye(own), axis=0)
        smooth = difference.T @ difference / h
        smooth[0, 0] += 1
        curvature = 2 * h**2 * np.ones((own, own)) + 2 * WEIGHT * smooth
        b = np.linalg.solve(curvature, np.full(own, 2 * h))
        value = (h * b.sum() - 1) ** 2 + WEIGHT * b @ smooth @ b
        theta = torch.cat([f.b.detach() for f in found.problems[k].flow.fields]).numpy()
        np.testing.assert_allclose(theta, b, rtol=1e-8)
        assert found.values[k] == pytest.approx(value, rel=1e-12)
        least = np.linalg.eigvalsh(curvature)[0] / h  # ‖θ‖² = h Σ θ_k²
        assert found.coercivity[k] == pytest.approx(least, rel=1e-10)
    coarse, fine = (torch.cat([f.b for f in p.flow.fields]).detach() for p in found.problems)
    gap = (fine - coarse.repeat_interleave(2)).square().sum() * HORIZON / 8
    assert found.distances == (pytest.approx(float(gap.sqrt()), rel=1e-12),)
    assert found.distances_to_finest == (found.distances[0], 0.0)
    assert found.errors[0] < 1e-8


@pytest.mark.parametrize("method", [dx.integrators.Euler(), dx.integrators.ImprovedEuler()])
def test_theorem_3_3_with_rate_one(method):
    found = deep_limit(problem(method), (4, 8, 16, 32))
    assert found.resolved
    assert min(found.coercivity) > 0.1
    assert all(0.8 <= rate <= 1.3 for rate in found.rates())


def test_minimisers_are_not_isolated_without_regulariser():
    found = deep_limit(problem(dx.integrators.Euler(), weight=0.0), (8, 16), max_iter=25)
    assert max(found.coercivity) < 1e-6
    assert not found.resolved
    with pytest.raises(ConvergenceError, match="larger weight"):
        found.rates()


class Near(Regularizer):
    """Half the squared distance to a noisy signal in L²(0, T)."""

    signal = torch.sin(torch.arange(16, dtype=DOUBLE)) + (torch.arange(16) > 6)

    def __call__(self, flow, states=None):
        theta = torch.cat([field.b for field in flow.fields])
        signal = self.signal.reshape(len(theta), -1).mean(dim=1)
        return HORIZON / len(theta) * (theta - signal).square().sum() / 2


@pytest.mark.parametrize("weight", [0.02, 0.1, 1.0])
def test_total_variation_is_minimised_exactly(weight):
    flow = dx.Flow([Push()], dx.integrators.Euler(), horizon=HORIZON)
    regularizer = Near() + weight * TotalVariation()
    z = torch.zeros(1, 1, dtype=DOUBLE)
    # a loss without influence: then the minimum is a proximal map
    given = ControlProblem(flow, z, lambda z: 0 * z.sum(), regularizer)
    found = deep_limit(given, (4, 16))
    for problem in found.problems:
        depth = len(problem.flow.fields)
        signal = Near.signal.reshape(depth, -1).mean(dim=1)
        step = weight * depth / HORIZON
        expected = TotalVariation().prox(signal[:, None], step, HORIZON)[:, 0]
        theta = torch.cat([field.b for field in problem.flow.fields]).detach()
        torch.testing.assert_close(theta, expected, rtol=0, atol=1e-7)
    assert found.coercivity == pytest.approx((1.0, 1.0))
    assert found.values[-1] == pytest.approx(found.problems[-1].objective().item(), rel=1e-12)


def test_refuses_other_kinks():
    flow = dx.Flow([Push()], dx.integrators.Euler(), horizon=HORIZON)
    given = ControlProblem(flow, torch.zeros(1, 1, dtype=DOUBLE), torch.sum, L1() + L2())
    with pytest.raises(TypeError, match="two derivatives"):
        deep_limit(given, (2, 4))


def test_independent_starts_reach_the_same_minimiser():
    given = problem(dx.integrators.Euler(), weight=0.05)
    smooth = deep_limit(given, (4, 8))

    def start(depth):
        fields = [
            dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
            for _ in range(depth)
        ]
        return dx.Flow(fields, dx.integrators.Euler()).double()

    rough = deep_limit(given, (4, 8), start=start)
    assert rough.values == pytest.approx(smooth.values, rel=1e-8)


def test_problem_and_loss_keep_their_parameters():
    given = problem(dx.integrators.Euler())
    torch.manual_seed(1)
    head = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)).double()

    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, z):
            decay = 0.1 * self.head[0].weight.square().sum()
            return (self.head(z) - 1).square().mean() + decay

    given = ControlProblem(given.flow, given.z, Loss(), given.regularizer)
    before = {name: p.clone() for name, p in given.parameters().items()}
    found = deep_limit(given, (2, 4))
    assert all(torch.equal(p, before[name]) for name, p in given.parameters().items())
    last = found.problems[-1]
    assert last.objective().item() == pytest.approx(found.values[-1], rel=1e-12)
    assert not torch.equal(last.loss.head[0].weight, head[0].weight)
    assert found.errors[-1] < 1e-6


@pytest.mark.parametrize("depths", [(), (4,), (4, 6), (8, 4), (4, 4)])
def test_refuses_depths_that_do_not_nest(depths):
    with pytest.raises(ValueError, match="each a multiple of the one before"):
        deep_limit(quadratic(), depths)


def test_refuses_single_precision_learned_steps_and_too_many_parameters():
    flow = dx.Flow(
        [dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())],
        dx.integrators.Euler(),
    )
    single = ControlProblem(flow, torch.zeros(1, 2), lambda z: z.square().sum())
    with pytest.raises(ValueError, match=r"flow\.double"):
        deep_limit(single, (2, 4))
    learned = dx.Flow([Push()], dx.integrators.Euler(), steps=dx.LearnedSteps(1)).double()
    given = ControlProblem(learned, torch.zeros(1, 1, dtype=DOUBLE), lambda z: z.square().sum())
    with pytest.raises(TypeError, match="equal steps"):
        deep_limit(given, (2, 4))
    with pytest.raises(ValueError, match="at most 5000 parameters"):
        deep_limit(quadratic(), (8192, 16384))


def test_refuses_fields_that_share_parameters():
    one, two = Push(), Push()
    two.b = one.b
    flow = dx.Flow([one, two], dx.integrators.Euler())
    given = ControlProblem(flow, torch.zeros(1, 1, dtype=DOUBLE), lambda z: z.square().sum())
    with pytest.raises(ValueError, match="parameters of their own"):
        deep_limit(given, (2, 4))


def test_rates_need_depths_enough():
    with pytest.raises(ValueError, match="Use more depths"):
        deep_limit(quadratic(), (4, 8)).rates()


class Shared(torch.nn.Module):
    """A loss with parameters of a flow."""

    def __init__(self, flow: torch.nn.Module) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the loss."""
        return z.square().mean() + self.flow.fields[0].bias.square().sum()


def test_refuses_a_loss_with_parameters_of_the_flow():
    flow = residual_flow(1)
    problem = ControlProblem(flow, torch.ones(3, 2, dtype=torch.float64), Shared(flow), H1())
    with pytest.raises(ValueError, match="a loss with parameters of its own"):
        deep_limit(problem, (2, 4))


def test_refuses_a_start_with_another_horizon():
    problem = ControlProblem(residual_flow(2), torch.ones(3, 2, dtype=torch.float64), torch.sum)

    def start(depth: int) -> dx.Flow:
        fields = list(residual_flow(depth).fields)
        return dx.Flow(fields, dx.integrators.Euler(), horizon=2.0)

    with pytest.raises(ValueError, match="the horizon 1; got 2 and 2"):
        deep_limit(problem, (2, 4), start=start)
