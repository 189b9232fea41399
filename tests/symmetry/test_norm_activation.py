"""The activation that shortens fields: values, derivatives, energies, refusals."""

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from darboux.activations import Activation
from darboux.deploy import freeze
from darboux.structure import Averaged, Equivariant, Lipschitz
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.testing import LIFECYCLE
from tests.lifecycles import lifecycle_cases

MIXED = Feature(SO2(), ["0", "0", "1", "2", "0", "3"])
FEATURES = {
    "one-run": Feature(SO2(), ["1", "2"]),
    "mixed": MIXED,
    "regular": Feature(Dihedral(4), ["regular", "trivial"]),
}


def _activation(feature=MIXED, bias=-0.6):
    """With different biases."""
    activation = NormActivation(feature, bias=bias).double()
    with torch.no_grad():
        activation.raw += torch.linspace(-0.5, 0.5, len(activation.raw), dtype=torch.float64)
    return activation


def _slow(activation, x):
    """Field by field and by the formula, with no care for zeros."""
    parts = zip(x.split(list(activation.feature.sizes), dim=1), activation.bias, strict=True)
    found = []
    for part, b in parts:
        size = part.norm(dim=1, keepdim=True)
        found.append((size + b).clamp(min=0) * part / size)
    return torch.cat(found, dim=1)


@pytest.mark.parametrize("space", [(), (3, 4)], ids=str)
@pytest.mark.parametrize("name", FEATURES)
def test_values_and_gradients_are_those_of_the_formula(name, space):
    activation = _activation(FEATURES[name])
    x = torch.randn(5, FEATURES[name].channels, *space, dtype=torch.float64, requires_grad=True)
    w = torch.randn_like(x)
    inputs = (x, activation.raw)
    fast, slow = activation(x), _slow(activation, x)
    torch.testing.assert_close(fast, slow, rtol=1e-14, atol=1e-14)
    assert bool((fast == 0).any())
    assert bool((fast != 0).any())
    found = torch.autograd.grad((fast * w).sum(), inputs)
    wanted = torch.autograd.grad((slow * w).sum(), inputs)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", FEATURES)
