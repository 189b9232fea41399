"""Invertible convolutions against their dense matrices."""

import pytest
import torch

from darboux.bijections import EmergingConv, PeriodicConv
from darboux.bijections._bijection import undo
from darboux.bijections._wavefronts import wavefronts
from darboux.structure import BiLipschitz, Kind
from darboux.testing import assert_close

EMERGING = [
    ((5,), (6,)),
    ((3, 3), (4, 5)),
    ((5, 1), (4, 3)),
    ((1, 3), (3, 3)),
    ((3, 3, 3), (3, 2, 3)),
]


def dense(function, shape):
    """The matrix of a linear map, in raster order of pixels, then of channels."""
    count = torch.Size(shape).numel()
    eye = torch.eye(count, dtype=torch.float64).reshape(count, *shape[1:], shape[0]).movedim(-1, 1)
    with torch.no_grad():
        return function(eye).movedim(1, -1).reshape(count, count).T


def randomised(layer, scale):
    layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
    return layer


@pytest.mark.parametrize(
    ("kernel", "size"),
    [
        ((3,), (7,)),
        ((4,), (6,)),
        ((2,), (1,)),
        ((9,), (4,)),
        ((3, 2), (4, 5)),
        ((3, 3, 2), (2, 3, 4)),
    ],
)
@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_periodic_bounds_hold_for_all_parameters_and_sizes(kernel, size, scale):
    layer = randomised(PeriodicConv(2, kernel_size=kernel, dim=len(kernel), norm=0.8), scale)
    matrix = dense(layer, (2, *size))
    values = torch.linalg.svdvals(matrix)
    claim = layer.claims().find(BiLipschitz)
    assert claim.kind is Kind.CONSTRUCTION
    assert claim.structure == BiLipschitz(1 - 0.8, 1.8)
    assert values[-1] >= 0.2
    assert values[0] <= 1.8
    _, log_det = layer.forward_and_log_det(torch.zeros(1, 2, *size, dtype=torch.float64))
    assert_close(log_det[0], torch.linalg.slogdet(matrix)[1], size=len(matrix), scale=1.0)
    assert_close(dense(layer.inverse, (2, *size)) @ matrix, torch.eye(len(matrix)).double(), c=64)


def test_periodic_kernels_within_the_bound_stay_as_they_are():
    layer = PeriodicConv(1, kernel_size=3, dim=1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[0.1, 0.2, 0.3]]], dtype=torch.float64))
    y = layer(torch.tensor([[[1.0, 0, 0, 0, 0]]], dtype=torch.float64))
    expected = torch.tensor([[[1.2, 0.1, 0, 0, 0.3]]], dtype=torch.float64)
    assert_close(y, expected)


def test_periodic_undo_bounds_the_kernel_once():
    layer, x = PeriodicConv(2, kernel_size=3, dim=1), torch.randn(2, 2, 5)
    calls = []
    layer.constraint.register_forward_hook(lambda *_: calls.append(1))
    undo(layer, x, x, torch.ones(2), list(layer.parameters()))
    assert len(calls) == 1


def test_emerging_factors_are_triangular_with_a_positive_diagonal():
    layer = randomised(EmergingConv(2, kernel_size=3, dim=2, floor=0.1), 0.3)
    first, second = (dense(s.apply, (2, 3, 4)) for s in layer._factors(layer.operator()))
    for factor in (first, second):
        assert torch.equal(factor, factor.tril())
    assert (first.diagonal() > 0.1).all()
    assert torch.equal(second.diagonal(), torch.ones(24, dtype=torch.float64))
    assert_close(dense(layer, (2, 3, 4)), second.T @ first)
    # All taps of the window are used: full is what the kernel sees, and not a tap less.
    assert int((first[12] != 0).sum()) == 4 * 2 + 1


@pytest.mark.parametrize(("kernel", "size"), EMERGING)
def test_emerging_inverse_is_that_of_the_matrix(kernel, size):
    layer = randomised(EmergingConv(2, kernel_size=kernel, dim=len(kernel)), 0.1)
    matrix = dense(layer, (2, *size))
    eye = torch.eye(len(matrix), dtype=torch.float64)
    assert_close(dense(layer.inverse, (2, *size)) @ matrix, eye, c=64)
    _, log_det = layer.forward_and_log_det(torch.zeros(1, 2, *size, dtype=torch.float64))
    assert_close(log_det[0], torch.linalg.slogdet(matrix)[1], size=len(matrix), scale=1.0)


