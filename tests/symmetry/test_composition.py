"""Equivariance composes with the other structures: one network, one certificate."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.activations import Clip, GroupSort, Identity, ReLU, Tanh
from darboux.bijections import AdditiveCoupling, Chain, InvertibleResidual
from darboux.linear import Conv, Dense, Shrunk
from darboux.structure import Equivariant, Kind, claims_of
from darboux.symmetry import Cyclic, EquivariantConv, EquivariantDense, Feature, FeatureLift
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.testing import check_equivariant

C4 = Cyclic(4)
SCALARS = Feature(C4, ["trivial"] * 2)
REGULAR = Feature(C4, ["regular", "regular"])
MIXED = Feature(C4, ["trivial", 1, 1])


def conv(source=REGULAR, target=REGULAR, **options):
    return EquivariantConv(source, target, kernel_size=3, dim=2, **options)


def symmetry_of(module):
    claim = claims_of(module).find(Equivariant)
    assert claim is not None, claims_of(module).gaps
    assert claim.kind is Kind.CONSTRUCTION
    return claim.structure


FIELDS = {
    "gradient": lambda: dx.fields.GradientField(conv(), ReLU()),
    "gradient-norm-metric": lambda: dx.fields.GradientField(conv(), Tanh(), metric="norm"),
    "gradient-entries-metric": lambda: dx.fields.GradientField(
        conv(MIXED, MIXED), NormActivation(MIXED), metric="entries"
    ),
    "gradient-clip": lambda: dx.fields.GradientField(conv(), Clip()),
    "gradient-norm-activation": lambda: dx.fields.GradientField(
        conv(MIXED, MIXED), NormActivation(MIXED)
    ),
    "residual": lambda: dx.fields.ResidualField(conv(), Tanh()),
    "antisymmetric": lambda: dx.fields.AntisymmetricField(conv(), Tanh(), damping=0.1),
    "zhang-schaeffer": lambda: dx.fields.ZhangSchaefferField(
        conv(SCALARS, REGULAR), ReLU(), conv(REGULAR, SCALARS)
    ),
    "dense": lambda: dx.fields.GradientField(EquivariantDense(REGULAR, REGULAR), ReLU()),
}
PHASE = {
    "hamiltonian": lambda: dx.fields.HamiltonianField(conv(), conv(), Tanh()),
    "hamiltonian-norm": lambda: dx.fields.HamiltonianField(
        conv(MIXED, MIXED), conv(MIXED, MIXED), NormActivation(MIXED)
    ),
    "second-order": lambda: dx.fields.SecondOrderField(conv(SCALARS, REGULAR), ReLU()),
    "coupled": lambda: dx.fields.CoupledField(conv(), Tanh()),
}


def with_bias(module):
    """Biases start at zero, where every one is invariant."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "bias" in name and "activation" not in name:
                parameter.normal_()
    return module


def image_of(symmetry, *, batch=2):
    dense = symmetry.source.channels
    return torch.randn(batch, dense, 5, 6, dtype=torch.float64)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("method", [dx.integrators.Euler(), dx.integrators.Kutta4()], ids=str)
def test_steps_of_equivariant_fields(name, method):
    flow = with_bias(dx.Flow([FIELDS[name]() for _ in range(2)], method)).double()
    symmetry = symmetry_of(flow)
    x = image_of(symmetry)
    check_equivariant(flow, x[:, :, 0, 0] if name == "dense" else x, symmetry)


@pytest.mark.parametrize("name", PHASE)
@pytest.mark.parametrize(
    "method", [dx.integrators.StormerVerlet(), dx.integrators.Composition(4)], ids=str
)
def test_equivariant_hamiltonian_blocks(name, method):
    flow = with_bias(dx.Flow([PHASE[name]() for _ in range(2)], method)).double()
    symmetry = symmetry_of(flow)
    assert symmetry.source.channels == symmetry.target.channels
    check_equivariant(flow, image_of(symmetry), symmetry)
    if name != "coupled":
        assert claims_of(flow).find(dx.Symplectic) is not None


def test_discrete_gradients_made_of_inner_products():
    energy = dx.fields.GradientField(conv(), Tanh())
    flow = dx.Flow(energy, dx.integrators.GonzalezGradient(), steps=1).double()
    check_equivariant(flow, image_of(symmetry_of(flow)), symmetry_of(flow))


@pytest.mark.parametrize(
    "method", [dx.integrators.ItohAbeGradient(), dx.integrators.DormandPrince()], ids=str
)
def test_methods_that_look_at_coordinates_claim_nothing(method):
    flow = dx.Flow(dx.fields.GradientField(conv(), Tanh()), method, steps=1)
    assert claims_of(flow).find(Equivariant) is None


NOT_EQUIVARIANT = {
    "thresholds of their own": lambda: dx.fields.GradientField(conv(), Clip(8, dim=2)),
    "mixing activation": lambda: dx.fields.ResidualField(conv(), GroupSort()),
    "pointwise on a frequency": lambda: dx.fields.GradientField(conv(MIXED, MIXED), ReLU()),
    "plain map": lambda: dx.fields.GradientField(Conv(8, 8, kernel_size=3, dim=2), ReLU()),
    "other features": lambda: dx.fields.ResidualField(
        conv(REGULAR, Feature(C4, ["regular", 1, 1])), Identity()
    ),
}


@pytest.mark.parametrize("name", NOT_EQUIVARIANT)
def test_what_does_not_commute_claims_nothing(name):
    flow = dx.Flow(NOT_EQUIVARIANT[name](), dx.integrators.Euler(), steps=1)
    assert claims_of(flow).find(Equivariant) is None