def test_first_and_second_derivatives_in_both_modes(name):
    activation = _activation(FEATURES[name])
    x = 2 * torch.randn(2, FEATURES[name].channels, dtype=torch.float64, requires_grad=True)

    def function(x, raw):
        return functional_call(activation, {"raw": raw}, (x,))

    inputs = (x, activation.raw.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(function, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_hessians_by_every_nesting():
    activation = _activation().requires_grad_(requires_grad=False)
    x = 2 * torch.randn(MIXED.channels, dtype=torch.float64)

    def energy(z):
        return activation.antiderivative(z[None]).sum()

    def value(z):
        return activation(z[None])[0]

    wanted = jacrev(value)(x)
    torch.testing.assert_close(jacfwd(value)(x), wanted)
    torch.testing.assert_close(hessian(energy)(x), wanted)
    torch.testing.assert_close(jacrev(grad(energy))(x), wanted)
    torch.testing.assert_close(wanted, wanted.T)
    values = torch.linalg.eigvalsh(wanted)
    lower, upper = activation.slopes()
    assert lower - 1e-12 <= float(values[0])
    assert float(values[-1]) <= upper + 1e-12


def test_vmap_over_samples_parameters_and_directions():
    activation = _activation()
    x = torch.randn(4, MIXED.channels, 3, 2, dtype=torch.float64)
    raws = activation.raw.detach() + torch.randn(6, 1, dtype=torch.float64)

    def function(raw, z):
        return functional_call(activation, {"raw": raw}, (z,))

    wanted = torch.stack([function(raw, x) for raw in raws])
    torch.testing.assert_close(vmap(function, in_dims=(0, None))(raws, x), wanted)

    def loss(raw, z):
        return function(raw, z[None]).pow(3).sum()

    found = vmap(grad(loss, argnums=(0, 1)), in_dims=(None, 0))(raws[0], x)
    for k in range(len(x)):
        one = grad(loss, argnums=(0, 1))(raws[0], x[k])
        torch.testing.assert_close(found[0][k], one[0])
        torch.testing.assert_close(found[1][k], one[1])
    us = torch.randn(5, *x.shape, dtype=torch.float64)
    pushed = vmap(lambda u: jvp(activation, (x,), (u,))[1])(us)
    torch.testing.assert_close(pushed[2], jvp(activation, (x,), (us[2],))[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_derivatives_at_zero_are_zero(dtype):
    activation = NormActivation(MIXED).to(dtype)
    x = torch.zeros(2, MIXED.channels, dtype=dtype, requires_grad=True)
    y = activation(x)
    assert bool((y == 0).all())
    gradients = torch.autograd.grad(y.sum(), (x, activation.raw), create_graph=True)
    assert all(bool((g == 0).all()) for g in gradients)
    (second,) = torch.autograd.grad(gradients[0].sum() + gradients[1].sum(), x)
    assert bool((second == 0).all())
    _, tangent = jvp(activation, (x.detach(),), (torch.ones_like(x),))
    assert bool((tangent == 0).all())


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e15, 1e30])
@pytest.mark.parametrize("raw", [-200.0, 0.0, 50.0])
def test_extreme_numbers_stay_finite(scale, raw):
    activation = NormActivation(MIXED)
    torch.nn.init.constant_(activation.raw, raw)
    x = (scale * torch.randn(3, MIXED.channels)).requires_grad_()
    y = activation(x)
    found = (y, *torch.autograd.grad(y.sum(), (x, activation.raw)))
    assert all(bool(t.isfinite().all()) for t in found)
    assert bool((y.abs() <= x.abs() * (1 + 1e-6)).all())
    if raw == -200 and scale > 1e-16:  # the identity
        torch.testing.assert_close(y, x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_computes_norms_in_single(dtype):
    activation = NormActivation(MIXED)
    x = (300 * torch.randn(2, MIXED.channels)).to(dtype).requires_grad_()
    y = activation(x)  # squares overflow in float16
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.dtype == gradient.dtype == dtype
    wanted = activation(x.detach().float())
    torch.testing.assert_close(y.float(), wanted, rtol=4 * torch.finfo(dtype).eps, atol=0)
    assert activation.antiderivative(x.float() / 300).dtype == torch.float32


def test_antiderivative_keeps_its_shape_and_is_the_potential():
    activation = _activation()
    x = torch.randn(3, MIXED.channels, 4, 2, dtype=torch.float64, requires_grad=True)
    energy = activation.antiderivative(x)
    assert energy.shape == x.shape
    assert bool((energy[:, [3, 5, 8]] == 0).all())
    (gradient,) = torch.autograd.grad(energy.sum(), x)
    torch.testing.assert_close(gradient, activation(x), rtol=1e-13, atol=1e-13)


def test_is_the_proximal_map_of_the_norms():
    """The prox of λ‖·‖ minimises λ‖y‖ + ‖y - x‖²/2: no other point is better."""
    activation = _activation(Feature(SO2(), ["1"]))
    x = torch.randn(50, 2, dtype=torch.float64)
    y = activation(x).detach()

    def objective(z):
        return -activation.bias.detach() * z.norm(dim=1) + 0.5 * (z - x).square().sum(1)

    for scale in (1e-3, 1e-1, 1.0):
        other = y + scale * torch.randn_like(y)
        assert bool((objective(other) >= objective(y)).all())


def test_claims_and_what_it_commutes_with():
    activation = _activation()
    claims = activation.claims()
    assert claims.find(Averaged).structure == Averaged(0.5)
    assert claims.find(Lipschitz).structure.constant == 1
    found = claims.find(Equivariant).structure
    assert found == Equivariant(SO2(), MIXED, MIXED, translations=(1, 1))


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 30.0])
def test_is_firmly_nonexpansive(scale):
    """‖2σ(x) - 2σ(y) - (x - y)‖ <= ‖x - y‖ says the same as averaged with α = ½."""
    activation = _activation()
    x = scale * torch.randn(400, MIXED.channels, dtype=torch.float64)
    for gap in (1e-3, 1.0):
        y = x + gap * scale * torch.randn_like(x)
        moved = (2 * (activation(x) - activation(y)) - (x - y)).detach().norm(dim=1)
        assert bool((moved <= (x - y).norm(dim=1) * (1 + 1e-9)).all())


def test_commutes_and_tie():
    activation = NormActivation(Feature(SO2(), ["1", "2", "0"]))
    assert isinstance(activation, Activation)
    assert activation.conservative
    assert not activation.separable
    assert activation.commutes(Feature(O2(), ["3", "1", "0-"]))
    assert activation.commutes(Feature(Cyclic(2), ["1"] * 5))  # finer
    assert not activation.commutes(Feature(SO2(), ["0", "2", "1"]))
    assert not activation.commutes(Feature(Cyclic(5), ["regular"]))  # coarser
    assert not activation.commutes(Feature(SO2(), ["1"]))
    rows = torch.tensor([1.0, 3.0, 5.0, 4.0, 2.0])
    assert activation.tie(rows).tolist() == [3, 3, 5, 5, 2]


@pytest.mark.parametrize("group", [Cyclic(4), Cyclic(8), Dihedral(4), SO2(), O2()], ids=str)
@pytest.mark.parametrize(
    ("dtype", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=str
)
def test_equivariance_on_vectors_and_images(group, dtype, allowed):
    feature = Feature(group, [*group.irreps(2), *group.irreps(1)])
    activation = NormActivation(feature, bias=-0.5).to(dtype)
    for size in ((), (6, 6), (7, 7), (6, 7)):
        x = torch.randn(2, feature.channels, *size, dtype=dtype)
        for g in feature.elements(x, grid=True, count=12, seed=0):
            gap = activation(feature.act(g, x)) - feature.act(g, activation(x))
            assert float(gap.detach().abs().max()) <= allowed


@pytest.mark.parametrize("bias", [0.0, 0.3, float("nan"), -float("inf")])
def test_refuses_biases_that_are_not_negative(bias):
    with pytest.raises(ValueError, match="expected bias to be a negative number"):
        NormActivation(MIXED, bias=bias)


@pytest.mark.parametrize("bias", [-1e-4, -0.1, -3.0, -40.0])
def test_starts_with_the_given_bias(bias):
    found = NormActivation(MIXED, bias=bias).bias.detach()
    torch.testing.assert_close(found, torch.full_like(found, bias), rtol=1e-5, atol=0)


def test_refuses_other_channels():
    with pytest.raises(ValueError, match="Expected 9 channels"):
        NormActivation(MIXED)(torch.zeros(1, 8))


BUILD = {
    name: lambda feature=feature: NormActivation(feature, bias=-0.5)
    for name, feature in FEATURES.items()
}


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(BUILD))
def test_lifecycle(name, check):
    LIFECYCLE[check](BUILD[name], torch.randn(3, FEATURES[name].channels, 4, 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_not_one_bit_differs_without_derivatives(dtype):
    feature = Feature(SO2(), ["0", "1", "1", "0"])
    activation = NormActivation(feature, bias=-0.5)
    x = torch.randn(3, feature.channels, 4, 5).to(dtype)
    x[0, :, 0, 0], x[0, :, 0, 1], x[0, :, 0, 2] = 0.0, torch.inf, torch.nan
    expected = activation(x.clone().requires_grad_()).detach()
    with torch.no_grad():
        torch.testing.assert_close(activation(x), expected, rtol=0, atol=0, equal_nan=True)
        frozen = freeze(activation)(x)
    torch.testing.assert_close(frozen, expected, rtol=0, atol=0, equal_nan=True)
    mapped = vmap(freeze(activation))(x.unsqueeze(1))
    torch.testing.assert_close(mapped.squeeze(1), expected, equal_nan=True)
