"""The density outside of its support, and of what is no number, where values are not checked."""

import pytest
import torch
from torch.distributions import constraints

from darboux.bijections import Chain, LULinear
from darboux.density import DiagonalNormal, LogitTransform, NormalizingFlow, StandardNormal

INSIDE = torch.tensor([0.3, 0.6])
OUTSIDE = ([0.5, 2.0], [-1.0, 0.5], [torch.inf, 0.5], [0.5, -torch.inf])


def bounded(alpha=0.0):
    return NormalizingFlow(Chain([LogitTransform(alpha), LULinear(2)]), DiagonalNormal(2))


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("x", OUTSIDE)
def test_is_zero_outside(alpha, x):
    flow = bounded(alpha)
    found = flow(validate_args=False).log_prob(torch.stack([torch.tensor(x), INSIDE]))
    assert found[0] == -torch.inf
    assert found[1] == flow.log_prob(INSIDE)


def test_gradients_are_those_of_the_samples_inside():
    flow = bounded()
    x = torch.tensor([[0.5, 2.0], [0.3, 0.6]])
    (-flow(validate_args=False).log_prob(x)[1]).backward()
    found = [parameter.grad.clone() for parameter in flow.parameters()]
    flow.zero_grad()
    (-flow.log_prob(INSIDE)).backward()
    for one, parameter in zip(found, flow.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad)


def test_nan_stays_one():
    flow = NormalizingFlow(LULinear(2), StandardNormal(2))
    found = flow(validate_args=False).log_prob(torch.tensor([[torch.nan, 0.0], [0.0, 0.0]]))
    assert found.isnan().tolist() == [True, False]


def test_infinity_lies_outside_of_the_real_numbers():
    flow = NormalizingFlow(LULinear(2), StandardNormal(2))
    assert flow(validate_args=False).log_prob(torch.tensor([torch.inf, 0.0])) == -torch.inf


class Even(constraints.Constraint):
    """A support of one's own, of which PyTorch knows no point."""

    def check(self, value):
        return value % 2 == 0


def test_supports_of_ones_own():
    flow = NormalizingFlow(LULinear(1), StandardNormal(1), support=Even())
    found = flow(validate_args=False).log_prob(torch.tensor([[2.0], [1.0]]))
    assert found.isfinite().tolist() == [True, False]


def test_batches_of_distributions():
    flow = bounded()(validate_args=False).expand([3])
    found = flow.log_prob(torch.tensor([[0.5, 2.0], [0.3, 0.6], [0.5, 0.5]]))
    assert found.isfinite().tolist() == [False, True, True]
