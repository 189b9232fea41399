"""Mixings of channels: what their matrices are, how far they can be trusted, what they refuse."""

import math

import pytest
import torch

from darboux.bijections import (
    ActNorm,
    GivensLinear,
    HouseholderLinear,
    LULinear,
    OrthogonalLinear,
    Permutation,
)
from darboux.structure import BiLipschitz, Isometric, Kind, LogDeterminant
from darboux.testing import assert_close, check_round_trip, check_undo
from tests.catalogue.bijections.linear_bijections import CASES, SHAPES

EYE = torch.eye(4, dtype=torch.float64)


def matrix_of(layer, features):
    """The matrix of a mixing, column by column."""
    return layer(torch.eye(features, dtype=torch.float64)).detach().T


def reflection(v):
    return torch.eye(len(v), dtype=v.dtype) - 2 * torch.outer(v, v) / (v @ v)


def test_lu_is_a_permuted_product_of_triangular_matrices():
    layer = LULinear(4, permutation=[2, 0, 3, 1], floor=0.25).double()
    lower = layer.weight.detach().tril(-1) + EYE
    diagonal = 0.25 + torch.nn.functional.softplus(layer.weight.detach().diagonal())
    upper = layer.weight.detach().triu(1) + torch.diag(diagonal)
    assert_close(matrix_of(layer, 4), (lower @ upper)[[2, 0, 3, 1]])
    assert_close(layer.inverse(layer(EYE)), EYE, c=64)
    assert_close(diagonal, torch.ones(4))  # where it starts, in float32


def test_lu_diagonal_stays_away_from_zero_for_all_parameters():
    layer = LULinear(3, floor=0.1).double()
    with torch.no_grad():
        layer.weight.diagonal().fill_(-1e6)
    _, log_det = layer.forward_and_log_det(torch.randn(2, 3, 5, dtype=torch.float64))
    assert_close(log_det, torch.full((2,), 15 * math.log(0.1), dtype=torch.float64))
    check_round_trip(layer, torch.randn(2, 3, 5, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lu_from_matrix_is_that_matrix(dtype):
    matrix = torch.randn(5, 5, dtype=dtype) + torch.diag(torch.tensor([0.0, 3, -3, 0, 3]).to(dtype))
    layer = LULinear.from_matrix(matrix)
    assert layer.weight.dtype == dtype
    assert_close(layer.matrix().detach(), matrix)
    _, log_det = layer.forward_and_log_det(torch.randn(1, 5, 2, dtype=dtype))
    assert_close(log_det[0], 2 * torch.linalg.slogdet(matrix)[1], c=64)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (torch.tensor([[1.0, 2.0], [2.0, 4.0]]), "got the smallest pivot 0"),
        (torch.diag(torch.tensor([1.0, 5e-4])), "smallest pivot 0.0005"),
        (torch.ones(2, 3), r"square matrix of real numbers; got shape \(2, 3\)"),
        (torch.ones(2, 2, dtype=torch.int64), "real numbers"),
        (torch.full((2, 2), torch.nan), "expected a finite matrix"),
    ],
)
def test_lu_refuses_matrices(matrix, words):
    with pytest.raises(ValueError, match=words):
        LULinear.from_matrix(matrix)


def test_lu_bounds_are_the_singular_values():
    layer = LULinear(6, floor=0.01)
    with torch.no_grad():
        layer.weight.add_(torch.randn(6, 6))
    claim = layer.claims().find(BiLipschitz)
    values = torch.linalg.svdvals(layer.double().matrix().detach())
    assert claim.kind is Kind.BOUND
    assert claim.structure.lower <= values[-1] <= claim.structure.lower * (1 + 1e-6)
    assert values[0] <= claim.structure.upper <= float(values[0]) * (1 + 1e-9)


def test_lu_says_why_there_are_no_bounds():
    layer = LULinear(2)
    with torch.no_grad():
        layer.weight[0, 1] = torch.inf
    claims = layer.claims()
    assert claims.find(BiLipschitz) is None
    assert "not finite" in claims.gaps[0].reason
    with torch.no_grad():
        layer.weight[0, 1] = 1e12
    assert layer.claims().find(BiLipschitz).structure.lower == 0
    assert "lost in rounding" in layer.claims().gaps[0].reason


