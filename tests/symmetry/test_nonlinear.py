"""Pointwise, gated, Fourier and tensor-product activations."""

import math

import pytest
import torch

from darboux.activations import Clip, GroupSort, LeakyReLU, ReLU, Tanh
from darboux.structure import Averaged, Equivariant, Lipschitz
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.so3 import SO3
from darboux.symmetry._nonlinear.fourier import FourierActivation
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.sampling import band_limited, synthesis
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation, square_basis
from darboux.symmetry._representations.standard import irreducible
from darboux.testing import LIFECYCLE
from tests.lifecycles import lifecycle_cases

GROUPS = {"C4": Cyclic(4), "C8": Cyclic(8), "D4": Dihedral(4), "SO2": SO2(), "O2": O2()}
DTYPES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]


def _fields(group):
    return [*group.irreps(2), *group.irreps(1)]


def _pointwise(group):
    fields = ["trivial", "regular"] if group.order else ["trivial", "trivial"]
    return Pointwise(Feature(group, fields), ReLU())


def _gated(group):
    return GatedActivation(Feature(group, _fields(group)), activation=Tanh())


def _product(group):
    source = Feature(group, [*_fields(group), "1"])
    return TensorProductActivation(source, Feature(group, [*group.irreps(1), "1"]))


def _fourier(group):
    degree = 1 if group in (Cyclic(4), Dihedral(4)) else 2
    feature = Feature(group, 2 * band_limited(group, degree) + ["trivial"])
    return FourierActivation(feature, ReLU(), samples=8)


BUILD = {"pointwise": _pointwise, "gated": _gated, "product": _product, "fourier": _fourier}


def _laws(module):
    found = module.claims().find(Equivariant).structure
    return found.source, found.target


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES, ids=str)
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("kind", BUILD)
def test_is_equivariant_as_claimed(kind, name, dtype, allowed):
    module = BUILD[kind](GROUPS[name]).to(dtype)
    source, target = _laws(module)
    for size in ((), (6, 6), (7, 7), (6, 7)):
        x = torch.randn(2, source.channels, *size, dtype=dtype)
        for g in source.elements(x, grid=True, count=12, seed=0):
            gap = module(source.act(g, x)) - target.act(g, module(x))
            assert float(gap.detach().abs().max()) <= allowed * 4


def _seeded(kind, name):
    def build():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return BUILD[kind](GROUPS[name])

    return build


SEEDED = {f"{kind}-{name}": _seeded(kind, name) for kind in BUILD for name in ("SO2", "D4")}


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(SEEDED))
def test_lifecycle(name, check):
    build = SEEDED[name]
    LIFECYCLE[check](build, torch.randn(3, _laws(build())[0].channels, 4, 5))


