"""Regularisers in time: their values, gradients and proximal maps."""

from __future__ import annotations

import math

import pytest
import torch

import darboux as dx
from darboux.control import (
    H1,
    L1,
    L2,
    ControlProblem,
    KineticEnergy,
    Regularizer,
    Simplex,
    TotalVariation,
)
from darboux.control._total_variation import denoised
from tests.control.problems import regression, residual_flow


def in_time(flow: dx.Flow) -> torch.Tensor:
    """Return θ, (K, 6)."""
    return torch.stack(
        [torch.cat([p.flatten() for p in field.parameters()]) for field in flow.fields]
    )


def test_values_are_those_of_the_formulas():
    flow = dx.Flow(list(residual_flow(5).fields), dx.integrators.Euler(), horizon=3.0)
    theta, h = in_time(flow), 3.0 / 5
    jumps = theta[1:] - theta[:-1]
    wanted = {
        L1(): h * theta.abs().sum(),
        L2(): h * theta.square().sum(),
        H1(): theta[0].square().sum() + jumps.square().sum() / h,
        TotalVariation(): jumps.abs().sum(),
    }
    for regularizer, value in wanted.items():
        torch.testing.assert_close(regularizer(flow), value)


def test_h1_is_the_norm_of_the_function_in_the_limit():
    # θ(t) = sin t on [0, 2]: ‖θ(0)‖² + ∫ cos² = 1 + sin(4)/4
    values = []
    for depth in (64, 128, 256):
        flow = dx.Flow(list(residual_flow(depth).fields), dx.integrators.Euler(), horizon=2.0)
        with torch.no_grad():
            for k, field in enumerate(flow.fields):
                field.map.weight.zero_()
                field.bias.copy_(torch.tensor([math.sin(2 * k / depth), 0.0]))
        values.append(float(H1()(flow).detach()))
    errors = [abs(value - (1 + math.sin(4) / 4)) for value in values]
    assert errors[0] < 0.01
    assert 1.9 < errors[0] / errors[1] < 2.1
    assert 1.9 < errors[1] / errors[2] < 2.1


def test_kinetic_energy_is_that_of_the_velocities():
    flow = residual_flow(3, method=dx.integrators.Kutta4())
    z = torch.randn(7, 2, dtype=torch.float64)
    states = flow.trajectory(z)
    speeds = [field(0.0, x) for field, x in zip(flow.fields, states[:-1], strict=True)]
    wanted = sum(v.square().sum(dim=1).mean() / 3 for v in speeds)
    torch.testing.assert_close(KineticEnergy().along(flow, states), wanted)


def test_kinetic_energy_bounds_how_far_samples_move():
    flow = residual_flow(3)
    z = torch.randn(7, 2, dtype=torch.float64)
    states = flow.trajectory(z)
    moved = (states[-1] - z).square().sum(dim=1).mean()
    assert KineticEnergy().along(flow, states) >= moved


def test_kinetic_energy_takes_part_in_the_objective():
    problem = regression(0.5 * KineticEnergy() + 0.1 * L2())
    states = problem.flow.trajectory(problem.z)
    kinetic, squares = KineticEnergy().along(problem.flow, states), L2()(problem.flow)
    wanted = problem.loss(states[-1]) + 0.5 * kinetic + 0.1 * squares
    torch.testing.assert_close(problem.objective(), wanted)
    with pytest.raises(TypeError, match="expected the states"):
        problem.cost(states[-1])


def test_sums_and_multiples_compose():
    flow = residual_flow()
    combined = 2 * (0.5 * H1() + L1() * 3.0) + TotalVariation()
    wanted = H1()(flow) + 6 * L1()(flow) + TotalVariation()(flow)
    torch.testing.assert_close(combined(flow), wanted)
    assert [weight for weight, _ in combined.terms()] == [1.0, 6.0, 1.0]
    assert repr(combined) == "1 * H1() + 6 * L1() + 1 * TotalVariation()"
    with pytest.raises(ValueError, match="0 or more"):
        -1.0 * H1()


