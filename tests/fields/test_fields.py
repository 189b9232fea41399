"""The theorems of section 2.1 in numbers."""

import copy

import pytest
import torch
from torch.nn.utils import parametrize

import darboux as dx
from darboux.fields import _together
from darboux.flow import as_float
from darboux.linear import _remembered
from darboux.structure import Kind


def test_metric_rows_has_the_same_cocoercivity_for_all_parameters():
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    before = field.cocoercivity()
    with torch.no_grad():
        field.map.weight.mul_(1000)
    assert before == field.cocoercivity() == -1.0
    assert field.cocoercivity_kind() is Kind.CONSTRUCTION


def test_metric_norm_follows_the_norm():
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.Sigmoid(), metric="norm")
    norm = torch.linalg.matrix_norm(field.map.weight.detach().double(), ord=2)
    assert as_float(field.cocoercivity()) == pytest.approx(-4 / float(norm) ** 2, rel=1e-3)
    assert field.cocoercivity_kind() is Kind.BOUND


def test_relu_gradient_field_has_one_sided_constant_zero():
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    assert field.one_sided_lipschitz() == 0


def test_identity_gradient_field_contracts_at_the_smallest_singular_value():
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.Identity(), metric="norm")
    smallest = torch.linalg.svdvals(field.map.weight.detach().double()).min()
    assert as_float(field.one_sided_lipschitz()) == pytest.approx(-(float(smallest) ** 2), rel=1e-3)


def test_wide_map_has_a_kernel_and_no_contraction():
    field = dx.fields.GradientField(dx.linear.Dense(6, 4), dx.activations.Identity(), metric="norm")
    assert as_float(field.one_sided_lipschitz()) == 0


def test_antisymmetric_field_gets_no_credit_for_damping_with_relu():
    def field(damping):
        torch.manual_seed(0)
        linear = dx.linear.Dense(5, 5)
        return dx.fields.AntisymmetricField(linear, dx.activations.ReLU(), damping=damping)

    plain, damped = (as_float(field(d).one_sided_lipschitz()) for d in (0.0, 2.0))
    assert damped == pytest.approx(plain, rel=1e-2)
    assert damped > 0


def test_antisymmetric_field_is_cocoercive_only_when_linear_and_damped():
    linear = dx.linear.Dense(5, 5)
    identity, relu = dx.activations.Identity(), dx.activations.ReLU()
    assert dx.fields.AntisymmetricField(linear, relu, damping=1.0).cocoercivity() is None
    assert dx.fields.AntisymmetricField(linear, identity).cocoercivity() is None
    damped = dx.fields.AntisymmetricField(linear, identity, damping=1.0)
    k = (linear.weight - linear.weight.T).detach().double()
    exact = -1 / (torch.linalg.matrix_norm(k, ord=2) ** 2 + 1)
    assert as_float(damped.cocoercivity()) == pytest.approx(float(exact), rel=1e-2)


def test_antisymmetric_linear_field_has_one_sided_constant_minus_damping():
    field = dx.fields.AntisymmetricField(
        dx.linear.Dense(5, 5), dx.activations.Identity(), damping=0.7
    )
    assert as_float(field.one_sided_lipschitz()) == pytest.approx(-0.7)


def test_skew_norm_uses_the_smaller_of_two_norms():
    field = dx.fields.AntisymmetricField(dx.linear.Dense(3, 3), dx.activations.ReLU())
    with torch.no_grad():
        field.map.map.weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 0], [0, 0, 0]]))
    # K has rows (0,1,0), (-1,0,0), (0,0,0): both norms are 1
    assert as_float(field.one_sided_lipschitz()) == pytest.approx(0.5, rel=1e-2)


def test_gradient_field_refuses_group_sort():
    with pytest.raises(TypeError, match=r"GroupSort, which mixes channels.*no gradient field"):
        dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.GroupSort())


def test_gradient_field_refuses_an_unknown_metric():
    with pytest.raises(ValueError, match="'rows' or 'entries' or 'norm'; got 'euclid'"):
        dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU(), metric="euclid")


@pytest.mark.parametrize("build", [dx.fields.ResidualField, dx.fields.AntisymmetricField])
def test_square_maps_are_required(build):
    with pytest.raises(ValueError, match="got 4 -> 6"):
        build(dx.linear.Dense(4, 6), dx.activations.ReLU())


