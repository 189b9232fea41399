"""Flows: steps, claims and refusals."""

import pytest
import torch

import darboux as dx
from darboux.flow import CoveringSteps, UniformSteps, as_float
from darboux.structure import Kind, gradient_of_energy, step_within

THREE = UniformSteps(horizon=1.0, count=3)


def _field(metric="rows"):
    return dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU(), metric=metric)


def test_euler_flow_is_the_residual_network_of_equation_5():
    field = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())
    flow = dx.Flow(field, dx.integrators.Euler(), steps=2, horizon=0.5)
    z = torch.randn(3, 4)
    one = z + 0.25 * field(0.0, z)
    torch.testing.assert_close(flow(z), one + 0.25 * field(0.0, one))


def test_contractive_steps_are_claimed_by_construction_with_their_alpha():
    flow = dx.Flow(
        [_field(), _field()], dx.integrators.Euler(), steps=dx.ContractiveSteps(fraction=0.5)
    )
    claim = flow.claims().find(dx.Averaged)
    # two steps with α = 1/2 have odds 1 + 1 = 2: α = 2/3
    assert claim.structure.alpha == pytest.approx(2 / 3)
    assert claim.kind is Kind.CONSTRUCTION


@pytest.mark.parametrize(
    ("method", "radius"),
    [("Euler", 1.0), ("ImprovedEuler", 1.0), ("Kutta3", 0.5), ("Kutta4", 1.0)],
)
def test_step_limit_follows_the_radius(method, radius):
    flow = dx.Flow(
        _field(),
        getattr(dx.integrators, method)(),
        steps=dx.ContractiveSteps(count=1, fraction=1.0),
    )
    assert as_float(flow.maps()[0][1].size()) == pytest.approx(2 * radius)


def test_averaging_formula_with_radius_one_half():
    theta, r = 0.5, 0.5
    flow = dx.Flow(
        _field(), dx.integrators.Kutta3(), steps=dx.ContractiveSteps(count=1, fraction=theta)
    )
    alpha = flow.claims().find(dx.Averaged).structure.alpha
    assert alpha == pytest.approx(r * theta / (r * theta + 1 - theta))


def test_uniform_steps_inside_the_limit_are_contractive_outside_they_are_not():
    inside = dx.Flow(_field(), dx.integrators.Euler(), steps=1, horizon=1.9).claims()
    outside = dx.Flow(_field(), dx.integrators.Euler(), steps=1, horizon=2.1).claims()
    assert inside.find(dx.Lipschitz).structure.constant == 1
    # 1 + h L of the stage polynomial
    assert outside.find(dx.Lipschitz).structure.constant == pytest.approx(3.1)
    assert outside.find(dx.Lipschitz).kind is Kind.BOUND


def test_uniform_steps_with_the_norm_metric_are_a_bound_not_a_construction():
    flow = dx.Flow(_field("norm"), dx.integrators.Euler(), steps=1, horizon=1e-3)
    assert flow.claims().find(dx.Averaged).kind is Kind.BOUND


def test_stage_polynomial_of_kutta4():
    field = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())
    flow = dx.Flow(field, dx.integrators.Kutta4(), steps=1, horizon=0.5)
    x = 0.5 * as_float(field.lipschitz())
    expected = 1 + x + x**2 / 2 + x**3 / 6 + x**4 / 24
    assert flow.claims().find(dx.Lipschitz).structure.constant == pytest.approx(expected)


def test_dissipative_is_claimed_for_a_shared_field_only():
    shared = dx.Flow(_field(), dx.integrators.Euler(), steps=dx.ContractiveSteps(count=3))
    each = dx.Flow([_field(), _field()], dx.integrators.Euler(), steps=dx.ContractiveSteps())
    assert shared.claims().find(dx.Dissipative) is not None
    assert each.claims().find(dx.Dissipative) is None
    assert all(step.claims().find(dx.Dissipative) for _, step in each.maps())


def test_dissipative_is_not_claimed_beyond_euler():
    flow = dx.Flow(_field(), dx.integrators.Kutta4(), steps=dx.ContractiveSteps(count=3))
    assert flow.claims().find(dx.Dissipative) is None


def test_antisymmetric_relu_flow_never_claims_nonexpansive():
    field = dx.fields.AntisymmetricField(dx.linear.Dense(4, 4), dx.activations.ReLU(), damping=1.0)
    flow = dx.Flow(field, dx.integrators.Kutta4(), steps=3)
    assert flow.claims().find(dx.Lipschitz).structure.constant > 1
    assert flow.claims().find(dx.Averaged) is None


