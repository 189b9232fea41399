"""Constants of torch's pooling, padding and resampling against explicit matrices."""

import itertools
import math

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.structure import claims_of


def constant(module):
    return claims_of(module).find(dx.Lipschitz).structure.constant


def norm(module, shape):
    """The norm of the linear part on images of one size, or None where the layer refuses it."""
    size = math.prod(shape)
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *shape)
    try:
        zero = module(basis[:1] * 0)
        matrix = (module(basis) - zero).flatten(1)
    except RuntimeError:
        return None
    return float(torch.linalg.matrix_norm(matrix, 2)) if matrix.numel() else None


def largest(module, axes, sizes):
    """The largest norm over images of many sizes."""
    found = [norm(module, shape) for shape in itertools.product(sizes, repeat=axes)]
    return max(value for value in found if value is not None)


ONE = range(1, 14)
TWO = (1, 2, 3, 4, 5, 8)
# layer, axes, the exact supremum where it is reached on these sizes, else None
LINEAR = {
    "average-2": (nn.AvgPool1d(2), 1, ONE, math.sqrt(1 / 2)),
    "average-2d": (nn.AvgPool2d(2), 2, TWO, 1 / 2),
    "average-3d": (nn.AvgPool3d((1, 2, 2)), 3, (1, 2, 4), 1 / 2),
    "average-gaps": (nn.AvgPool1d(2, stride=3), 1, ONE, math.sqrt(1 / 2)),
    "average-overlap": (nn.AvgPool1d(3, stride=1), 1, ONE, None),
    "average-overlap-2": (nn.AvgPool1d(3, stride=2), 1, ONE, None),
    "average-padding": (nn.AvgPool1d(3, stride=2, padding=1), 1, ONE, None),
    "average-inside": (
        nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=False),
        1,
        ONE,
        None,
    ),
    "average-inside-2d": (
        nn.AvgPool2d(4, stride=1, padding=2, count_include_pad=False),
        2,
        (1, 2, 3, 5),
        None,
    ),
    "average-ceil": (nn.AvgPool1d(3, stride=3, ceil_mode=True), 1, ONE, 1.0),
    "average-ceil-overlap": (nn.AvgPool1d(4, stride=3, padding=2, ceil_mode=True), 1, ONE, None),
    "average-ceil-inside": (
        nn.AvgPool1d(5, stride=2, padding=2, ceil_mode=True, count_include_pad=False),
        1,
        ONE,
        None,
    ),
    "average-sum": (nn.AvgPool2d(2, divisor_override=1), 2, TWO, 2.0),
    "average-seventh": (nn.AvgPool2d(3, stride=1, divisor_override=7), 2, TWO, None),
    "average-ceil-sum": (
        nn.AvgPool2d(3, stride=2, ceil_mode=True, padding=1, divisor_override=2),
        2,
        TWO,
        None,
    ),
    "adaptive-average": (nn.AdaptiveAvgPool1d(1), 1, ONE, 1.0),
    "adaptive-average-3": (nn.AdaptiveAvgPool1d(3), 1, ONE, math.sqrt(3)),
    "adaptive-average-2d": (nn.AdaptiveAvgPool2d((2, None)), 2, TWO, math.sqrt(2)),
    "zeros": (nn.ZeroPad2d((1, 2, 0, 3)), 2, TWO, 1.0),
    "constant": (nn.ConstantPad1d((2, 1), 7.0), 1, ONE, 1.0),
    "cropped": (nn.ConstantPad1d((-1, 1), 7.0), 1, ONE, 1.0),
    "reflect": (nn.ReflectionPad1d(2), 1, ONE, math.sqrt(3)),
    "reflect-left": (nn.ReflectionPad1d((2, 0)), 1, ONE, math.sqrt(2)),
    "reflect-2d": (nn.ReflectionPad2d((1, 0, 2, 1)), 2, TWO, math.sqrt(6)),
    "replicate": (nn.ReplicationPad1d((2, 3)), 1, ONE, math.sqrt(6)),
    "replicate-2d": (nn.ReplicationPad2d(1), 2, TWO, 3.0),
    "circular": (nn.CircularPad1d((1, 2)), 1, ONE, math.sqrt(3)),
    "circular-2d": (nn.CircularPad2d((1, 0, 0, 1)), 2, TWO, 2.0),
    "nearest": (nn.Upsample(scale_factor=(3.0,)), 1, ONE, math.sqrt(3)),
    "nearest-5/2": (nn.Upsample(scale_factor=(2.5,)), 1, ONE, math.sqrt(3)),
    "nearest-exact": (nn.Upsample(scale_factor=(1.7,), mode="nearest-exact"), 1, ONE, math.sqrt(2)),
    "nearest-down": (nn.Upsample(scale_factor=(0.5,)), 1, ONE, 1.0),
    "nearest-size": (nn.Upsample(size=(5,)), 1, ONE, math.sqrt(5)),
    "nearest-2d": (nn.UpsamplingNearest2d(scale_factor=2), 2, TWO, 2.0),
    "nearest-3d": (nn.Upsample(scale_factor=2), 3, (1, 2, 3), math.sqrt(8)),
    "linear-2": (nn.Upsample(scale_factor=2, mode="linear"), 1, ONE, math.sqrt(2)),
    "linear-5": (nn.Upsample(scale_factor=5, mode="linear"), 1, ONE, math.sqrt(5)),
    "linear-size": (nn.Upsample(size=4, mode="linear"), 1, ONE, 2.0),
    "linear-size-aligned": (nn.Upsample(size=4, mode="linear", align_corners=True), 1, ONE, 2.0),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), 2, TWO, 2.0),
    "bilinear-sides": (nn.Upsample(scale_factor=(2.0, 3.0), mode="bilinear"), 2, TWO, math.sqrt(6)),
    "bilinear-aligned": (nn.UpsamplingBilinear2d(scale_factor=2), 2, TWO, None),
    "trilinear": (nn.Upsample(scale_factor=2, mode="trilinear"), 3, (1, 2, 3), math.sqrt(8)),
}
LINEAR |= {
    f"linear-{scale}-{align}-{again}": (
        nn.Upsample(
            scale_factor=scale,
            mode="linear",
            align_corners=align,
            recompute_scale_factor=again or None,
        ),
        1,
        range(1, 25),
        None,
    )
    for scale in (0.3, 0.75, 1.3, 1.5, 2.6, 4.9)
    for align in (False, True)
    for again in (False, True)
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_layers_of_all_sizes(name):
    layer, axes, sizes, exact = LINEAR[name]
    claimed, true = constant(layer), largest(layer, axes, sizes)
    assert true <= claimed * (1 + 1e-12)
    if exact is None:
        assert claimed <= 2 * true
    else:
        assert claimed == pytest.approx(exact, rel=1e-12)
        assert true == pytest.approx(exact, rel=1e-12)


def test_average_pooling_with_overlap_is_sharp_on_large_images():
    layer = nn.AvgPool1d(4, stride=2)
    assert constant(layer) == pytest.approx(math.sqrt(1 / 2), rel=1e-12)
    assert norm(layer, (400,)) == pytest.approx(math.sqrt(1 / 2), rel=1e-3)


MAXIMA = {
    "2": (nn.MaxPool1d(2), 1, 1),
    "gaps": (nn.MaxPool1d(2, stride=5), 1, 1),
    "overlap": (nn.MaxPool1d(3, stride=2, padding=1), 1, 2),
    "2d": (nn.MaxPool2d(3, stride=1), 2, 9),
    "2d-resnet": (nn.MaxPool2d(3, stride=2, padding=1), 2, 4),
    "dilated": (nn.MaxPool1d(3, stride=2, dilation=2), 1, 3),
    "dilated-apart": (nn.MaxPool1d(3, stride=2, dilation=3), 1, 2),
    "ceil": (nn.MaxPool1d(3, stride=2, ceil_mode=True), 1, 2),
    "3d": (nn.MaxPool3d((1, 2, 2)), 3, 1),
    "adaptive": (nn.AdaptiveMaxPool1d(3), 1, 3),
    "adaptive-2d": (nn.AdaptiveMaxPool2d((None, 2)), 2, 2),
}


@pytest.mark.parametrize("name", MAXIMA)
def test_max_pooling_counts_windows(name):
    layer, axes, count = MAXIMA[name]
    assert constant(layer) == pytest.approx(math.sqrt(count), rel=1e-15)
    worst = 0.0
    for shape in itertools.product((1, 2, 5, 9, 14), repeat=axes):
        if norm(layer, shape) is None:
            continue
        entries = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, 1, *shape)
        alone = (layer(2 * entries) - layer(1 * entries)).flatten(1).norm(dim=1)
        x = torch.randn(2, 60, 1, *shape, dtype=torch.float64)
        quotients = (layer(x[0]) - layer(x[1])).flatten(1).norm(dim=1)
        quotients = quotients / (x[0] - x[1]).flatten(1).norm(dim=1)
        worst = max(worst, float(alone.max()), float(quotients.max()))
    assert worst == pytest.approx(math.sqrt(count), rel=1e-12)


def test_padding_by_zeros_is_isometric():
    assert claims_of(nn.ZeroPad2d(1)).find(dx.Isometric) is not None
    assert claims_of(nn.ZeroPad2d((1, -1, 0, 0))).find(dx.Isometric) is None


GAPS = {
    "indices": (nn.MaxPool2d(2, return_indices=True), "return_indices"),
    "adaptive-indices": (nn.AdaptiveMaxPool1d(2, return_indices=True), "return_indices"),
    "bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), "mode='bicubic'"),
}


@pytest.mark.parametrize("name", GAPS)
def test_gaps(name):
    layer, word = GAPS[name]
    claims = claims_of(layer)
    assert len(claims) == 0
    assert word in claims.gaps[0].reason