@pytest.mark.parametrize(("kernel", "size"), EMERGING)
def test_emerging_bounds_hold(kernel, size):
    layer = randomised(EmergingConv(2, kernel_size=kernel, dim=len(kernel)), 0.01)
    values = torch.linalg.svdvals(dense(layer, (2, *size)))
    claims = layer.claims()
    bounds = claims.find(BiLipschitz).structure
    assert not claims.gaps
    assert 0 < bounds.lower <= values[-1]
    assert values[0] <= bounds.upper


def test_emerging_says_where_its_inverse_is_not_known_to_be_stable():
    layer = randomised(EmergingConv(2, kernel_size=3, dim=2), 2.0)
    claims = layer.claims()
    assert claims.find(BiLipschitz).structure.lower == 0
    assert "no lower bound" in claims.gaps[0].reason
    with torch.no_grad():
        layer.taps[0] = torch.nan
    assert "not finite" in layer.claims().gaps[0].reason


@pytest.mark.parametrize(
    ("kernel", "size", "fronts"),
    [((3,), (9,), 9), ((3, 3), (8, 8), 22), ((3, 3, 3), (4, 4, 4), 22)],
)
def test_fronts_are_few_and_hold_every_pixel_once(kernel, size, fronts):
    found = wavefronts(size, kernel)
    total = torch.Size(size).numel()
    assert len(found.sources) == fronts
    assert torch.equal(found.sources.flatten()[found.places], torch.arange(total))
    assert int((found.sources < total).sum()) == total


@pytest.mark.parametrize(
    "layer",
    [
        PeriodicConv(2, kernel_size=3, dim=1).double(),
        EmergingConv(2, kernel_size=3, dim=1).double(),
    ],
    ids=["periodic", "emerging"],
)
def test_inverses_are_differentiable(layer):
    names, values = zip(*layer.named_parameters(), strict=True)

    def inverse(y, *parameters):
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(
            Swapped(layer), {f"layer.{k}": named[k] for k in named}, y
        )

    y = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    parameters = [v.detach().requires_grad_() for v in values]
    assert torch.autograd.gradcheck(inverse, (y, *parameters))


class Swapped(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, y):
        x, log_det = self.layer.inverse_and_log_det(y)
        return x * (1 + log_det.reshape(-1, 1, 1))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            lambda: PeriodicConv(2, kernel_size=3, dim=2, norm=1.0),
            "norm .* between 0 and 1; got 1.0",
        ),
        (
            lambda: PeriodicConv(2, kernel_size=0, dim=2),
            "kernel_size to be an integer from 1 to 255",
        ),
        (lambda: EmergingConv(2, kernel_size=10**8, dim=2), "kernel_size to be an integer from 1"),
        (lambda: PeriodicConv(10**8, kernel_size=3, dim=2), r"a kernel of at most 2\^26 numbers"),
        (lambda: EmergingConv(10**8, kernel_size=3, dim=2), r"taps of at most 2\^26 numbers"),
        (
            lambda: PeriodicConv(2, kernel_size=(3, 3), dim=1),
            "kernel_size to be one number or 1 of them",
        ),
        (lambda: PeriodicConv(2, kernel_size=3, dim=4), "dim to be 1, 2 or 3"),
        (
            lambda: EmergingConv(2, kernel_size=4, dim=2),
            r"odd kernel sizes, not all 1; got \(4, 4\)",
        ),
        (lambda: EmergingConv(2, kernel_size=(3, 2), dim=2), "odd kernel sizes"),
        (lambda: EmergingConv(2, kernel_size=1, dim=2), "or LULinear for a kernel of one tap"),
        (lambda: EmergingConv(2, kernel_size=3, dim=2, floor=2.0), "floor .* between 0 and 1"),
    ],
)
def test_refuses_what_makes_no_convolution(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize("kind", [PeriodicConv, EmergingConv])
@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 5, 5), (2, 3, 5)])
@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_refuses_other_shapes(kind, shape, way):
    layer = kind(2, kernel_size=3, dim=1)
    with pytest.raises(ValueError, match=r"expected \(batch, 2, \*space\) with 1 spatial axes"):
        getattr(layer, way)(torch.ones(shape))
