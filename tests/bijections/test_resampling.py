"""Down- and upsampling: against plain convolutions, and exactly orthogonal."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from darboux.bijections import Haar, Inverse, LULinear, OrthogonalResampling, PixelShuffle
from darboux.structure import BiLipschitz, Invertible, Isometric, Kind, VolumePreserving
from darboux.testing import assert_close

MAPS = ["cayley", "exp", "householder"]
CONVOLUTIONS = [
    (F.conv1d, F.conv_transpose1d),
    (F.conv2d, F.conv_transpose2d),
    (F.conv3d, F.conv_transpose3d),
]
IMAGE = (4, 6, 2)


def image(dim, channels=3, dtype=torch.float64):
    return torch.randn(2, channels, *IMAGE[:dim], dtype=dtype)


def moved(layer, scale):
    layer.double()
    with torch.no_grad():
        layer.weight.add_(torch.randn_like(layer.weight) * scale)
    return layer


@pytest.mark.parametrize("stride", [2, 3])
def test_pixel_shuffle_is_that_of_torch(stride):
    x = torch.randn(2, 3, 6, 12)
    assert torch.equal(PixelShuffle(2, stride=stride)(x), F.pixel_unshuffle(x, stride))
    y = torch.randn(2, 2 * stride**2, 2, 3)
    assert torch.equal(PixelShuffle(2, stride=stride).inverse(y), F.pixel_shuffle(y, stride))


def test_pixel_shuffle_reads_blocks_in_raster_order():
    x = torch.randn(1, 2, 2, 6, 4)
    y = PixelShuffle(3, stride=(1, 3, 2))(x)
    for c, i, j in itertools.product(range(2), range(3), range(2)):
        assert torch.equal(y[:, 6 * c + 2 * i + j], x[:, c, :, i::3, j::2])


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_haar_is_averages_and_differences_axis_by_axis(dim):
    x = image(dim)
    y = Haar(dim)(x).reshape(2, 3, *(2,) * dim, *(n // 2 for n in IMAGE[:dim]))
    for detail in itertools.product((0, 1), repeat=dim):
        expected = x
        for axis, difference in enumerate(detail, start=2):
            even, odd = expected.unflatten(axis, (-1, 2)).unbind(axis + 1)
            expected = (even - odd if difference else even + odd) / 2**0.5
        assert_close(y[(slice(None), slice(None), *detail)], expected)


def test_haar_leaves_axes_of_stride_one():
    x = image(3)
    y = Haar(3, stride=(1, 2, 1))(x)
    assert_close(y[:, 0::2], (x[..., 0::2, :] + x[..., 1::2, :]) / 2**0.5)
    assert_close(y[:, 1::2], (x[..., 0::2, :] - x[..., 1::2, :]) / 2**0.5)


@pytest.mark.parametrize("map", MAPS)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_learned_resampling_starts_as_it_is_told(map, dim):
    x = image(dim)
    haar = OrthogonalResampling(3, dim=dim, map=map).double()
    assert_close(haar(x), Haar(dim)(x))
    plain = OrthogonalResampling(3, dim=dim, map=map, init="pixel-shuffle").double()
    assert_close(plain(x), PixelShuffle(dim)(x))
    odd = OrthogonalResampling(3, dim=1, stride=3, map=map, init="pixel-shuffle").double()
    long = torch.randn(1, 3, 9, dtype=torch.float64)
    assert_close(odd(long), PixelShuffle(1, stride=3)(long))


@pytest.mark.parametrize("map", MAPS)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_learned_resampling_is_a_strided_convolution_and_its_transpose(map, dim):
    layer, x = moved(OrthogonalResampling(3, dim=dim, map=map), 1.0), image(dim)
    convolution, transposed = CONVOLUTIONS[dim - 1]
    kernel = layer.kernel()
    y = convolution(x, kernel, stride=2, groups=3)
    assert_close(layer(x), y)
    assert_close(layer.inverse(y), transposed(y, kernel, stride=2, groups=3))
    assert not torch.allclose(y, Haar(dim)(x))  # it has learned something


@pytest.mark.parametrize("map", MAPS)
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_learned_resampling_is_orthogonal_for_all_parameters(map, scale):
    layer, x = moved(OrthogonalResampling(3, dim=2, map=map), scale), image(2)
    assert_close(layer(x).norm(), x.norm(), size=400)
    assert_close(layer.inverse(layer(x)), x, size=400)
    (matrix,) = layer.operator()
    eye = torch.eye(4, dtype=torch.float64).expand(3, 4, 4)
    assert_close(matrix @ matrix.mT, eye, size=400)


def test_paired_reflections_can_part():
    layer, x = OrthogonalResampling(2, dim=1, map="householder").double(), image(1, channels=2)
    layer(x)[:, 0].square().sum().backward()
    pairs = layer.weight.grad.unflatten(1, (-1, 2))
    assert (pairs[:, :, 0] != pairs[:, :, 1]).any()


def test_float32_reconstruction_is_as_good_as_rounding_allows():
    layer = OrthogonalResampling(3, dim=2)
    with torch.no_grad():
        layer.weight.add_(torch.randn_like(layer.weight))
    x = torch.randn(1, 3, 128, 128)
    error = (layer.inverse(layer(x)) - x).square().mean()
    assert error < 1e-13


@pytest.mark.parametrize(
    "layer",
    [PixelShuffle(2), Haar(2), OrthogonalResampling(3, dim=2)],
    ids=lambda m: type(m).__name__,
)
class TestEveryResampling:
    def test_refuses_sizes_that_are_not_divided(self, layer):
        with pytest.raises(ValueError, match=r"that \(2, 2\) divides; .* Pad it to \[6, 8\]"):
            layer(torch.ones(1, 3, 5, 8))

    def test_refuses_other_axes(self, layer):
        with pytest.raises(ValueError, match="with 2 spatial axes"):
            layer(torch.ones(1, 3, 4))
        with pytest.raises(ValueError, match="with 2 spatial axes"):
            layer.inverse(torch.ones(1, 12, 4))

    def test_refuses_channels_that_are_no_blocks(self, layer):
        with pytest.raises(ValueError, match="got shape"):
            layer.inverse(torch.ones(1, 6, 4, 4))

    def test_is_isometric_by_construction_and_so_is_its_inverse(self, layer):
        for claims in (layer.claims(), Inverse(layer).claims()):
            for family in (Isometric, VolumePreserving, BiLipschitz):
                assert claims.find(family).kind is Kind.CONSTRUCTION
            assert claims.find(BiLipschitz).structure == BiLipschitz(1.0, 1.0)

    def test_inverse_upsamples(self, layer):
        up, y = Inverse(layer), torch.randn(2, 12, 3, 2)
        assert up(y).shape == (2, 3, 6, 4)
        assert_close(up.inverse(up(y)), y)


def test_inverse_turns_bounds_and_log_determinants_round():
    layer = LULinear(3)
    bounds = layer.claims().find(BiLipschitz).structure
    turned = Inverse(layer).claims().find(BiLipschitz).structure
    assert turned.lower == pytest.approx(1 / bounds.upper, rel=1e-15)
    assert turned.upper == pytest.approx(1 / bounds.lower, rel=1e-15)
    assert turned.lower * bounds.upper <= 1 <= turned.upper * bounds.lower
    x = torch.randn(2, 3)
    assert_close(Inverse(layer).forward_and_log_det(x)[1], -layer.forward_and_log_det(x)[1])


def test_inverse_without_lower_bound_claims_no_upper_one():
    layer = LULinear(2)
    with torch.no_grad():
        layer.weight[0, 1] = 1e12
    claims = Inverse(layer).claims()
    assert claims.find(BiLipschitz) is None
    assert claims.find(Invertible) is not None
    assert {gap.path for gap in claims.gaps} == {"", "bijection"}


def test_inverse_refuses_what_is_no_bijection():
    with pytest.raises(TypeError, match="expected bijection to be a Bijection; got a Linear"):
        Inverse(torch.nn.Linear(2, 2))


def test_haar_refuses_integers():
    with pytest.raises(
        TypeError, match=r"real floating-point numbers; got a tensor .* torch\.int64"
    ):
        Haar(1)(torch.ones(1, 1, 4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: PixelShuffle(4), "dim to be 1, 2 or 3"),
        (lambda: PixelShuffle(2, stride=0), "expected stride to be a positive integer or a seq"),
        (lambda: PixelShuffle(2, stride=(2, 2, 2)), "one positive number or 2 of them"),
        (lambda: PixelShuffle(2, stride=1), "a stride above 1 on some axis"),
        (lambda: Haar(2, stride=3), r"strides of 1 or 2, as the Haar transform has; got \(3, 3\)"),
        (lambda: OrthogonalResampling(1, dim=2, stride=4), "expected strides of 1 or 2"),
        (
            lambda: OrthogonalResampling(1, dim=2, map="qr"),
            "expected map to be 'cayley' or .* got 'qr'",
        ),
        (
            lambda: OrthogonalResampling(1, dim=2, init="dct"),
            "expected init to be 'haar' or .* got 'dct'",
        ),
        (lambda: OrthogonalResampling(0, dim=2), "channels to be a positive integer"),
        (
            lambda: OrthogonalResampling(10**8, dim=2),
            r"filters of at most 2\^26 numbers; got 1.6e\+09",
        ),
    ],
)
def test_refuses_what_makes_no_resampling(build, words):
    with pytest.raises(ValueError, match=words):
        build()
