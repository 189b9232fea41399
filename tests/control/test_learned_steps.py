"""Step sizes that are trained: on the simplex, free, and what is claimed of them."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch

import darboux as dx
from darboux.flow._learned_steps import onto_simplex
from darboux.structure import Kind
from tests.control.problems import residual_flow


def nearest(w: torch.Tensor, total: float) -> torch.Tensor:
    """Return the projection onto the simplex, by trying every set of positive entries."""
    points = []
    for size in range(1, len(w) + 1):
        for chosen in map(list, itertools.combinations(range(len(w)), size)):
            h = torch.zeros_like(w)
            h[chosen] = w[chosen] - (w[chosen].sum() - total) / size
            if (h >= 0).all():
                points.append(h)
    return min(points, key=lambda h: float((h - w).norm()))


@pytest.mark.parametrize("total", [0.1, 1.0, 20.0])
def test_the_projection_is_the_nearest_point(total: float):
    for count in range(1, 7):
        w = total * torch.randn(count, dtype=torch.float64)
        torch.testing.assert_close(onto_simplex(w, total), nearest(w, total))


def test_steps_stay_on_the_simplex_whatever_happens_to_them():
    steps = dx.LearnedSteps(7, horizon=2.0)
    for scale in (1e-6, 1.0, 1e3, 1e6):
        torch.nn.init.normal_(steps.values, std=scale)
        h = steps.current()
        assert bool((h >= 0).all())
        assert abs(float(h.sum().detach()) - 2.0) <= 7 * 2.2e-16 * 2


def test_the_projection_differentiates():
    w = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: onto_simplex(x, 1.0), w, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: onto_simplex(x, 1.0).square(), w)
    at = torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    (slope,) = torch.autograd.grad(onto_simplex(at, 1.0) @ weights, at)
    torch.testing.assert_close(slope, weights - weights.mean())  # zero steps may return


def test_gradients_of_step_sizes_are_those_of_differences():
    flow = residual_flow(3, steps=dx.LearnedSteps(3, constraint="none"))
    z = torch.randn(4, 2, dtype=torch.float64)

    def value(h: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(flow, {"rule.values": h}, (z,)).square().sum()

    assert torch.autograd.gradcheck(value, flow.rule.values.detach().clone().requires_grad_())


@pytest.mark.parametrize("method", [dx.integrators.Euler(), dx.integrators.Kutta4()])
def test_learned_steps_are_the_ones_taken(method):
    steps = dx.LearnedSteps(3, start=[0.5, 0.0, 0.5])
    flow = residual_flow(3, steps=steps, method=method)
    z = torch.randn(4, 2, dtype=torch.float64)
    parts = [flow.fields[0], flow.fields[2]]  # a step of 0 is a layer that is left out
    shorter = dx.Flow(parts, method)
    torch.testing.assert_close(flow(z), shorter(z))
    by_steps = z
    for _, step in flow.steps():
        by_steps = step(by_steps)
    torch.testing.assert_close(by_steps, flow(z))


@pytest.mark.parametrize("way", ["checkpoint", "adjoint"])
def test_every_way_to_the_gradient_has_that_of_step_sizes(way):
    steps = dx.LearnedSteps(4, start=[0.4, 0.3, 0.2, 0.1])
    fields = list(residual_flow(4).fields)
    z = torch.randn(5, 2, dtype=torch.float64)
    found = []
    for gradient in ("autograd", way):
        flow = dx.Flow(fields, dx.integrators.Kutta3(), steps=steps, gradient=gradient)
        found.append(torch.autograd.grad(flow(z).sin().sum(), [*flow.parameters()]))
    for wanted, other in zip(*found, strict=True):
        torch.testing.assert_close(other, wanted, rtol=1e-12, atol=1e-14)


def test_life_of_learned_steps():
    flow = residual_flow(3, steps=dx.LearnedSteps(3, horizon=2.0)).float()
    z = torch.randn(4, 2)
    assert "rule.values" in flow.state_dict()
    torch.nn.init.normal_(flow.rule.values)
    other = residual_flow(3, steps=dx.LearnedSteps(3, horizon=2.0)).float()
    other.load_state_dict(flow.state_dict())
    twin = copy.deepcopy(flow)
    torch.testing.assert_close(other(z), flow(z))
    torch.nn.init.normal_(flow.rule.values)
    assert not torch.equal(twin(z), flow(z))
    frozen = dx.freeze(twin)
    torch.testing.assert_close(frozen(z), twin(z))


def gradient_flow(steps: dx.LearnedSteps, method=None) -> dx.Flow:
    fields = [
        dx.fields.GradientField(dx.linear.Dense(3, 4), dx.activations.ReLU())
        for _ in range(steps.count)
    ]
    return dx.Flow(fields, method or dx.integrators.Euler(), steps=steps)


def test_claims_follow_the_present_steps():
    steps = dx.LearnedSteps(2, horizon=3.0, start=[1.5, 1.5])
    flow = gradient_flow(steps)  # the limit is 2 for all parameters
    claim = flow.claims().find(dx.Lipschitz)
    assert claim is not None
    assert claim.structure.constant == 1.0
    assert claim.kind is Kind.BOUND  # not for all parameters: the steps are some
    with torch.no_grad():
        steps.values.copy_(torch.tensor([2.5, 0.5]))
    outside = flow.claims().find(dx.Lipschitz)
    assert outside is not None
    assert outside.structure.constant > 1


@pytest.mark.parametrize("method", [dx.integrators.ImplicitEuler(), dx.integrators.RadauIIA(2)])
def test_steps_back_in_time_are_not_contractive(method):
    steps = dx.LearnedSteps(2, constraint="none", start=[0.75, 0.25])
    flow = gradient_flow(steps, method)
    forward = flow.claims().find(dx.Lipschitz)
    assert forward is not None
    assert forward.structure.constant == 1.0
    assert forward.kind is Kind.BOUND
    torch.nn.init.constant_(steps.values, -0.01)
    found = flow.claims()
    claim = found.find(dx.Lipschitz)
    assert claim is None or claim.structure.constant > 1
    assert all(step.claims().find(dx.Dissipative) is None for _, step in flow.steps())


def test_steps_on_the_simplex_go_forward_for_all_parameters():
    flow = gradient_flow(dx.LearnedSteps(2, horizon=9.0), dx.integrators.ImplicitEuler())
    claims = [step.claims().find(dx.Dissipative) for _, step in flow.steps()]
    assert all(claim is not None and claim.kind is Kind.CONSTRUCTION for claim in claims)


def test_steps_of_one_field():
    field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
    flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.LearnedSteps(2, start=[0.25, 0.75]))
    z = torch.randn(3, 2)
    first = z + 0.25 * field(0.0, z)
    torch.testing.assert_close(flow(z), first + 0.75 * field(0.0, first))


def test_refusals():
    with pytest.raises(ValueError, match="sum to the horizon"):
        dx.LearnedSteps(2, start=[0.5, 0.6])
    with pytest.raises(ValueError, match="0 or more"):
        dx.LearnedSteps(2, start=[-0.5, 1.5])
    with pytest.raises(ValueError, match="2 finite step sizes"):
        dx.LearnedSteps(2, start=[1.0])
    with pytest.raises(ValueError, match="finite"):
        dx.LearnedSteps(2, constraint="none", start=[float("nan"), 1.0])
    with pytest.raises(ValueError, match="one field per step"):
        residual_flow(3, steps=dx.LearnedSteps(2))
    with pytest.raises(ValueError, match="no horizon"):
        dx.Flow(
            list(residual_flow(2).fields),
            dx.integrators.Euler(),
            steps=dx.LearnedSteps(2),
            horizon=1.0,
        )


def test_the_projection_of_what_lies_far_outside():
    far = torch.tensor([1e20, 1e20, 0.0], dtype=torch.float64)
    torch.testing.assert_close(onto_simplex(far, 1.0), far / 2e20)
    low = torch.tensor([0.0, -0.5, -1.5, -1e15], dtype=torch.float64)
    torch.testing.assert_close(onto_simplex(low, 1.0), low.new_tensor([0.75, 0.25, 0.0, 0.0]))
