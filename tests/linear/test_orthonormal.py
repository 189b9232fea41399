"""Exponential and Cayley transform of low rank, against those of full matrices."""

import pytest
import torch
from torch.nn.utils import parametrize

from darboux.linear import Dense, LowRank, Orthogonal
from darboux.linear._orthonormal import (
    accurate,
    cayley_times,
    factor,
    rotated,
    rotated_cayley,
    rotated_exp,
)

SIZES = [(9, 3), (40, 5), (5, 4), (4, 4), (3, 1)]


def _frame(n, p, dtype=torch.float64):
    return torch.linalg.qr(torch.randn(n, p, dtype=dtype))[0]


def _full(x, b):
    return b @ x.mH - x @ b.mH


def _defect(weight):
    wide = weight.detach().double()
    eye = torch.eye(wide.shape[1], dtype=torch.float64)
    return float(torch.linalg.matrix_norm(wide.T @ wide - eye, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 30.0])
@pytest.mark.parametrize(("n", "p"), SIZES)
def test_low_rank_is_the_full_matrix(n, p, scale, dtype):
    x, v, u = _frame(n, p, dtype), *torch.randn(2, n, p, dtype=dtype)
    b = factor(x, scale * v / torch.linalg.matrix_norm(v))
    w, eye = _full(x, b), torch.eye(n, dtype=dtype)
    cayley = torch.linalg.solve(eye - w / 2, x + w @ x / 2)
    for found, wanted in (
        (rotated_exp(x, b), torch.linalg.matrix_exp(w) @ x),
        (rotated(x, b, u), torch.linalg.matrix_exp(w) @ u),
        (rotated_cayley(x, b), cayley),
    ):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-13 * u.abs().max())


def test_factor_gives_the_velocity():
    x = _frame(7, 3)
    v = torch.randn(7, 3, dtype=torch.float64)
    v = v - x @ (x.mT @ v + v.mT @ x) / 2
    torch.testing.assert_close(_full(x, factor(x, v)) @ x, v)


@pytest.mark.parametrize("function", [rotated_exp, rotated_cayley])
@pytest.mark.parametrize("scale", [0.0, 1.0])
@pytest.mark.parametrize(("n", "p"), [(5, 2), (4, 3)])
def test_two_derivatives(function, scale, n, p):
    x = _frame(n, p).requires_grad_()
    v = (scale * torch.randn(n, p, dtype=torch.float64)).requires_grad_()

    def moved(x, v):
        return function(x, factor(x, v))

    assert torch.autograd.gradcheck(moved, (x, v), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(moved, (x, v))


@pytest.mark.parametrize("size", [3, 150])
def test_cayley_of_skew_matrices(size):
    skew, x = torch.randn(2, size, size, dtype=torch.float64) / size
    skew = skew - skew.T
    eye = torch.eye(size, dtype=torch.float64)
    wanted = torch.linalg.solve(eye - skew / 2, x + skew @ x / 2)
    torch.testing.assert_close(cayley_times(skew, x), wanted)
    torch.testing.assert_close(torch.func.vmap(cayley_times)(skew[None], x[None])[0], wanted)


def test_cayley_of_skew_matrices_has_two_derivatives():
    raw, x = (torch.randn(3, k, dtype=torch.float64, requires_grad=True) for k in (3, 2))

    def moved(raw, x):
        return cayley_times(raw - raw.T, x)

    assert torch.autograd.gradcheck(moved, (raw, x), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(moved, (raw, x))


@pytest.mark.parametrize("map", ["exp", "cayley"])
@pytest.mark.parametrize("shape", [(300, 8), (8, 300), (24, 16), (64, 64)], ids=str)
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e3])
def test_float32_is_orthonormal_up_to_rounding(shape, scale, map):
    dense = Dense(shape[1], shape[0])
    parametrize.register_parametrization(dense, "weight", Orthogonal(map))
    raw = dense.parametrizations.weight.original
    assert raw.shape == shape
    with torch.no_grad():
        raw.normal_(std=scale)
    weight = dense.weight if shape[0] >= shape[1] else dense.weight.T
    assert _defect(weight) <= 1e-6


def test_half_precision_and_autocast():
    dense = Dense(4, 30)
    parametrize.register_parametrization(dense, "weight", Orthogonal("cayley"))
    with torch.no_grad():
        dense.parametrizations.weight.original.normal_()
    exact = dense.weight
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(dense.weight, exact)
    rounded = dense.to(torch.bfloat16).weight
    assert rounded.dtype == torch.bfloat16
    assert (rounded - exact).abs().max() < 0.02


def test_tall_matrices_need_no_square_ones():
    x = _frame(100_000, 2, torch.float32)
    v = torch.randn(100_000, 2).mul_(1e-3).requires_grad_()
    moved = accurate(lambda x, v: rotated_exp(x, factor(x, v)), x, v)
    moved.sum().backward()
    assert _defect(moved) <= 1e-6
    assert v.grad.isfinite().all()


def test_low_rank():
    dense = Dense(7, 5)
    before = dense.weight.detach().clone()
    parametrize.register_parametrization(dense, "weight", LowRank(3))
    values = torch.linalg.svdvals(before)
    torch.testing.assert_close(torch.linalg.svdvals(dense.weight)[:3], values[:3])
    assert torch.linalg.svdvals(dense.weight)[3:].max() < 1e-6
    dense.weight.square().sum().backward()
    dense.weight = target = torch.outer(torch.arange(5.0), torch.ones(7))
    torch.testing.assert_close(dense.weight, target)
    for wrong in (LowRank(6), LowRank(8)):
        with pytest.raises(ValueError, match=r"both sides of .* or more; got shape \(5, 7\)"):
            wrong.right_inverse(before)
