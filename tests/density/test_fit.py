"""Training finds the density, and stops where it breaks down."""

import math

import pytest
import torch

from darboux.bijections import Chain, LULinear
from darboux.density import (
    DiagonalNormal,
    LogitTransform,
    NormalizingFlow,
    StandardNormal,
    fit,
)
from tests.density.maps import Shifted, SinhArcsinh


def normal_flow():
    return NormalizingFlow(LULinear(2), DiagonalNormal(2))


def correlated(n):
    return torch.randn(n, 2) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]]) + torch.tensor([1.0, -2.0])


@pytest.mark.long
def test_finds_a_normal_density():
    flow, data = normal_flow(), correlated(2000)
    history = fit(flow, data, steps=600, lr=0.03, validation=correlated(2000), every=200)
    entropy = math.log(2 * math.pi * math.e)  # and log|det| = log 1
    assert [step for step, _ in history.validation] == [200, 400, 600]
    assert abs(history.validation[-1][1] - entropy) < 0.08
    assert history.validation[0][1] > history.validation[-1][1] - 0.05
    assert len(history.loss) == 600


def test_contexts_stay_with_their_samples():
    flow = NormalizingFlow(Shifted(1, conditioned=True), StandardNormal(1))
    context = 10 * torch.randn(500, 1)
    data = context + 2 + 0.5 * torch.randn(500, 1)
    fit(flow, data, steps=300, lr=0.05, context=context)
    torch.testing.assert_close(flow.bijection.b, torch.tensor([2.0]), atol=0.15, rtol=0)
    torch.testing.assert_close((-flow.bijection.log_a).exp(), torch.tensor([0.5]), atol=0.1, rtol=0)


def test_is_repeatable_and_keeps_the_mode():
    data = correlated(100)
    flow = normal_flow().eval()
    state = {name: value.clone() for name, value in flow.state_dict().items()}
    losses = []
    for _ in range(2):
        flow.load_state_dict(state)
        generator = torch.Generator().manual_seed(1)
        losses.append(fit(flow, data, steps=9, batch=32, generator=generator).loss)
    assert losses[0] == losses[1]
    assert not flow.training


def test_another_loss_and_optimizer():
    flow = normal_flow()
    before = flow.bijection.weight.detach().clone()
    optimizer = torch.optim.SGD([flow.base.mean], lr=0.1)
    found = fit(
        flow,
        correlated(50),
        steps=2,
        optimizer=optimizer,
        loss=lambda x, c: flow.negative_log_likelihood(x, c) + 100,
    )
    assert found.loss[0] > 100
    assert torch.equal(before, flow.bijection.weight)
    assert bool(flow.base.mean.any())


def test_clips():
    flow = normal_flow()
    optimizer = torch.optim.SGD(flow.parameters(), lr=1.0)
    before = torch.nn.utils.parameters_to_vector(flow.parameters()).detach().clone()
    fit(flow, 100 * correlated(50), steps=1, optimizer=optimizer, clip=0.01)
    after = torch.nn.utils.parameters_to_vector(flow.parameters()).detach()
    assert math.isclose(float((after - before).norm()), 0.01, rel_tol=1e-3)


def test_what_is_not_trained_does_not_clip():
    """The gradient in the mean is below the clip; with that in the log-scale it would be above."""
    flow, data = normal_flow(), 100 * correlated(50)
    mean, scale = torch.autograd.grad(
        flow.negative_log_likelihood(data), [flow.base.mean, flow.base.log_scale]
    )
    clip = 2 * float(mean.norm())
    assert clip < float(scale.norm())
    fit(flow, data, steps=1, optimizer=torch.optim.SGD([flow.base.mean], lr=1.0), clip=clip)
    torch.testing.assert_close(flow.base.mean, -mean)


def test_an_optimizer_of_another_flow_is_refused():
    flow, other = normal_flow(), normal_flow()
    with pytest.raises(ValueError, match="depends on the parameters of the optimizer"):
        fit(flow, correlated(9), steps=1, optimizer=torch.optim.SGD(other.parameters(), lr=0.1))


def test_stops_where_it_breaks_down():
    flow = NormalizingFlow(Chain([Shifted(1), SinhArcsinh()]), StandardNormal(1)).eval()
    with pytest.raises(FloatingPointError, match=r"finite loss; got .* at step [1-9]"):
        fit(flow, torch.randn(20, 1), steps=50, lr=1e3)
    for parameter in flow.parameters():
        assert bool(parameter.isfinite().all())
    assert not flow.training


def test_refusals():
    flow = normal_flow()
    with pytest.raises(ValueError, match="got 0 samples"):
        fit(flow, torch.zeros(0, 2), steps=1)
    with pytest.raises(ValueError, match="steps to be an integer from 1 to 10000000; got 0"):
        fit(flow, torch.zeros(3, 2), steps=0)
    with pytest.raises(ValueError, match="one context for each of 3 samples; got 2"):
        fit(flow, torch.zeros(3, 2), steps=1, context=torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"expected validation .* got 0 samples"):
        fit(flow, torch.zeros(3, 2), steps=1, validation=torch.zeros(0, 2))


def test_frozen_parameters_stay():
    flow, data = normal_flow(), correlated(9)
    flow.base.requires_grad_(requires_grad=False)
    before = flow.base.mean.clone(), flow.bijection.weight.clone()
    fit(flow, data, steps=2)
    assert torch.equal(flow.base.mean, before[0])
    assert not torch.equal(flow.bijection.weight, before[1])


@pytest.mark.parametrize(
    "untrainable",
    [
        lambda: normal_flow().requires_grad_(requires_grad=False),
        lambda: NormalizingFlow(LogitTransform(), StandardNormal(2)),
    ],
)
def test_a_flow_with_nothing_to_train_is_refused(untrainable):
    with pytest.raises(ValueError, match="parameters that require a gradient; got none"):
        fit(untrainable(), torch.rand(9, 2), steps=1)


def test_a_frozen_flow_and_its_optimizer_are_refused():
    flow = normal_flow().requires_grad_(requires_grad=False)
    optimizer = torch.optim.SGD(flow.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="depends on the parameters of the optimizer"):
        fit(flow, correlated(9), steps=1, optimizer=optimizer)