def test_zhang_schaeffer_maps_must_fit():
    with pytest.raises(ValueError, match="got A1: 4 -> 6, A2: 5 -> 4"):
        dx.fields.ZhangSchaefferField(
            dx.linear.Dense(4, 6), dx.activations.ReLU(), dx.linear.Dense(5, 4)
        )


def test_zhang_schaeffer_symmetric_case_is_equation_16():
    linear = dx.linear.Dense(4, 6)
    field = dx.fields.ZhangSchaefferField.symmetric(linear, dx.activations.ReLU())
    z = torch.randn(3, 4)
    expected = -torch.relu(z @ linear.weight.T) @ linear.weight
    torch.testing.assert_close(field(0.0, z), expected)


def test_growth_is_known_by_constraint_by_looking_or_not_at_all():
    outer = dx.linear.Dense(6, 4)
    field = dx.fields.ZhangSchaefferField(dx.linear.Dense(4, 6), dx.activations.ReLU(), outer)
    assert field.growth() is None
    with torch.no_grad():
        outer.weight.abs_()
    assert field.growth()[1] is Kind.BOUND
    parametrize.register_parametrization(outer, "weight", dx.linear.Nonnegative())
    assert field.growth()[1] is Kind.CONSTRUCTION


def test_growth_needs_a_nonnegative_activation():
    outer = dx.linear.Dense(6, 4)
    parametrize.register_parametrization(outer, "weight", dx.linear.Nonnegative())
    field = dx.fields.ZhangSchaefferField(dx.linear.Dense(4, 6), dx.activations.Tanh(), outer)
    assert field.growth() is None


def test_antisymmetric_field_of_a_zero_padded_product_is_bounded_part_by_part():
    one, two = (dx.linear.Conv(3, 3, kernel_size=3, dim=1, padding_mode="zeros") for _ in range(2))
    field = dx.fields.AntisymmetricField(dx.linear.Composed(one, two), dx.activations.ReLU())
    assert 0 < as_float(field.one_sided_lipschitz()) <= as_float(field.lipschitz())


def test_fields_bound_together_are_the_fields_bound_alone():
    conv = [dx.linear.Conv(2, c, kernel_size=3, dim=1) for c in (3, 3, 4)]
    rows = [dx.fields.GradientField(c, dx.activations.ReLU()) for c in conv]
    norm = dx.fields.GradientField(conv[0], dx.activations.Tanh(), metric="norm")
    padded = dx.linear.Conv(2, 2, kernel_size=3, dim=1, padding_mode="zeros")
    product = dx.fields.GradientField(dx.linear.Composed(padded, padded), dx.activations.ReLU())
    fields = [*rows, norm, rows[0], product]
    z = torch.randn(2, 2, 9)
    for prepared, field in zip(dx.fields.prepare_together(fields), fields, strict=True):
        torch.testing.assert_close(prepared(0.0, z), field(0.0, z))


def test_gradients_through_fields_bound_together():
    fields = [dx.fields.GradientField(dx.linear.Dense(3, 4), dx.activations.Tanh()) for _ in "ab"]
    z = torch.randn(2, 3)
    weights = [field.map.weight for field in fields]
    together = sum(f(0.0, z).square().sum() for f in dx.fields.prepare_together(fields))
    alone = sum(field(0.0, z).square().sum() for field in fields)
    expected = torch.autograd.grad(alone, weights)
    torch.testing.assert_close(torch.autograd.grad(together, weights), expected)


def test_frozen_fields_keep_their_bounds_while_inputs_are_differentiated(monkeypatch):
    conv = [dx.linear.Conv(2, 3, kernel_size=3, dim=1) for _ in "ab"]
    fields = [dx.fields.GradientField(c, dx.activations.Tanh()) for c in conv]
    flow = dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps())
    z = torch.randn(2, 2, 9, requires_grad=True)
    (expected,) = torch.autograd.grad(flow(z).square().sum(), z)
    flow.requires_grad_(requires_grad=False)
    flow(z)
    with monkeypatch.context() as patch:
        patch.setattr(_together, "row_bounds", None)
        patch.setattr(_remembered.kept_row_bound, "function", None)
        (found,) = torch.autograd.grad(flow(z).square().sum(), z)
    torch.testing.assert_close(found, expected)
    conv[0].weight.data.mul_(3)
    torch.testing.assert_close(flow(z), copy.deepcopy(flow)(z))