def test_covering_steps_change_their_number_with_the_norm():
    flow = dx.Flow(_field("norm"), dx.integrators.Euler(), horizon=1.0, steps=dx.ContractiveSteps())
    assert isinstance(flow.rule, CoveringSteps)
    before = len(flow.maps())
    with torch.no_grad():
        flow.fields[0].map.weight.mul_(4.0)
    after = len(flow.maps())
    assert after > before
    assert sum(as_float(step.size()) for _, step in flow.maps()) == pytest.approx(1.0)
    assert flow.claims().find(dx.Averaged).kind is Kind.CONSTRUCTION


def test_gradients_flow_through_the_step_size():
    field = _field("norm")
    flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2)).double()
    z = torch.randn(2, 4, dtype=torch.float64)

    def loss(weight):
        return torch.func.functional_call(flow, {"fields.0.map.weight": weight}, (z,)).sum()

    weight = field.map.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (weight,), rtol=2e-3, atol=1e-6)


def test_nonautonomous_fields_see_the_time():
    class Clock(dx.fields.VectorField):
        def forward(self, t, z):
            return torch.full_like(z, 1.0) * t

    flow = dx.Flow(Clock(), dx.integrators.Euler(), steps=4, horizon=1.0)
    # Σ h t_k = 0.25 (0 + 0.25 + 0.5 + 0.75)
    torch.testing.assert_close(flow(torch.zeros(1, 1)), torch.full((1, 1), 0.375))


def test_field_without_constants_is_a_named_gap():
    class Cubic(dx.fields.VectorField):
        def forward(self, t, z):
            return -(z**3)

    claims = dx.Flow([Cubic()], dx.integrators.Euler()).claims()
    assert len(claims) == 0
    assert claims.gaps[0].path == "step0"
    assert "Cubic has no Lipschitz constant" in claims.gaps[0].reason


def test_claims_name_the_step_as_a_premise():
    flow = dx.Flow([_field()], dx.integrators.Euler(), steps=dx.ContractiveSteps())
    premises = flow.claims().find(dx.Averaged).premises
    assert sum(premise.condition == step_within for premise in premises) == 1


