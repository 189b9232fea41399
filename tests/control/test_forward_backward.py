"""Forward-backward steps: line searches, acceleration, kinks and where minimisers exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import darboux as dx
from darboux.control import (
    H1,
    L1,
    L2,
    Armijo,
    Backtracking,
    ControlProblem,
    ForwardBackward,
    Simplex,
    TotalVariation,
)
from darboux.solvers import ConvergenceError
from tests.control.problems import regression, residual_flow


def by_the_book(
    loss: Callable[[Tensor], Tensor], x: Tensor, steps: int
) -> tuple[Tensor, list[int]]:
    """Return where L0 = 0.1, 0.99 and 1.5 lead, and how often L was tried in each step."""
    lipschitz, tried = 0.1, []
    for _ in range(steps):
        x = x.detach().requires_grad_()
        value = loss(x)
        (g,) = torch.autograd.grad(value, x)
        d, trials = -g / lipschitz, 1
        while loss(x + d) > value + (g * d).sum() + lipschitz / 2 * d.square().sum():
            lipschitz, trials = 1.5 * lipschitz, trials + 1
            d = -g / lipschitz
        tried.append(trials)
        lipschitz *= 0.99
        x = x + d
    return x.detach(), tried


class Quadratic(nn.Module):
    """½ θᵀDθ of the parameters of a loss, with the features unused."""

    def __init__(self, diagonal: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones_like(diagonal))
        self.register_buffer("diagonal", diagonal)

    def forward(self, z: Tensor) -> Tensor:
        """Return the value."""
        return 0.5 * (self.diagonal * self.theta.square()).sum() + 0 * z.sum()


def quadratic(count: int = 40) -> ControlProblem:
    flow = residual_flow(1)
    z = torch.zeros(1, 2, dtype=torch.float64)
    diagonal = torch.logspace(-3, 0, count, dtype=torch.float64)
    return ControlProblem(flow.requires_grad_(requires_grad=False), z, Quadratic(diagonal))


def test_backtracking_is_that_of_the_paper():
    problem = quadratic()
    descent = ForwardBackward(problem)
    made = [descent.step() for _ in range(60)]
    loss = problem.loss
    wanted, tried = by_the_book(
        lambda x: 0.5 * (loss.diagonal * x.square()).sum(), torch.ones(40, dtype=torch.float64), 60
    )
    torch.testing.assert_close(loss.theta.detach(), wanted)
    assert [step.trials for step in made] == tried


def test_armijo_is_that_of_the_paper():
    search = Armijo()
    descent = ForwardBackward(regression(), search=search)
    made = [descent.step() for _ in range(30)]
    first = 0.1
    for before, after in zip([None, *made], made, strict=False):
        first = 0.1 if before is None else min(10.0, 2 * before.size)
        assert after.size == first * 0.5 ** (after.trials - 1)
        if before is not None:
            decrease = 0.4 * after.size * after.residual**2
            assert after.objective <= before.objective - decrease + 1e-12


def test_acceleration_has_its_rate():
    # n² (E - min E) stays bounded with acceleration: 2 ‖x‖²/s (Beck and Teboulle 2009)
    count, steps = 40, 150
    plain, fast = quadratic(count), quadratic(count)
    descent, accelerated = (
        ForwardBackward(problem, search=Backtracking(start=1.0, decay=0.999999), accelerated=each)
        for problem, each in ((plain, False), (fast, True))
    )
    slow = [descent.step().objective for _ in range(steps)]
    quick = [accelerated.step().objective for _ in range(steps)]
    assert all(e <= 2.1 * count / (n + 2) ** 2 for n, e in enumerate(quick))
    assert quick[-1] < 0.05 * slow[-1]
    assert all(b <= a for a, b in pairwise(quick))


@pytest.mark.parametrize("accelerated", [False, True])
def test_the_minimiser_is_stationary(accelerated):
    problem = regression(0.05 * H1())
    ForwardBackward(problem, accelerated=accelerated).minimize(tol=1e-7, max_iter=3000)
    slopes = torch.autograd.grad(problem.objective(), [*problem.parameters().values()])
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-6


def test_projected_steps_on_learned_and_on_free_step_sizes_agree():
    torch.manual_seed(0)
    problems = []
    for constraint in ("simplex", "none"):
        torch.manual_seed(1)
        flow = residual_flow(4, steps=dx.LearnedSteps(4, constraint=constraint))
        problems.append(regression(Simplex(), flow=flow))
    for problem in problems:
        descent = ForwardBackward(problem, search=Armijo())
        for _ in range(40):
            descent.step()
    first, second = (problem.flow.rule.values.detach() for problem in problems)
    torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-8)
    assert bool((second >= 0).all())
    assert abs(float(second.sum()) - 1) < 1e-14


def test_step_sizes_leave_and_return():
    flow = residual_flow(2, steps=dx.LearnedSteps(2, constraint="none", start=[1.0, 0.0]))
    with torch.no_grad():
        flow.fields[0].bias.zero_(), flow.fields[0].map.weight.zero_()
        flow.fields[1].bias.fill_(1.0)
    flow.fields.requires_grad_(requires_grad=False)
    z = torch.zeros(1, 2, dtype=torch.float64)
    problem = ControlProblem(flow, z, lambda y: (y - 0.5).square().sum(), Simplex())
    ForwardBackward(problem).minimize(tol=1e-9)
    assert float(flow.rule.values[1].detach()) == pytest.approx(0.5 / math.tanh(1.0))


def test_variation_makes_parameters_piecewise_constant():
    problem = regression(0.02 * TotalVariation() + 0.01 * L2(), flow=residual_flow(8))
    ForwardBackward(problem, accelerated=True).minimize(tol=1e-6, max_iter=2000)
    values = torch.stack([field.map.weight for field in problem.flow.fields])
    assert int((values.diff(dim=0) == 0).sum()) > 14  # of 28


def test_absolute_values_make_parameters_vanish():
    problem = regression(0.3 * L1())
    ForwardBackward(problem, accelerated=True).minimize(tol=1e-6, max_iter=2000)
    values = torch.cat([p.detach().flatten() for p in problem.flow.parameters()])
    assert 0 < int((values == 0).sum()) < len(values)


def runaway(regularizer: dx.control.Regularizer | None) -> ControlProblem:
    """Return Example 3.2.1: E(A, b) = (tanh b - 1)², one sample 0, one step."""
    field = dx.fields.ResidualField(dx.linear.Dense(1, 1), dx.activations.Tanh())
    flow = dx.Flow([field], dx.integrators.Euler()).double()
    with torch.no_grad():
        field.bias.zero_()
    z = torch.zeros(1, 1, dtype=torch.float64)
    return ControlProblem(flow, z, lambda y: (y - 1).square().sum(), regularizer)


def test_without_a_coercive_regularizer_minimising_sequences_run_away():
    problem = runaway(None)
    descent = ForwardBackward(problem, search=Armijo(most=1e9))
    biases, values = [], []
    for _ in range(50):
        values.append(descent.step().objective)
        biases.append(float(problem.flow.fields[0].bias.detach()))
    assert values[-1] < 1e-6  # the infimum is 0, and attained nowhere
    assert all(b > a for a, b in pairwise(biases))
    assert biases[-1] > 4


@pytest.mark.parametrize("regularizer", [L2(), L1(), H1()], ids=repr)
def test_with_a_coercive_regularizer_minimising_sequences_converge(regularizer):
    problem = runaway(1e-2 * regularizer)
    ForwardBackward(problem).minimize(tol=1e-9)
    b = float(problem.flow.fields[0].bias.detach())
    slope = 1e-2 if isinstance(regularizer, L1) else 2e-2 * b
    assert 2 * (math.tanh(b) - 1) * (1 - math.tanh(b) ** 2) + slope == pytest.approx(0, abs=1e-8)
    assert 1 < b < 2.5
    # from far away, too
    with torch.no_grad():
        problem.flow.fields[0].bias.fill_(30.0)
    ForwardBackward(problem).minimize(tol=1e-9)
    assert float(problem.flow.fields[0].bias.detach()) == pytest.approx(b, abs=1e-5)


def test_a_loss_that_changes_under_way_is_refused():
    flow, values = residual_flow(1), iter(range(10**6))
    z = torch.zeros(1, 2, dtype=torch.float64)
    problem = ControlProblem(flow, z, lambda y: y.sum() + next(values))
    before = [p.detach().clone() for p in flow.parameters()]
    with pytest.raises(ConvergenceError, match="none of 200 sizes"):
        ForwardBackward(problem).step()
    for p, old in zip(flow.parameters(), before, strict=True):
        assert torch.equal(p.detach(), old)


def test_refusals():
    flow = residual_flow(2)
    z = torch.zeros(1, 2, dtype=torch.float64)
    nan = ControlProblem(flow, z, lambda y: y.sum() * float("nan"))
    with pytest.raises(FloatingPointError, match="finite objective"):
        ForwardBackward(nan).step()
    with pytest.raises(ConvergenceError, match="coercive"):
        ForwardBackward(runaway(None)).minimize(tol=1e-12, max_iter=20)
    field = flow.fields[0]
    twice = ControlProblem(dx.Flow([field, field], dx.integrators.Euler()), z, torch.sum, L1())
    with pytest.raises(ValueError, match="of its own for each step"):
        ForwardBackward(twice)


class Ridge(dx.control.ProximalRegularizer):
    def __call__(self, flow):
        return L2()(flow)

    def parts(self, flow):
        return L1().parts(flow)

    def prox(self, x, step, horizon):
        return x / (1 + 2 * step)


def test_unknown_sums_of_kinks_are_refused():
    with pytest.raises(ValueError, match="L1 and Ridge"):
        ForwardBackward(regression(L1() + Ridge()))


class Penalised(nn.Module):
    """A loss that looks at the parameters of the flow, too."""

    def __init__(self, flow: nn.Module) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, z: Tensor) -> Tensor:
        """Return the loss."""
        return (z - 1).square().mean() + sum(p.square().sum() for p in self.flow.parameters())


def test_parameters_of_both_flow_and_loss_count_once():
    flow = residual_flow(2)
    problem = ControlProblem(flow, torch.zeros(3, 2, dtype=torch.float64), Penalised(flow))
    assert len(problem.parameters()) == len([*flow.parameters()])
    assert ForwardBackward(problem).minimize(tol=1e-6)[-1].residual <= 1e-6


def test_acceleration_that_leaves_the_domain_starts_anew():
    flow = residual_flow(1)
    bias = flow.fields[0].bias
    torch.nn.init.zeros_(bias)
    problem = ControlProblem(
        flow,
        torch.zeros(1, 2, dtype=torch.float64),
        lambda z: -bias.sum() - 1e-6 * torch.log(1 - bias).sum() + 0 * z.sum(),
    )
    descent = ForwardBackward(problem, search=Armijo(), accelerated=True)
    values = [descent.step().objective for _ in range(60)]
    assert values[-1] < -1.999
    assert all(b <= a + 1e-13 for a, b in pairwise(values))


@pytest.mark.parametrize("method", [ForwardBackward, dx.control.GaussNewton])
def test_trial_steps_where_the_solver_gives_up_are_shortened(method):
    torch.manual_seed(1)
    solver = dx.integrators.DormandPrince(rtol=1e-6, atol=1e-6, max_steps=8)
    flow = residual_flow(1, method=solver)
    for p in flow.parameters():
        nn.init.normal_(p, std=0.3)
    z = torch.randn(6, 2, dtype=torch.float64)
    problem = ControlProblem(flow, z, lambda y: (y - 9).square().mean())
    descent = method(problem)
    values = [descent.step().objective for _ in range(6)]
    assert all(b < a for a, b in pairwise(values))
    assert math.isfinite(float(problem.objective().detach()))


@pytest.mark.parametrize("method", [ForwardBackward, dx.control.GaussNewton])
def test_errors_of_the_loss_change_nothing(method):
    calls = []

    def failing(z: Tensor) -> Tensor:
        calls.append(z)
        if len(calls) == 2:
            raise KeyError
        return (z - 1).square().mean()

    flow = residual_flow(2)
    before = [p.detach().clone() for p in flow.parameters()]
    with pytest.raises(KeyError):
        method(ControlProblem(flow, torch.ones(3, 2, dtype=torch.float64), failing)).step()
    assert all(torch.equal(a, b) for a, b in zip(before, flow.parameters(), strict=True))


def test_a_residual_is_no_less_where_rounding_hides_the_step():
    flow = residual_flow(1).float()
    bias = flow.fields[0].bias

    def steep(z: Tensor) -> Tensor:  # its minimiser is no number of float32
        return 0.5e6 * (bias.double() - 1 / 3).square().sum() + 0 * z.sum()

    descent = ForwardBackward(ControlProblem(flow, torch.zeros(1, 2), steep))
    for _ in range(30):
        (slope,) = torch.autograd.grad(descent.problem.objective(), bias)
        made = descent.step()
        assert made.residual == pytest.approx(float(slope.norm()), rel=1e-5)