@pytest.mark.parametrize("kind", BUILD)
def test_float64_is_exact_after_float32(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = BUILD[kind](O2()).float().double()
    source, target = _laws(module)
    x = torch.randn(2, source.channels, dtype=torch.float64)
    for g in source.elements(x, grid=False, count=8, seed=1):
        gap = module(source.act(g, x)) - target.act(g, module(x))
        assert float(gap.detach().abs().max()) <= 2e-13


def test_pointwise_is_the_activation():
    sigma = LeakyReLU(slope=0.3)
    x = torch.randn(2, 8, 4, 4)
    module = Pointwise(Feature(Dihedral(4), ["regular"]), sigma)
    assert torch.equal(module(x), sigma(x))
    assert module.claims().find(Averaged).structure == sigma.claims().find(Averaged).structure
    with pytest.raises(ValueError, match="Expected 8 channels"):
        module(x[:, :4])


def test_pointwise_takes_odd_functions_where_signs_change():
    feature = Feature(Dihedral(4), ["0-", "2+", "1"])
    module = Pointwise(feature, Tanh())
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    for g in Dihedral(4).elements():
        torch.testing.assert_close(module(feature.act(g, x)), feature.act(g, module(x)))
    assert Pointwise(feature, Clip()).claims().find(Equivariant) is not None


@pytest.mark.parametrize(
    ("feature", "sigma", "message"),
    [
        (Feature(SO2(), ["trivial", "1"]), ReLU(), "field 1, ψ1 of SO.2., which mixes its"),
        (Feature(Cyclic(8), ["1"]), Tanh(), "Use NormActivation"),
        (Feature(Dihedral(4), ["0-"]), ReLU(), "changes signs, which ReLU does not follow"),
        (Feature(Cyclic(4), ["regular"]), Clip(4, dim=2), "the same function on every channel"),
        (Feature(Cyclic(4), ["regular"]), GroupSort(), "acts on each entry alone"),
    ],
    ids=["mixes", "odd-mixes", "signs", "thresholds", "sorts"],
)
def test_pointwise_refuses(feature, sigma, message):
    with pytest.raises(ValueError, match=message):
        Pointwise(feature, sigma)


def test_pointwise_refuses_other_modules():
    with pytest.raises(TypeError, match="expected activation to be an Activation; got a Linear"):
        Pointwise(Feature(Cyclic(4), ["regular"]), torch.nn.Linear(4, 4))


def test_a_refused_pair_is_indeed_not_equivariant():
    """The control: ReLU on a vector field."""
    feature, x = Feature(SO2(), ["1"]), torch.tensor([[1.0, 0.5]])
    gap = feature.act(2.0, x).relu() - feature.act(2.0, x.relu())
    assert float(gap.abs().max()) > 0.1


def test_gated_values_and_types():
    feature = Feature(SO2(), ["1", "0", "2", "0"])
    gated = GatedActivation(feature)
    assert gated.source == Feature(SO2(), ["1", "0", "2", "0", "0", "0"])
    assert gated.target == feature
    x = torch.randn(3, 8, 2, 2)
    gates = x[:, 6:].sigmoid()
    wanted = [gates[:, :1] * x[:, :2], x[:, 2:3].relu(), gates[:, 1:] * x[:, 3:5], x[:, 5:6].relu()]
    torch.testing.assert_close(gated(x), torch.cat(wanted, dim=1))
    claims = gated.claims()
    assert claims.find(Lipschitz) is None
    assert "no global Lipschitz constant" in claims.gaps[0].reason


def test_gated_with_trivial_fields_alone_needs_no_gates():
    gated = GatedActivation(Feature(SO2(), ["0", "0"]))
    assert gated.source == gated.target
    assert gated(torch.tensor([[-1.0, 2.0]])).tolist() == [[0, 2]]
    with pytest.raises(ValueError, match="acts on each entry alone"):
        GatedActivation(Feature(SO2(), ["0"]), activation=GroupSort())


def test_products_are_quadratic_and_of_size_one():
    module = _product(O2()).double()
    x = torch.randn(4000, module.source.channels, dtype=torch.float64)
    y = module(x).detach()
    torch.testing.assert_close(module(-2 * x), 4 * y)
    assert 0.3 < float(y.square().mean()) < 3
    assert module.claims().find(Lipschitz) is None
    assert "quadratic" in module.claims().gaps[0].reason


def test_products_are_those_of_the_dense_formula():
    source, target = Feature(SO2(), ["1", "0", "1"]), Feature(SO2(), ["2", "0", "1", "0"])
    module = TensorProductActivation(source, target).double()
    x = torch.randn(source.channels, dtype=torch.float64)
    second = torch.func.hessian(lambda z: module(z[None])[0])(x)
    torch.testing.assert_close(0.5 * torch.einsum("oij,i,j->o", second, x, x), module(x[None])[0])
    assert bool((second[:, :2, 3:] == 0).all())  # fields 0 and 2 are no neighbours
    assert bool((second[:, :2, 2] != 0).any())
    assert bool((second[:, :2, :2] != 0).any())


def test_square_bases_hold_no_antisymmetric_map():
    """x ⊗ x of a plane vector has frequencies 0 and 2; the determinant of (x, x) is zero."""
    one = irreducible(O2(), "1")
    assert len(square_basis(one, irreducible(O2(), "0+"))) == 1
    assert len(square_basis(one, irreducible(O2(), "0-"))) == 0
    assert len(square_basis(one, irreducible(O2(), "2"))) == 1


def test_products_of_high_degree():
    """Degree 6 in full: 35 seconds, and refused in the end, by the null space of a constraint."""
    feature = Feature(SO3(), ["2", "4", "6"])
    product = TensorProductActivation(feature, feature).double()
    (g,) = SO3().sample(1, seed=0)
    x = torch.randn(3, feature.channels, dtype=torch.float64)
    gap = product(feature.act(g, x)) - feature.act(g, product(x))
    assert float(gap.detach().abs().max()) < 1e-12
    assert sum(weight.numel() for weight in product.parameters()) == 14


def test_products_refuse():
    with pytest.raises(ValueError, match="none reaches field kind 1"):
        TensorProductActivation(Feature(SO2(), ["1"]), Feature(SO2(), ["0", "1"]))
    with pytest.raises(ValueError, match="Expected features of one group"):
        TensorProductActivation(Feature(SO2(), ["1"]), Feature(O2(), ["1"]))
    regular = Feature(Dihedral(8), ["regular"])
    with pytest.raises(ValueError, match="got 256 maps with 4096 entries from regular"):
        TensorProductActivation(regular, regular)


@pytest.mark.parametrize("samples", [5, 7, 8, 12])
@pytest.mark.parametrize("group", [SO2(), O2(), Cyclic(6), Dihedral(6)], ids=str)
def test_synthesis_is_isometric_and_samples_are_permuted(group, samples):
    (field,) = band_limited(group, 2)
    matrix = synthesis(field, samples)
    eye = torch.eye(field.size, dtype=torch.float64)
    torch.testing.assert_close(matrix.T @ matrix, eye, rtol=0, atol=1e-14)
    sampled = FourierActivation(Feature(group, [field]), ReLU(), samples=samples).sampled
    for g in sampled.group.elements():
        moved = matrix @ sampled.matrix(g)
        # row by row, the values are the old ones in another place
        distance = torch.cdist(moved, matrix)
        assert float(distance.min(dim=1).values.max()) < 1e-12


def test_functions_on_the_circle_take_half_the_samples():
    content = Feature(O2(), ["0+", "1", "2"])
    field = band_limited(O2(), 2)[0]
    lines = type(field)(O2(), "circle", ("0+", "1", "2"), torch.eye(5, dtype=torch.float64))
    assert content.channels == lines.size
    assert synthesis(lines, 8).shape == (8, 5)
    assert synthesis(field, 8).shape == (16, 10)


def test_fourier_is_the_formula_and_exact_for_linear_functions():
    feature = Feature(SO2(), band_limited(SO2(), 2))
    x = torch.randn(3, 5, dtype=torch.float64)
    linear = FourierActivation(feature, LeakyReLU(slope=1.0), samples=5)
    torch.testing.assert_close(linear(x), x)
    module = FourierActivation(feature, ReLU(), samples=4 * 64)
    angles = torch.arange(256, dtype=torch.float64) * 2 * math.pi / 256
    rows = [torch.ones_like(angles)]
    for k in (1, 2):
        rows += [2**0.5 * torch.cos(k * angles), 2**0.5 * torch.sin(k * angles)]
    basis = torch.stack(rows, dim=1)
    torch.testing.assert_close(module(x), (x @ basis.T).relu() @ basis / 256)


def test_more_samples_are_nearer_to_all_rotations():
    feature = Feature(SO2(), band_limited(SO2(), 2))
    x = torch.randn(50, 5, dtype=torch.float64)
    errors = []
    for samples in (5, 20, 80):
        module = FourierActivation(feature, Tanh(), samples=samples)
        gap = module(feature.act(0.4, x)) - feature.act(0.4, module(x))
        errors.append(float(gap.abs().max()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_fourier_is_conservative_with_the_slopes_of_its_activation():
    module = _fourier(SO2()).double()
    x = torch.randn(module.feature.channels, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda z: module(z[None])[0])(x)
    torch.testing.assert_close(jacobian, jacobian.T, rtol=0, atol=1e-13)
    values = torch.linalg.eigvalsh(jacobian)
    assert float(values[0]) > -1e-12
    assert float(values[-1]) < 1 + 1e-12
    z = torch.randn(2, module.feature.channels, 3, 3, dtype=torch.float64, requires_grad=True)
    energy = module.antiderivative(z)
    assert energy.shape == z.shape
    (gradient,) = torch.autograd.grad(energy.sum(), z)
    torch.testing.assert_close(gradient, module(z), rtol=1e-12, atol=1e-12)


def test_fourier_claims_the_sampled_subgroup_alone():
    module = _fourier(SO2())
    assert module.conservative
    found = module.claims()
    assert found.find(Averaged).structure == Averaged(0.5)
    assert found.find(Equivariant).structure.group == Cyclic(8)
    assert "not all of SO(2)" in found.gaps[0].reason
    assert module.commutes(module.sampled)
    assert not module.commutes(module.feature)
    rows = torch.arange(11.0)
    assert module.tie(rows).tolist() == [4] * 5 + [9] * 5 + [10]
    whole = FourierActivation(Feature(Cyclic(4), band_limited(Cyclic(4), 1)), ReLU(), samples=8)
    assert whole.commutes(whole.feature)
    assert not whole.claims().gaps
    part = FourierActivation(Feature(Cyclic(8), band_limited(Cyclic(8), 1)), ReLU(), samples=12)
    assert part.sampled.group == Cyclic(4)


def test_fourier_refuses():
    feature = Feature(SO2(), band_limited(SO2(), 2))
    with pytest.raises(ValueError, match=r"samples >= 2K \+ 1 = 5"):
        FourierActivation(feature, ReLU(), samples=4)
    with pytest.raises(ValueError, match="acts on each entry alone"):
        FourierActivation(feature, GroupSort(), samples=8)
    with pytest.raises(ValueError, match="band-limited functions on C4: frequency 2 at most 0"):
        FourierActivation(Feature(Cyclic(4), ["regular"]), ReLU(), samples=8)
    twice = type(feature.fields[0])(SO2(), "twice", ("1", "1"), torch.eye(4, dtype=torch.float64))
    with pytest.raises(ValueError, match="frequency 1 at most 1 times"):
        FourierActivation(Feature(SO2(), [twice]), ReLU(), samples=8)
    with pytest.raises(ValueError, match="below n/2 = 2"):
        band_limited(Cyclic(4), 2)
