"""Pooling over the group and over pixels, and batch normalisation of fields."""

import pytest
import torch

from darboux.structure import Equivariant, Lipschitz
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.testing import LIFECYCLE
from tests.lifecycles import lifecycle_cases

GROUPS = {"C4": Cyclic(4), "C8": Cyclic(8), "D4": Dihedral(4), "SO2": SO2(), "O2": O2()}
DTYPES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]


def _feature(group):
    fields = [*group.irreps(2), *group.irreps(1)]
    return Feature(group, fields if group.order is None else ["regular", *fields])


def _pool(group, how):
    if how == "norm":
        return GroupPooling(_feature(group), how=how)
    kinds = {"max": "regular", "mean": "regular"}
    fields = ["trivial", kinds[how], "trivial"] if group.order else ["trivial"]
    return GroupPooling(Feature(group, fields), how=how)


def _norm(group, *, steps=2):
    """With running statistics and parameters that differ from those at the start."""
    norm = FieldNorm(_feature(group), momentum=0.5)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter, mean=1.0, std=0.5)
    for _ in range(steps):
        norm(1 + 2 * torch.randn(4, norm.feature.channels, 3, 3))
    return norm


def _gap(module, source, target, x):
    elements = source.elements(x, grid=True, count=12, seed=0)
    with torch.no_grad():
        gaps = [module(source.act(g, x)) - target.act(g, module(x)) for g in elements]
    return max(float(gap.abs().max()) for gap in gaps)


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES, ids=str)
@pytest.mark.parametrize("how", ["max", "norm", "mean"])
@pytest.mark.parametrize("name", GROUPS)
def test_group_pooling_is_equivariant(name, how, dtype, allowed):
    pool = _pool(GROUPS[name], how)
    for size in ((), (6, 6), (7, 7), (6, 7)):
        x = torch.randn(2, pool.source.channels, *size, dtype=dtype)
        assert pool(x).shape == (2, len(pool.source.fields), *size)
        assert _gap(pool, pool.source, pool.target, x) <= allowed


@pytest.mark.parametrize("how", ["max", "norm", "mean"])
def test_group_pooling_is_nonexpansive_and_says_so(how):
    pool = _pool(Dihedral(4), how)
    assert pool.claims().find(Lipschitz).structure.constant == 1
    found = pool.claims().find(Equivariant).structure
    assert (found.source, found.target) == (pool.source, pool.target)
    x, y = torch.randn(2, 500, pool.source.channels, dtype=torch.float64)
    ratio = (pool(x) - pool(y)).norm(dim=1) / (x - y).norm(dim=1)
    assert float(ratio.max()) <= 1
    assert float(ratio.max()) > 0.5


def test_group_pooling_values():
    feature = Feature(Cyclic(4), ["regular", "regular"])
    x = torch.tensor([[1.0, 5.0, -2.0, 0.0, -1.0, -1.0, -1.0, -1.0]])
    assert GroupPooling(feature, how="max")(x).tolist() == [[5, -1]]
    torch.testing.assert_close(GroupPooling(feature, how="mean")(x).abs(), torch.tensor([[2.0, 2]]))
    expected = torch.tensor([[30**0.5, 2.0]])
    torch.testing.assert_close(GroupPooling(feature, how="norm")(x), expected)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_norms_of_extreme_fields(scale):
    pool = GroupPooling(Feature(SO2(), ["1"]), how="norm")
    x = torch.tensor([[3.0, 4.0]]).mul(scale).requires_grad_()
    y = pool(x)
    torch.testing.assert_close(y, torch.tensor([[5 * scale]]))
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    wanted = torch.tensor([[0.6, 0.8]]) if scale else torch.zeros(1, 2)
    torch.testing.assert_close(gradient.detach(), wanted)


def test_norms_have_the_derivatives_of_norms():
    pool = GroupPooling(Feature(SO2(), ["1", "0", "2"]), how="norm")
    x = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pool, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(pool, (x,))


def test_group_pooling_refuses():
    with pytest.raises(ValueError, match="mixes them, so their maximum is not kept"):
        GroupPooling(Feature(SO2(), ["trivial", "1"]))
    with pytest.raises(ValueError, match="one invariant vector for how='mean'"):
        GroupPooling(Feature(SO2(), ["1"]), how="mean")
    with pytest.raises(
        ValueError, match="expected how to be 'max' or 'norm' or 'mean'; got 'median'"
    ):
        GroupPooling(Feature(SO2(), ["1"]), how="median")


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES, ids=str)
@pytest.mark.parametrize("name", GROUPS)
def test_space_pooling_is_equivariant(name, dtype, allowed):
    feature = _feature(GROUPS[name])
    pool = SpacePooling(feature)
    for size in ((6, 6), (7, 7), (6, 7)):
        x = torch.randn(2, feature.channels, *size, dtype=dtype)
        assert _gap(pool, feature, feature, x) <= allowed
        torch.testing.assert_close(pool(x.roll(2, 3)), pool(x))
        assert float(pool(x).norm()) <= float(x.norm())


