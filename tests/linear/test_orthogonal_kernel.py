"""Convolutions that are orthogonal at every frequency."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import darboux as dx
from darboux.linear import Conv, Lift, OrthogonalKernel, Transposed


def orthogonal(*sizes, groups=1, **options):
    conv = Conv(*sizes, **options).double()
    parametrize.register_parametrization(conv, "weight", OrthogonalKernel(groups=groups))
    with torch.no_grad():
        conv.parametrizations.weight.original.normal_()
    return conv


@pytest.mark.parametrize("channels", [(1, 1), (3, 3), (3, 5), (5, 2)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (3, 4)])
def test_singular_values_are_one_at_every_frequency(channels, kernel_size):
    conv = orthogonal(*channels, kernel_size=kernel_size, dim=2)
    values = torch.linalg.svdvals(conv.symbol(5))
    torch.testing.assert_close(values, torch.ones_like(values), rtol=1e-12, atol=0)


def test_groups_do_not_see_each_other():
    conv = orthogonal(4, 6, kernel_size=3, dim=1, groups=2)
    assert not conv.weight[:3, 2:].any()
    assert not conv.weight[3:, :2].any()
    apart = nn.functional.conv1d(
        nn.functional.pad(x := torch.randn(2, 4, 7).double(), (1, 1), mode="circular"),
        torch.cat([conv.weight[:3, :2], conv.weight[3:, 2:]]),
        groups=2,
    )
    torch.testing.assert_close(conv(x), apart)


def test_constants_are_first_mapped_as_by_the_nearest_orthogonal_matrix():
    conv = Conv(4, 4, kernel_size=3, dim=2).double()
    left, _, right = torch.linalg.svd(conv.weight.detach().sum((2, 3)))
    parametrize.register_parametrization(conv, "weight", OrthogonalKernel())
    torch.testing.assert_close(conv.weight.sum((2, 3)), left @ right)


def blocks(**options):
    return Lift(2, 4, dim=1, shuffle=2, **options).double()


@pytest.mark.parametrize(
    ("build", "channels", "structure"),
    [
        (lambda: orthogonal(2, 3, kernel_size=3, dim=1), 2, dx.Isometric()),
        (lambda: orthogonal(3, 2, kernel_size=3, dim=1), 3, dx.Lipschitz(1.0)),
        (
            lambda: orthogonal(3, 3, kernel_size=3, dim=1, padding_mode="zeros"),
            3,
            dx.Lipschitz(1.0),
        ),
        (
            lambda: nn.Sequential(blocks(), orthogonal(4, 4, kernel_size=2, dim=1)),
            2,
            dx.Isometric(),
        ),
        (
            lambda: nn.Sequential(
                Transposed(orthogonal(4, 4, kernel_size=2, dim=1)),
                Transposed(blocks(frame="tight")),
            ),
            4,
            dx.Isometric(),
        ),
        (lambda: Transposed(orthogonal(3, 2, kernel_size=3, dim=1)), 2, dx.Isometric()),
        (lambda: Transposed(orthogonal(2, 3, kernel_size=3, dim=1)), 3, dx.Lipschitz(1.0)),
        (
            lambda: Transposed(Transposed(orthogonal(2, 3, kernel_size=3, dim=1))),
            2,
            dx.Isometric(),
        ),
        (lambda: Transposed(Lift(2, 5, dim=1, shuffle=2).double()), 5, dx.Lipschitz(1.0)),
    ],
)
def test_claims_hold(build, channels, structure):
    certificate = dx.certify(build(), torch.randn(2, channels, 7).double(), effort="quick")
    assert certificate.holds, str(certificate)
    assert certificate.rows[0].structure == structure


def test_float32_keeps_lengths_and_gradients_flow():
    conv = Conv(8, 8, kernel_size=3, dim=2)
    parametrize.register_parametrization(conv, "weight", OrthogonalKernel())
    x = torch.randn(2, 8, 6, 5)
    torch.testing.assert_close(conv(x).norm(), x.norm(), rtol=1e-6, atol=0)
    conv(x)[:, 0].square().sum().backward()
    assert bool(conv.parametrizations.weight.original.grad[0, 1:].abs().amax((1, 2)).min() > 0)
    torch.testing.assert_close(Transposed(conv)(conv(x)), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weight", [(3, 3), (3, 4, 3)])
def test_refusals(weight):
    module = nn.Module()
    module.weight = nn.Parameter(torch.zeros(weight))
    with pytest.raises(ValueError, match=r"OrthogonalKernel: expected a weight .* groups=2"):
        parametrize.register_parametrization(module, "weight", OrthogonalKernel(groups=2))