def test_odd_activations_commute_with_signs():
    signs = Feature(Cyclic(2), [1, 1])
    maps = EquivariantConv(signs, signs, kernel_size=3, dim=2)
    assert dx.fields.GradientField(maps, Tanh()).equivariant() is not None
    assert dx.fields.GradientField(maps, ReLU()).equivariant() is None


def test_rows_of_a_norm_activation_are_tied_on_plain_maps():
    """T⁻¹σ is a gradient only where T is constant on the fields."""
    field = dx.fields.GradientField(Dense(4, 5), NormActivation(MIXED))
    rows = field.scale()
    assert rows[1] == rows[2]
    assert rows[3] == rows[4]
    z = torch.randn(3, 4, dtype=torch.float64)
    field = field.double()
    slope = torch.func.grad(lambda z: field.energy(0.0, z).sum())(z)
    torch.testing.assert_close(field(0.0, z), -slope)


def test_rows_are_tied_in_a_batch_as_well():
    fields = [dx.fields.GradientField(Dense(4, 5), NormActivation(MIXED)) for _ in range(2)]
    z = torch.randn(3, 4)
    for bound, field in zip(dx.fields.prepare_together(fields), fields, strict=True):
        torch.testing.assert_close(bound(0.0, z), field(0.0, z))


def network():
    fields = [dx.fields.GradientField(conv(padding_mode="zeros"), ReLU()) for _ in range(2)]
    flow = dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps())
    return with_bias(
        dx.compose.Translated(dx.Lifted(FeatureLift(1, REGULAR, dim=2), flow), offset=0.5)
    )


def test_one_certificate_with_both_claims():
    found = dx.certify(network(), torch.randn(1, 1, 6, 7), effort="quick")
    assert found.holds
    claimed = {type(row.structure).__name__ for row in found.rows if row.level == "claim"}
    assert {"Averaged", "Equivariant"} <= claimed
    assert all(row.status == "not refuted" for row in found.rows if row.level != "premise")


def test_frozen_networks_compute_the_same():
    net = network()
    x = torch.randn(2, 1, 6, 7)
    plain = dx.freeze(net)
    torch.testing.assert_close(plain(x), net(x))
    assert not [m for m in plain.modules() if isinstance(m, EquivariantConv)]
    assert any(type(m) is nn.Conv2d for m in plain.modules())


def test_frozen_networks_are_exported():
    plain, x = dx.freeze(network()), torch.randn(2, 1, 6, 7)
    exported = torch.export.export(plain, (x,)).module()
    torch.testing.assert_close(exported(x), plain(x))


@pytest.mark.parametrize("size", [(6, 6), (7, 7), (6, 7)])
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_frozen_strides(padding, size):
    strided = EquivariantConv(
        SCALARS, REGULAR, kernel_size=3, dim=2, padding_mode=padding, stride=2
    )
    x = torch.randn(2, 2, *size)
    torch.testing.assert_close(dx.freeze(strided)(x), strided(x))
    affine = dx.compose.Affine(strided)
    nn.init.normal_(affine.bias)
    torch.testing.assert_close(dx.freeze(affine)(x), affine(x))


def test_equivariant_hamiltonian_blocks_freeze():
    flow = with_bias(dx.Flow(PHASE["hamiltonian"](), dx.integrators.StormerVerlet(), steps=2))
    x = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(dx.freeze(flow)(x), flow(x))


def subnetwork():
    return nn.Sequential(conv(), dx.symmetry.Pointwise(REGULAR, ReLU()), conv())


def chain():
    shrunk = nn.Sequential(
        Shrunk(conv(2 * REGULAR, 2 * REGULAR), norm=0.9),
        dx.symmetry.Pointwise(2 * REGULAR, Tanh()),
    )
    return Chain(
        [
            AdditiveCoupling(subnetwork()),
            AdditiveCoupling(subnetwork(), swap=True),
            InvertibleResidual(shrunk),
            dx.Flow(PHASE["hamiltonian"](), dx.integrators.StormerVerlet(), steps=2).as_bijection(),
        ]
    )


def test_equivariant_invertible_chains():
    layers = chain().double()
    symmetry = symmetry_of(layers)
    x = image_of(symmetry)
    check_equivariant(layers, x, symmetry)
    torch.testing.assert_close(layers.inverse(layers(x)), x)
    assert claims_of(layers).find(dx.Invertible) is not None


def test_chains_with_constant_memory_have_the_same_gradients():
    kept, undone = chain(), chain()
    undone.load_state_dict(kept.state_dict())
    undone.memory = "constant"
    x = torch.randn(2, 16, 4, 4)
    for layers in (kept, undone):
        layers(x).square().sum().backward()
    for one, other in zip(kept.parameters(), undone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4)


def test_residuals_and_averages_keep_the_group():
    inner = nn.Sequential(conv(), dx.symmetry.Pointwise(REGULAR, ReLU()))
    for module in (dx.Residual(inner, scale=0.5), dx.Average([inner, inner])):
        module = module.double()
        check_equivariant(module, image_of(symmetry_of(module)), symmetry_of(module))


def test_features_of_another_type_in_between_end_the_claim():
    module = nn.Sequential(conv(REGULAR, REGULAR), conv(Feature(C4, [0, 2, 1, "regular"]), REGULAR))
    claims = claims_of(module)
    assert claims.find(Equivariant) is None


def test_a_plain_layer_in_between_is_named():
    claims = claims_of(nn.Sequential(conv(), nn.ReLU(), conv()))
    assert claims.find(Equivariant) is None
    assert any(gap.path == "1" and "Equivariant" in gap.reason for gap in claims.gaps)
