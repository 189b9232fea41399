"""Flows with stacked parameters: an ensemble under vmap is the loop over its members."""

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

import darboux as dx


def _member(metric):
    fields = [
        dx.fields.GradientField(
            dx.linear.Conv(3, 4, kernel_size=3, dim=1), dx.activations.Tanh(), metric=metric
        )
        for _ in range(2)
    ]
    return dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps())


@pytest.mark.parametrize("metric", ["rows", "norm"])
def test_values_and_gradients_of_an_ensemble(metric):
    members = [_member(metric).double() for _ in range(3)]
    parameters, _ = stack_module_state(members)
    x = torch.randn(5, 3, 7, dtype=torch.float64)
    values = vmap(lambda p: functional_call(members[0], p, (x,)))(parameters)
    torch.testing.assert_close(values, torch.stack([member(x) for member in members]))

    def loss(p):
        return functional_call(members[0], p, (x,)).square().sum()

    slopes = vmap(grad(loss))(parameters)
    for k, member in enumerate(members):
        named = dict(member.named_parameters())
        expected = torch.autograd.grad(member(x).square().sum(), list(named.values()))
        for name, slope in zip(named, expected, strict=True):
            torch.testing.assert_close(slopes[name][k], slope)