def test_space_pooling_refuses_vectors_and_says_what_holds():
    pool = SpacePooling(Feature(Cyclic(4), ["trivial"]))
    with pytest.raises(ValueError, match="expected images"):
        pool(torch.zeros(1, 1))
    assert pool.claims().find(Lipschitz).structure.constant == 1
    assert pool.claims().find(Equivariant).structure.grid


@pytest.mark.parametrize(("dtype", "allowed"), DTYPES, ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", GROUPS)
def test_field_norm_is_equivariant(name, training, dtype, allowed):
    norm = _norm(GROUPS[name]).to(dtype).train(training)
    for size in ((), (6, 6), (7, 7), (6, 7)):
        x = 1 + torch.randn(3, norm.feature.channels, *size, dtype=dtype)
        assert _gap(norm, norm.feature, norm.feature, x) <= allowed * 20


def test_field_norm_normalises():
    feature = Feature(Dihedral(4), ["trivial", "regular", "1"])
    norm = FieldNorm(feature).double()
    x = 3 + 5 * torch.randn(200, feature.channels, 2, 2, dtype=torch.float64)
    y = norm(x).detach()
    assert float((feature.invariants().T @ y.mean((0, 2, 3))).abs().max()) < 1e-12
    for part in y.split(list(feature.sizes), dim=1):
        assert abs(float(part.square().mean()) - 1) < 1e-5
    plain = torch.nn.BatchNorm2d(1, affine=False).double()
    torch.testing.assert_close(y[:, :1], plain(x[:, :1]))


def test_field_norm_is_batch_norm_for_scalars():
    feature = Feature(Cyclic(4), ["trivial"] * 3)
    norm, plain = FieldNorm(feature), torch.nn.BatchNorm2d(3)
    for _ in range(3):
        x = 1 + 2 * torch.randn(4, 3, 5, 5)
        torch.testing.assert_close(norm(x), plain(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    x = torch.randn(4, 3, 5, 5)
    close = {"rtol": 1e-2, "atol": 1e-2}  # torch keeps the unbiased variance
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x), **close)


def test_field_norm_keeps_small_spreads_beside_large_means():
    norm = FieldNorm(Feature(SO2(), ["0"]))
    x = 1e3 + torch.randn(500, 1)
    y = norm(x).detach()
    assert abs(float(y.square().mean()) - 1) < 1e-2


def test_field_norm_claims():
    norm = _norm(Dihedral(4)).double()
    claims = norm.claims()
    assert claims.find(Lipschitz) is None
    assert "whole batch" in claims.gaps[0].reason
    assert claims.find(Equivariant) is not None
    bound = norm.eval().claims().find(Lipschitz).structure.constant
    x, y = torch.randn(2, 400, norm.feature.channels, dtype=torch.float64)
    ratio = float(((norm(x) - norm(y)).norm(dim=1) / (x - y).norm(dim=1)).max().detach())
    assert ratio <= bound
    matrix = torch.func.jacrev(lambda z: norm(z[None])[0])(x[0])
    assert abs(float(torch.linalg.matrix_norm(matrix.detach(), 2)) - bound) <= 1e-6 * bound


def test_field_norm_learns_from_its_batch():
    norm = FieldNorm(Feature(SO2(), ["0", "1"])).double()
    x = torch.randn(3, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, (x,))
    torch.autograd.grad(norm(x).square().sum(), list(norm.parameters()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 0.0}, "a number above 0, up to 1; got 0.0"),
        ({"eps": 0.0}, "expected eps to be a positive finite number"),
    ],
    ids=["momentum", "eps"],
)
def test_field_norm_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        FieldNorm(Feature(SO2(), ["1"]), **options)


BUILD = {
    "max": lambda: _pool(Dihedral(4), "max"),
    "norm": lambda: _pool(SO2(), "norm"),
    "mean": lambda: _pool(Cyclic(8), "mean"),
    "space": lambda: SpacePooling(_feature(O2())),
}


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(BUILD))
def test_lifecycle_of_poolings(name, check):
    build = BUILD[name]
    channels = getattr(build(), "source", _feature(O2())).channels
    LIFECYCLE[check](build, torch.randn(3, channels, 4, 5))


@pytest.mark.parametrize("check", [c for c in LIFECYCLE if c != "train_equals_eval"])
def test_lifecycle_of_field_norm_in_evaluation(check):
    channels = _feature(Dihedral(4)).channels

    def build():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return _norm(Dihedral(4)).eval()

    LIFECYCLE[check](build, torch.randn(3, channels, 4, 5))


@pytest.mark.parametrize("check", ["gradients", "state_dict", "deepcopy", "dtypes", "compile"])
def test_lifecycle_of_field_norm_in_training(check):
    feature = _feature(Dihedral(4))
    LIFECYCLE[check](lambda: FieldNorm(feature), torch.randn(3, feature.channels, 4, 5))
