"""Prolongation in depth: the same function of time on a finer grid, with parameters of its own."""

import pytest
import torch

import darboux as dx
from darboux.control import prolong

DOUBLE = torch.float64


def field():
    layer = dx.linear.Dense(2, 2).to(DOUBLE)
    return dx.fields.ResidualField(layer, dx.activations.Tanh()).to(DOUBLE)


def test_steps_are_divided_and_fields_repeated():
    flow = dx.Flow([field() for _ in range(3)], dx.integrators.Euler(), horizon=1.5)
    z = torch.randn(4, 2, dtype=DOUBLE)
    expected = z
    for each in flow.fields:
        for _ in range(2):
            expected = expected + 0.25 * each(0.0, expected)
    torch.testing.assert_close(prolong(flow)(z), expected)


def test_integrator_of_high_order_hardly_notices():
    flow = dx.Flow([field() for _ in range(3)], dx.integrators.Kutta4())
    z = torch.randn(4, 2, dtype=DOUBLE)
    torch.testing.assert_close(prolong(flow, 4)(z), flow(z), rtol=0, atol=1e-4)


def test_parameters_are_its_own():
    flow = dx.Flow([field() for _ in range(2)], dx.integrators.Euler())
    fine = prolong(flow, 3)
    names = [name for name, _ in fine.named_parameters()]
    assert len(names) == 3 * len([*flow.parameters()])
    assert not {id(p) for p in fine.parameters()} & {id(p) for p in flow.parameters()}


def test_what_fields_share_they_share_after():
    one, two = field(), field()
    two.bias = one.bias
    fine = prolong(dx.Flow([one, two], dx.integrators.Euler()), 2)
    assert len({id(each.bias) for each in fine.fields}) == 1
    assert fine.fields[0].bias is not one.bias
    assert len({id(each.map.weight) for each in fine.fields}) == 4


def test_a_shared_field_serves_more_steps():
    flow = dx.Flow(field(), dx.integrators.Euler(), steps=3)
    fine = prolong(flow, 2)
    assert len(fine.fields) == 1
    assert fine.rule.count == 6
    assert fine.fields[0] is not flow.fields[0]


@pytest.mark.parametrize("constraint", ["simplex", "none"])
def test_learned_steps_are_halved(constraint):
    steps = dx.LearnedSteps(3, horizon=2.0, constraint=constraint, start=[1.0, 0.0, 1.0])
    torch.nn.init.constant_(steps.values[:1], 1.2)
    flow = dx.Flow([field() for _ in range(3)], dx.integrators.Euler(), steps=steps)
    found = prolong(flow).rule
    halves = steps.current().detach().repeat_interleave(2) / 2
    torch.testing.assert_close(found.current().detach(), halves, rtol=1e-6, atol=1e-7)
    assert found.constraint == constraint
    assert found.values.requires_grad


def test_keeps_what_is_not_learned_and_the_mode():
    flow = dx.Flow([field() for _ in range(2)], dx.integrators.Euler())
    flow.fields[0].bias.requires_grad = False
    fine = prolong(flow.eval())
    assert [each.bias.requires_grad for each in fine.fields] == [False, False, True, True]
    assert not any(each.training for each in fine.modules())
    learned = dx.Flow([field()], dx.integrators.Euler(), steps=dx.LearnedSteps(1)).eval()
    assert not any(each.training for each in prolong(learned).modules())


def test_refuses_steps_whose_horizon_depends_on_their_number():
    layer = dx.linear.Dense(2, 2)
    fields = [dx.fields.GradientField(layer, dx.activations.Tanh())]
    flow = dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps())
    with pytest.raises(TypeError, match="expected UniformSteps or LearnedSteps"):
        prolong(flow)
