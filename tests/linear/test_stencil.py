"""The algebra of stencils, against explicit matrices."""

import itertools

import pytest
import torch

from darboux.linear import Stencil
from darboux.linear._stencil import stacked

SIZES = {1: [(1,), (2,), (5,)], 2: [(1, 1), (2, 5)], 3: [(1, 2, 3)]}
KERNELS = [((3,), (2,)), ((4,), (1,)), ((2, 3), (3, 3)), ((1, 4), (2, 1)), ((2, 1, 3), (3, 2, 2))]


def _stencil(kernel, padding, outputs=2, inputs=2, shift=0):
    origin = tuple(min(0, max(1 - k, -((k - 1) // 2) + shift)) for k in kernel)
    return Stencil(torch.randn(outputs, inputs, *kernel, dtype=torch.float64), origin, padding)


def _matrix(stencil, size):
    """The matrix, entry by entry from the definition."""
    outputs, inputs = stencil.weight.shape[:2]
    points = list(itertools.product(*map(range, size)))
    place = {point: index for index, point in enumerate(points)}
    taps = list(itertools.product(*map(range, stencil.kernel_size)))
    matrix = torch.zeros(outputs, len(points), inputs, len(points), dtype=torch.float64)
    for point in points:
        for tap in taps:
            source = tuple(p + o + t for p, o, t in zip(point, stencil.origin, tap, strict=True))
            if stencil.padding_mode == "circular":
                source = tuple(s % n for s, n in zip(source, size, strict=True))
            if source in place:
                matrix[:, place[point], :, place[source]] += stencil.weight[(..., *tap)]
    return matrix.reshape(outputs * len(points), -1)


def _applied(stencil, size):
    count = stencil.weight.shape[1] * torch.Size(size).numel()
    basis = torch.eye(count, dtype=torch.float64).reshape(count, -1, *size)
    return stencil.apply(basis).reshape(count, -1).T


@pytest.fixture(params=["circular", "zeros"])
def padding(request):
    return request.param


@pytest.fixture(params=KERNELS, ids=str)
def kernels(request):
    return request.param


def test_apply(kernels, padding):
    for shift in (-1, 0, 1):
        stencil = _stencil(kernels[0], padding, 3, 2, shift)
        for size in SIZES[stencil.dim]:
            torch.testing.assert_close(_applied(stencil, size), _matrix(stencil, size))


def test_adjoint(kernels, padding):
    stencil = _stencil(kernels[0], padding, 3, 2)
    for size in SIZES[stencil.dim]:
        torch.testing.assert_close(_applied(stencil.adjoint(), size), _matrix(stencil, size).T)


def test_sum_and_identity(kernels, padding):
    one, two = (_stencil(kernel, padding) for kernel in kernels)
    total = one.plus(two.scaled(-2.0)).minus(two).plus_identity(0.5)
    for size in SIZES[one.dim]:
        expected = _matrix(one, size) - 3 * _matrix(two, size)
        expected += 0.5 * torch.eye(len(expected), dtype=torch.float64)
        torch.testing.assert_close(_applied(total, size), expected)


def test_scaled_rows(padding):
    stencil, scale = _stencil((3,), padding, 3, 2), torch.tensor([1.0, -2.0, 0.5])
    torch.testing.assert_close(
        _matrix(stencil.scaled_rows(scale), (4,)),
        scale.double().repeat_interleave(4)[:, None] * _matrix(stencil, (4,)),
    )


def test_stack(kernels, padding):
    one, two = _stencil(kernels[0], padding), _stencil(kernels[1], padding, 3)
    for size in SIZES[one.dim]:
        expected = torch.cat([_matrix(one, size), _matrix(two, size)])
        torch.testing.assert_close(_applied(stacked([one, two]), size), expected)


def test_product_of_circular(kernels):
    one, two = _stencil(kernels[0], "circular", 2, 3), _stencil(kernels[1], "circular", 3, 1)
    for size in SIZES[one.dim]:
        expected = _matrix(one, size) @ _matrix(two, size)
        torch.testing.assert_close(_applied(one.after(two), size), expected)


def test_symbols_multiply(kernels):
    one, two = _stencil(kernels[0], "circular", 2, 3), _stencil(kernels[1], "circular", 3, 1)
    torch.testing.assert_close(one.after(two).symbol(5), one.symbol(5) @ two.symbol(5))
    torch.testing.assert_close(one.adjoint().symbol(5), one.symbol(5).mH)


def test_symbol_of_zero_padding_misses_the_border():
    # x(p+1) after x(p-1) is the identity on frequencies; a border loses a pixel.
    ahead = Stencil(torch.tensor([[[0.0, 1.0]]]), (0,), "zeros")
    behind = ahead.adjoint()
    difference = _matrix(ahead, (4,)) @ _matrix(behind, (4,)) - torch.eye(4, dtype=torch.float64)
    assert float(torch.linalg.svdvals(difference)[0]) == pytest.approx(1)
    with pytest.raises(TypeError, match="product with zero padding, which is no stencil"):
        ahead.after(behind)


def test_long_kernels_keep_their_phases():
    weight = torch.zeros(1, 1, 4001, dtype=torch.float64)
    weight[..., -1] = 1
    symbol = Stencil(weight, (-2000,), "circular").symbol(7).flatten()
    angle = 2 * torch.pi * torch.arange(7).double() * (2000 % 7) / 7
    expected = torch.polar(torch.ones(7).double(), angle)
    torch.testing.assert_close(symbol, expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("origin", [(1,), (-3,), (), (0, 0)], ids=str)
def test_refuses_an_origin_outside_the_kernel(origin):
    with pytest.raises(ValueError, match="Expected one origin o with -k < o <= 0"):
        Stencil(torch.ones(1, 1, 3), origin, "zeros")


def test_refuses_unknown_and_mixed_padding():
    with pytest.raises(ValueError, match="got 'reflect'"):
        Stencil(torch.ones(1, 1, 3), (-1,), "reflect")
    one, two = _stencil((3,), "zeros"), _stencil((3,), "circular")
    with pytest.raises(TypeError, match="Expected maps with equal padding"):
        one.plus(two)
