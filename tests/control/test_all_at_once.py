"""Parameters and states together, and Pontryagin's conditions layer by layer."""

from __future__ import annotations

import copy

import pytest
import torch

import darboux as dx
from darboux.control import H1, L1, L2, AllAtOnce, ForwardBackward, KineticEnergy, optimality
from darboux.solvers import ConvergenceError
from tests.control.problems import regression, residual_flow


def test_it_has_the_minimiser_of_the_reduced_problem():
    problem = regression(0.05 * H1(), flow=residual_flow(3))
    reduced = dx.control.ControlProblem(
        copy.deepcopy(problem.flow), problem.z, problem.loss, problem.regularizer
    )
    steps = AllAtOnce(problem).minimize(tol=1e-7)
    ForwardBackward(reduced, accelerated=True).minimize(tol=1e-8)
    assert steps[-1].objective == pytest.approx(float(reduced.objective().detach()), abs=1e-7)
    pairs = zip(problem.flow.parameters(), reduced.flow.parameters(), strict=True)
    assert max(float((a - b).detach().abs().max()) for a, b in pairs) < 1e-4
    left = optimality(problem)
    assert float(left.stationarity.max()) < 1e-6


def test_the_states_move_off_the_flow_and_back():
    steps = AllAtOnce(regression(0.05 * L2() + 0.01 * KineticEnergy())).minimize(tol=1e-4)
    gaps = [float(step.optimality.state.max()) for step in steps]
    assert gaps[0] > 1e-2
    assert gaps[-1] < 1e-4
    assert steps[0].objective < steps[-1].objective  # less constrained, lower


def test_conditions_of_the_flow_are_those_of_the_gradient():
    for method in (dx.integrators.Euler(), dx.integrators.Kutta4()):
        problem = regression(0.1 * H1() + 0.1 * KineticEnergy(), flow=residual_flow(method=method))
        found = optimality(problem)
        assert float(found.state.max()) == 0
        assert float(found.costate.max()) < 1e-14
        for field, norm in zip(problem.flow.fields, found.stationarity, strict=True):
            slopes = torch.autograd.grad(problem.objective(), [*field.parameters()])
            wanted = torch.stack([slope.norm() for slope in slopes]).norm()
            torch.testing.assert_close(norm, wanted)


def test_parameters_of_the_loss_and_learned_steps_count():
    steps = dx.LearnedSteps(2, start=torch.tensor([0.5, 0.5], dtype=torch.float64))
    flow = residual_flow(2, steps=steps)
    z = torch.randn(6, 2, dtype=torch.float64)
    head = torch.nn.Linear(2, 1, dtype=torch.float64)
    loss = torch.nn.Sequential(head, Mean())
    problem = dx.control.ControlProblem(flow, z, loss, 0.1 * L2())
    slopes = torch.autograd.grad(problem.objective(), [*head.parameters(), steps.values])
    wanted = torch.cat([slope.flatten() for slope in slopes]).norm()
    torch.testing.assert_close(optimality(problem).others, wanted)
    left = AllAtOnce(problem).minimize(tol=1e-4)[-1].optimality
    assert float(left.others) < 1e-4


class Mean(torch.nn.Module):
    """The mean of (x - 1)²."""

    def forward(self, x):
        return (x - 1).square().mean()


def test_refusals():
    with pytest.raises(ValueError, match="which has kinks"):
        AllAtOnce(regression(L1()))
    with pytest.raises(ConvergenceError, match="within 1 steps"):
        AllAtOnce(regression(0.1 * L2())).minimize(tol=1e-12, max_iter=1)
    leapfrog = regression(flow=residual_flow(2, method=dx.integrators.LeapfrogMidpoint()))
    with pytest.raises(TypeError, match="one-step method"):
        optimality(leapfrog)
    shared = dx.Flow(residual_flow(1).fields[0], dx.integrators.Euler(), steps=2)
    with pytest.raises(ValueError, match="one field a step"):
        optimality(regression(flow=shared))
    problem = regression()
    with pytest.raises(ValueError, match=r"K \+ 1 states"):
        optimality(problem, torch.zeros(2, 12, 2))
    with pytest.raises(ValueError, match="K costates"):
        optimality(problem, costates=torch.zeros(2, 12, 2))


def test_refuses_two_step_methods_and_no_samples():
    flow = residual_flow(2, method=dx.integrators.LeapfrogMidpoint())
    with pytest.raises(TypeError, match="a one-step method"):
        AllAtOnce(regression(flow=flow))
    with pytest.raises(ValueError, match="at least one sample"):
        AllAtOnce(regression(samples=0))


def test_line_searches_stay_where_the_loss_is_finite():
    flow = residual_flow(2)
    bias = flow.fields[0].bias
    torch.nn.init.zeros_(bias)
    z = torch.randn(6, 2, dtype=torch.float64)

    def loss(y: torch.Tensor) -> torch.Tensor:
        return (y - z).square().mean() - bias.sum() - 1e-3 * torch.log(0.5 - bias).sum()

    solver = AllAtOnce(dx.control.ControlProblem(flow, z, loss, 0.01 * L2()))
    steps = [solver.step() for _ in range(3)]
    assert bool((bias < 0.5).all())
    assert steps[-1].objective < steps[0].objective + 0.1