@pytest.mark.parametrize("reflections", [1, 2, 4, 7])
def test_householder_is_the_product_of_reflections(reflections):
    layer = HouseholderLinear(5, reflections=reflections).double()
    expected = torch.eye(5, dtype=torch.float64)
    for v in layer.weight.detach():
        expected = expected @ reflection(v)
    assert_close(matrix_of(layer, 5), expected)
    assert_close(torch.linalg.det(matrix_of(layer, 5)).abs(), torch.ones(()).double())


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_householder_neither_underflows_nor_overflows(scale):
    layer = HouseholderLinear(4).double()
    before = matrix_of(layer, 4)
    with torch.no_grad():
        layer.weight.mul_(scale)
    assert_close(matrix_of(layer, 4), before)


def test_householder_skips_a_vector_that_is_zero():
    layer = HouseholderLinear(3, reflections=3).double()
    with torch.no_grad():
        layer.weight[1] = 0
    first, _, last = layer.weight.detach()
    assert_close(matrix_of(layer, 3), reflection(first) @ reflection(last))
    layer(torch.randn(2, 3, dtype=torch.float64)).square().mean().backward()
    assert layer.weight.grad.isfinite().all()


def test_few_reflections_are_applied_as_thin_factors():
    thin, square = HouseholderLinear(9, reflections=2), HouseholderLinear(9, reflections=5)
    assert [p.shape for p in thin.operator()] == [(2, 9), (2, 9)]
    assert [p.shape for p in square.operator()] == [(9, 9)]


@pytest.mark.parametrize("map", ["exp", "cayley"])
def test_orthogonal_stays_orthogonal_for_large_parameters(map):
    layer = OrthogonalLinear(4, map=map).double()
    with torch.no_grad():
        layer.weight.mul_(30)
    q = matrix_of(layer, 4)
    assert_close(q.T @ q, EYE, size=400)
    assert layer.claims().find(Isometric).kind is Kind.CONSTRUCTION


@pytest.mark.parametrize(("features", "layers"), [(2, 3), (4, 1), (4, 2), (4, 5), (5, 1), (5, 4)])
def test_givens_is_the_product_of_plane_rotations(features, layers):
    layer = GivensLinear(features, layers=layers).double()
    expected = torch.eye(features, dtype=torch.float64)
    for index, angles in enumerate(layer.angles.detach()):
        for k, angle in enumerate(angles):
            i, j = ((2 * k + index % 2 + step) % features for step in (0, 1))
            turn = torch.eye(features, dtype=torch.float64)
            turn[i, i] = turn[j, j] = angle.cos()
            turn[i, j], turn[j, i] = -angle.sin(), angle.sin()
            expected = turn @ expected
    assert_close(matrix_of(layer, features), expected, size=features * layers)