@pytest.mark.parametrize("weight", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("length", [2, 3, 17, 60])
def test_reduced_variation_is_optimal(length: int, weight: float):
    # x minimises ½‖x - y‖² + w Σ|Δx| iff u = cumsum(x - y) stays in [-w, w], ends at 0 and is
    # ±w where x jumps
    noise = torch.randn(length, 25, dtype=torch.float64)
    for y in (noise, noise.round(), noise.cumsum(0)):
        x = denoised(y, weight)
        dual, jumps = (x - y).cumsum(0), x.diff(dim=0)
        slack = 1e-12 * length * float(y.abs().max() + 1)
        assert dual[-1].abs().max() <= slack
        assert dual.abs().max() <= weight + slack
        jumping = jumps.abs() > 1e-12 * length
        assert ((dual[:-1] - weight * jumps.sign())[jumping]).abs().sum() <= slack * y.numel()


def test_proximal_maps_minimise():
    x = torch.randn(6, 3, dtype=torch.float64)

    def paid(term: Regularizer, y: torch.Tensor) -> torch.Tensor:
        value = y.abs().sum() / 6 if isinstance(term, L1) else y.diff(dim=0).abs().sum()
        return value + (y - x).square().sum() / (2 * 0.3)

    for term in (L1(), TotalVariation()):
        best = term.prox(x, 0.3, 1.0)
        for size in (1e-1, 1e-2, 1e-3):
            others = best + size * torch.randn(200, *x.shape, dtype=torch.float64)
            assert all(paid(term, other) >= paid(term, best) for other in others)


def test_variation_before_absolute_values_is_the_proximal_map_of_both():
    # against the minimum found by a subgradient condition on a grid of perturbations
    x = torch.randn(8, 1, dtype=torch.float64)
    best = L1().prox(TotalVariation().prox(x, 0.4, 1.0), 4.0, 1.0)

    def paid(y: torch.Tensor) -> torch.Tensor:
        kinks = 0.4 * y.diff(dim=0).abs().sum() + 0.5 * y.abs().sum()
        return kinks + 0.5 * (y - x).square().sum()

    for size in (0.3, 1e-2, 1e-4):
        others = best + size * torch.randn(500, *x.shape, dtype=torch.float64)
        assert all(paid(other) >= paid(best) for other in others)


def test_the_simplex_is_0_on_it_and_infinite_elsewhere():
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    flow = residual_flow(3, steps=dx.LearnedSteps(3, constraint="none", start=third))
    assert Simplex()(flow) == 0
    with torch.no_grad():
        flow.rule.values[0] += 0.1
    assert Simplex()(flow) == math.inf
    with torch.no_grad():
        flow.rule.values.copy_(torch.tensor([-0.5, 0.5, 1.0]))
    assert Simplex()(flow) == math.inf


def test_refusals():
    shared = dx.Flow(residual_flow(1).fields[0], dx.integrators.Euler(), steps=3)
    with pytest.raises(ValueError, match="one field a step"):
        H1()(shared)
    maps = dx.linear.Dense(2, 2), dx.linear.Dense(2, 3)
    mixed = [
        dx.fields.ResidualField(maps[0], dx.activations.Tanh()),
        dx.fields.GradientField(maps[1], dx.activations.Tanh()),
    ]
    with pytest.raises(ValueError, match="same parameters to choose"):
        L2()(dx.Flow(mixed, dx.integrators.Euler()))
    fixed = residual_flow(2).requires_grad_(requires_grad=False)
    with pytest.raises(ValueError, match="at least one"):
        TotalVariation()(fixed)
    gradients = [dx.fields.GradientField(dx.linear.Dense(2, 2), dx.activations.Tanh())]
    contractive = dx.Flow(gradients, dx.integrators.Euler(), steps=dx.ContractiveSteps())
    with pytest.raises(ValueError, match="given horizon"):
        H1()(contractive)
    with pytest.raises(TypeError, match="LearnedSteps"):
        Simplex()(residual_flow())


def test_what_is_not_chosen_is_left_alone():
    flow = residual_flow(2)
    for field in flow.fields:
        field.map.weight.requires_grad_(requires_grad=False)
    biases = torch.stack([field.bias for field in flow.fields])
    torch.testing.assert_close(L1()(flow), biases.abs().sum() / 2)


def test_a_problem_refuses_what_is_none():
    flow = residual_flow(2)
    z = torch.zeros(3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="one number; got shape"):
        ControlProblem(flow, z, lambda y: y.sum(dim=1)).objective()
    with pytest.raises(ValueError, match="parameters to choose"):
        ControlProblem(flow.requires_grad_(requires_grad=False), z, torch.sum)


def test_kinetic_energy_of_steps_back_in_time_is_positive():
    steps = dx.LearnedSteps(2, constraint="none", start=[0.5, -0.5])
    problem = regression(dx.control.KineticEnergy(), flow=residual_flow(2, steps=steps))
    states = problem.flow.trajectory(problem.z)
    wanted = 2 * states.diff(dim=0).square().sum(dim=2).mean(dim=1).sum()  # h f = Δz
    torch.testing.assert_close(problem.regularizer.along(problem.flow, states), wanted)
    torch.nn.init.zeros_(steps.values)  # a step that is left out may return, at a price
    (slope,) = torch.autograd.grad(
        problem.regularizer.along(problem.flow, states.detach()), steps.values
    )
    assert bool((slope > 0).all())


def test_a_problem_refuses_losses_without_a_gradient():
    for loss in (lambda z: z.sum().item(), lambda z: (z > 0).sum(), lambda z: (z + 1j).sum()):
        problem = dx.control.ControlProblem(residual_flow(), torch.ones(3, 2).double(), loss)
        with pytest.raises(TypeError, match="a real number in a tensor"):
            problem.objective()