def test_linear_growth_of_post_activation():
    outer = dx.linear.Dense(6, 4)
    torch.nn.utils.parametrize.register_parametrization(outer, "weight", dx.linear.Nonnegative())
    field = dx.fields.ZhangSchaefferField(dx.linear.Dense(4, 6), dx.activations.ReLU(), outer)
    with torch.no_grad():
        field.bias_2.copy_(torch.tensor([3.0, 4.0, -9.0, 0.0]))
    method = dx.integrators.PostActivation(dx.integrators.Euler())
    flow = dx.Flow(field, method, steps=4, horizon=2.0)
    claim = flow.claims().find(dx.LinearGrowth)
    assert claim.structure.increment == pytest.approx(2.0 * 5.0)
    z = 10 * torch.rand(100, 4)
    after = flow(z)
    assert bool((after >= 0).all())
    assert bool((after.norm(dim=1) <= z.norm(dim=1) + 10.0 + 1e-4).all())


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: dx.Flow([], dx.integrators.Euler()), ValueError, "at least one field"),
        (lambda: dx.Flow(_field(), dx.integrators.Euler()), ValueError, "expected steps=K"),
        (
            lambda: dx.Flow([torch.nn.ReLU()], dx.integrators.Euler()),
            TypeError,
            r"got \[ReLU\(\)\]\. Write a darboux.fields.VectorField whose forward\(t, z\)",
        ),
        (
            lambda: dx.Flow(torch.nn.Linear(4, 4), dx.integrators.Euler(), steps=2),
            TypeError,
            r"got a Linear\. Write a darboux.fields.VectorField whose forward\(t, z\) calls it",
        ),
        (
            lambda: dx.Flow(_field(), "euler", steps=1),
            TypeError,
            r"integrator to be an Integrator; got 'euler'\. .* Euler\(\)",
        ),
        (
            lambda: dx.Flow(_field(), dx.integrators.Euler, steps=1),
            TypeError,
            r"got the class Euler\. Make one: Euler\(",
        ),
        (lambda: dx.Flow(_field(), dx.integrators.Euler(), steps=True), TypeError, "got True"),
        (lambda: dx.Flow(_field(), dx.integrators.Euler(), steps=2.0), TypeError, r"got 2\.0"),
        (
            lambda: dx.Flow(_field(), dx.integrators.Euler(), steps=THREE, horizon=2.0),
            ValueError,
            "no horizon with UniformSteps.*got 2.0",
        ),
        (
            lambda: dx.Flow([_field(), _field()], dx.integrators.Euler(), steps=THREE),
            ValueError,
            "2 fields and steps=3",
        ),
        (
            lambda: dx.Flow(
                [_field()],
                dx.integrators.Euler(),
                steps=CoveringSteps(2.0, dx.ContractiveSteps()),
            ),
            TypeError,
            "a single field with CoveringSteps.*got a list of 1",
        ),
        (lambda: dx.flow.FlowBijection(_field()), TypeError, "Flow, or .*; got a GradientField"),
        (
            lambda: dx.Flow([_field()], dx.integrators.Euler(), steps=2),
            ValueError,
            "1 fields and steps=2",
        ),
        (lambda: dx.Flow(_field(), dx.integrators.Euler(), steps="many"), TypeError, "got 'many'"),
        (
            lambda: dx.Flow(_field(), dx.integrators.Euler(), steps=2, horizon=-1.0),
            ValueError,
            "horizon to be a positive finite number.*; got -1",
        ),
        (
            lambda: dx.Flow(
                [_field()], dx.integrators.Euler(), horizon=1.0, steps=dx.ContractiveSteps()
            ),
            ValueError,
            "the horizon is the sum of the steps",
        ),
        (
            lambda: dx.Flow(_field(), dx.integrators.Euler(), steps=dx.ContractiveSteps()),
            ValueError,
            "count=K",
        ),
        (lambda: dx.ContractiveSteps(fraction=1.5), ValueError, "beyond which nothing is nonexp"),
        (lambda: dx.ContractiveSteps(count=2.5), TypeError, "count to be an integer from 1"),
        (
            lambda: dx.ContractiveSteps(max_step=0.0),
            ValueError,
            "max_step to be a positive finite number",
        ),
        (
            lambda: dx.Flow(
                dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.ReLU()),
                dx.integrators.Euler(),
                steps=dx.ContractiveSteps(count=2),
            ),
            ValueError,
            "ResidualField has none",
        ),
    ],
)
def test_contradictions_are_refused(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_more_steps_than_can_be_listed_are_refused():
    flow = dx.Flow(_field(), dx.integrators.Euler(), steps=dx.ContractiveSteps(), horizon=1e9)
    with pytest.raises(ValueError, match=r"at most 1000000 steps; got 1e\+09 and steps of 1\.8"):
        flow(torch.zeros(1, 4))
    flow = dx.Flow(_field("norm"), dx.integrators.Euler(), steps=dx.ContractiveSteps(), horizon=1)
    torch.nn.init.constant_(flow.fields[0].map.weight, 1e6)
    with pytest.raises(ValueError, match=r"got 1 and steps of .*e-14"):
        flow(torch.zeros(1, 4))


def test_fields_may_be_a_module_list():
    fields = torch.nn.ModuleList([_field(), _field()])
    assert len(dx.Flow(fields, dx.integrators.Euler()).trajectory(torch.zeros(1, 4))) == 3


def test_energy_of_a_list_of_fields_is_refused():
    flow = dx.Flow([_field(), _field()], dx.integrators.Euler(), steps=dx.ContractiveSteps())
    with pytest.raises(TypeError, match="each with its own energy"):
        flow.energy(torch.zeros(1, 4))


class Mislabelled(dx.fields.VectorField):
    """Cocoercive, with an energy that is no potential of it and no premises of its own."""

    autonomous = True

    def forward(self, t, z):
        return -z

    def cocoercivity(self):
        return -1.0

    def energy(self, t, z):
        return -z.square().flatten(1).sum(dim=1)


def test_dissipative_rests_on_the_potential_whatever_the_field_lists():
    flow = dx.Flow(Mislabelled(), dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
    premises = flow.claims().find(dx.Dissipative).premises
    assert any(premise.condition == gradient_of_energy for premise in premises)
    certificate = dx.certify(flow, torch.randn(2, 3), effort="quick")
    assert any("-∇energy" in row.statement for row in certificate.refuted)