def test_permutation_puts_channels_in_order():
    x = torch.randn(2, 4, 3)
    assert torch.equal(Permutation([2, 0, 3, 1])(x), x[:, [2, 0, 3, 1]])
    assert torch.equal(Permutation.reverse(4)(x), x.flip(1))
    drawn = [Permutation.random(50, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(drawn[0].indices, drawn[1].indices)
    assert not torch.equal(drawn[0].indices, torch.arange(50))


def test_permutation_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    Permutation.random(50, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_actnorm_normalises_the_batch_it_is_given_and_only_when_asked():
    layer, x = ActNorm(3), torch.randn(40, 3, 5) * torch.tensor([[0.1], [2], [30]]) + 7
    assert torch.equal(layer(x), x)
    layer.initialise(x)
    y = layer(x).transpose(0, 1).flatten(1)
    assert_close(y.mean(dim=1), torch.zeros(3), scale=30.0)
    assert_close(y.std(dim=1, correction=0), torch.ones(3))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer(5 * x)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


@pytest.mark.parametrize(
    "x",
    [
        torch.cat([torch.randn(5, 1), torch.full((5, 1), 0.1)], dim=1),
        torch.randn(1, 2),
        torch.tensor([[0.0, 1.0], [1.0, torch.nan]]),
        torch.tensor([[0.0, 1.0], [1.0, torch.inf]]),
    ],
    ids=["constant", "single", "nan", "infinite"],
)
def test_actnorm_refuses_batches_without_statistics(x):
    layer = ActNorm(2)
    with pytest.raises(ValueError, match=r"channels \[.*1\] are constant, NaN or infinite"):
        layer.initialise(x)
    assert not layer.shift.any()
    assert not layer.log_scale.any()


def test_actnorm_bounds_are_its_scales():
    layer = ActNorm(2)
    with torch.no_grad():
        layer.log_scale.copy_(torch.tensor([2.0, -1.0]))
    bounds = layer.claims().find(BiLipschitz).structure
    assert bounds.lower == pytest.approx(math.exp(-1), rel=1e-12)
    assert bounds.upper == pytest.approx(math.exp(2), rel=1e-12)
    with torch.no_grad():
        layer.log_scale[0] = torch.nan
    assert layer.claims().find(BiLipschitz) is None


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: LULinear(0), "features to be a positive integer"),
        (lambda: LULinear(3, floor=0.0), "floor to be a number strictly between 0 and 1; got 0.0"),
        (lambda: LULinear(3, floor=1.0), "floor to be a number strictly between 0 and 1"),
        (lambda: LULinear(10**8), "a positive integer up to 32768, the side of a square matrix"),
        (lambda: LULinear(3, permutation=[0, 1]), "a permutation of 3; got 2 indices"),
        (lambda: LULinear(2, permutation=[1, 1]), r"every index from 0 to n-1 once; got \[1, 1\]"),
        (lambda: Permutation([1, 2]), "every index from 0"),
        (lambda: Permutation([]), "every index from 0"),
        (lambda: OrthogonalLinear(3, map="qr"), "expected map to be 'exp' or 'cayley'; got 'qr'"),
        (lambda: HouseholderLinear(3, reflections=0), "reflections to be a positive integer"),
        (lambda: GivensLinear(1), "features to be an integer from 2 to 32768; got 1"),
        (lambda: GivensLinear(3, layers=0), "layers to be a positive integer"),
        (lambda: ActNorm(0), "channels to be a positive integer"),
    ],
)
def test_refuses_what_makes_no_layer(build, words):
    with pytest.raises(ValueError, match=words):
        build()


LAYERS = {
    "lu": lambda: LULinear(3),
    "householder": lambda: HouseholderLinear(3),
    "orthogonal": lambda: OrthogonalLinear(3),
    "givens": lambda: GivensLinear(3),
    "permutation": lambda: Permutation([2, 0, 1]),
    "act-norm": lambda: ActNorm(3),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(2, 4), (3,), (2, 4, 3), (1, 3, 2, 2, 2, 2)])
@pytest.mark.parametrize(
    "way", ["forward", "inverse", "forward_and_log_det", "inverse_and_log_det"]
)
def test_refuses_other_shapes(name, shape, way):
    with pytest.raises(ValueError, match=r"expected \(batch, 3, \*space\) with 0 to 3 spatial"):
        getattr(LAYERS[name](), way)(torch.ones(shape))


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "permutation"])
def test_refuses_other_dtypes_without_autocast(name):
    with pytest.raises(TypeError, match=r"expected an input of dtype torch\.float32"):
        LAYERS[name]()(torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("name", LAYERS)
def test_way_back_is_exact_under_autocast(name):
    layer, x = LAYERS[name](), torch.randn(4, 3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, log_det = layer.forward_and_log_det(x)
        back, other = layer.inverse_and_log_det(y)
    assert y.dtype == back.dtype == torch.float32
    assert_close(back, x, size=64)
    assert_close(other, -log_det, scale=1.0)


@pytest.mark.parametrize("name", [name for name in CASES if SHAPES[name][1:]])
def test_bfloat16_rounds_only_results(name):
    layer, x = CASES[name](), torch.randn(2, *SHAPES[name]).bfloat16()
    with torch.no_grad():
        layer.bfloat16()
        y = layer(x)
        expected = layer.double()(x.double())
    assert y.dtype == torch.bfloat16
    assert_close(y, expected, size=1, c=1)


@pytest.mark.parametrize("name", ["lu", "householder", "orthogonal", "givens"])
def test_undo_of_frozen_parameters_gives_the_gradient_of_x_alone(name):
    layer = LAYERS[name]().double()
    check_undo(layer, torch.randn(2, 3, 4, dtype=torch.float64))
    layer.requires_grad_(requires_grad=False)
    check_undo(layer, torch.randn(2, 3, 4, dtype=torch.float64))


@pytest.mark.parametrize("name", LAYERS)
def test_log_determinants_are_claimed(name):
    assert LAYERS[name]().claims().find(LogDeterminant).kind is Kind.CONSTRUCTION
