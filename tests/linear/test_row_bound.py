"""row_bound: a diagonal above A A*."""

import pytest
import torch

from darboux.linear import Conv, Dense, Stencil
from darboux.linear._gram import correlations, half_offsets, layered
from darboux.linear._rows import entry_bound, row_bound
from darboux.testing import check_row_bound, explicit_matrix

BOUNDS = [row_bound, entry_bound]
SHAPES = [(4, 3), (3, 2, 4), (2, 3, 3, 2), (3, 2, 2, 3), (2, 2, 3, 2, 1), (2, 1, 2, 2, 3)]


def _stencil(weight):
    return Stencil(weight, tuple(-((k - 1) // 2) for k in weight.shape[2:]), "circular")


def _slow_products(weight):
    """All R_ij(δ) by explicit loops over pairs of taps: {δ: (out, out)}."""
    flat, places = weight.flatten(2), torch.cartesian_prod(*map(torch.arange, weight.shape[2:]))
    places = places.reshape(flat.shape[2], -1)
    found = {}
    for s, one in enumerate(places):
        for t, other in enumerate(places):
            delta = tuple((one - other).tolist())
            product = flat[:, :, s] @ flat[:, :, t].T
            found[delta] = found.get(delta, 0) + product
    return found


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_autocorrelation_against_loops(shape):
    weight = torch.randn(shape, dtype=torch.float64)
    kernel = layered(weight)
    products = torch.cat(correlations(kernel, kernel))
    expected = _slow_products(weight)
    offsets = half_offsets(shape[2:]).tolist()
    for place, delta in enumerate(offsets):
        torch.testing.assert_close(products[place], expected[tuple(delta)])
    seen = {tuple(d) for d in offsets} | {tuple(-x for x in d) for d in offsets}
    assert seen == set(expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_is_the_absolute_row_sum(shape):
    weight = torch.randn(shape, dtype=torch.float64)
    if len(shape) == 2:
        expected = (weight @ weight.T).abs().sum(1)
    else:
        expected = sum(p.abs().sum(1) for p in _slow_products(weight).values())
    torch.testing.assert_close(row_bound(_stencil(weight)), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_entry_bound_is_the_row_sum_of_absolute_values(shape):
    weight = torch.randn(shape, dtype=torch.float64)
    sizes = weight.abs().reshape(*shape[:2], -1).sum(2)
    expected = (sizes @ sizes.T).sum(1)
    found = entry_bound(_stencil(weight))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    assert bool((found >= row_bound(_stencil(weight)) * (1 - 1e-12)).all())
    # of non-negative entries nothing is lost
    positive = _stencil(weight.abs())
    torch.testing.assert_close(entry_bound(positive), row_bound(positive), rtol=1e-10, atol=0)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_against_finite_differences(shape, bound):
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: bound(_stencil(w)), (weight,))
    assert torch.autograd.gradgradcheck(lambda w: bound(_stencil(w)), (weight,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_entry_bound_in_single_precision_is_above_the_exact_one(dtype):
    for shape in [(300, 200), (1, 5000), (5000, 1), (8, 8, 7, 7)]:
        weight = torch.randn(shape).to(dtype)
        exact = entry_bound(_stencil(weight.double()))
        found = entry_bound(_stencil(weight))
        assert found.dtype == torch.float64
        assert bool((found >= exact * (1 - 1e-10)).all())
        torch.testing.assert_close(found, exact, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["row_bound", "entry_bound"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("padding", ["circular", "zeros"])
def test_zero_rows_keep_the_inverse_and_its_gradient_finite(dtype, padding, method):
    conv = Conv(2, 3, kernel_size=3, dim=1, padding_mode=padding).to(dtype)
    with torch.no_grad():
        conv.weight[1:] = 0
    rows = getattr(conv, method)()
    assert bool((rows > 0).all())
    y = torch.randn(1, 3, 5).to(dtype)
    image = conv.scaled_adjoint(y, 1 / rows)
    gradient = torch.autograd.grad(image.float().sum(), conv.weight)[0]
    assert bool(image.isfinite().all())
    assert bool(gradient.isfinite().all())


def test_under_autocast_as_without():
    conv = Conv(8, 8, kernel_size=3, dim=2)
    expected = conv.row_bound()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(conv.row_bound(), expected)


@pytest.mark.parametrize("ratio", [1e-8, 1e8])
def test_badly_scaled_rows(ratio):
    dense = Dense(6, 4).double()
    with torch.no_grad():
        dense.weight[2] *= ratio
    matrix = explicit_matrix(dense)
    scale = dense.row_bound().detach().rsqrt()[:, None]
    assert float(torch.linalg.svdvals(scale * matrix)[0]) <= 1
    check_row_bound(dense)


def test_nearly_equal_rows():
    dense = Dense(5, 6).double()
    with torch.no_grad():  # A A* = 6 times a projection: T is attained
        dense.weight.copy_(dense.weight[:1].expand(6, 5))
    matrix = explicit_matrix(dense)
    scale = dense.row_bound().detach().rsqrt()[:, None]
    norm = float(torch.linalg.svdvals(scale * matrix)[0])
    assert norm == pytest.approx(1, abs=1e-6)
    check_row_bound(dense)
