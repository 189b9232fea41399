"""Prolongation in space: A_H = R A_h P exactly, and refusals."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool1d, avg_pool2d, avg_pool3d, interpolate

import darboux as dx
from darboux.control import prolong_kernels

DOUBLE = torch.float64
MEANS = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


@pytest.mark.parametrize("padding", ["circular", "zeros"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_coarse_map_is_the_fine_one_between_repeating_and_averaging(dim, padding):
    coarse = dx.linear.Conv(2, 3, kernel_size=3, dim=dim, padding_mode=padding).to(DOUBLE)
    x = torch.randn(2, 2, *[4] * dim, dtype=DOUBLE)
    fine = prolong_kernels(coarse)
    again = MEANS[dim](fine(interpolate(x, scale_factor=2)), 2)
    torch.testing.assert_close(again, coarse(x))
    assert fine.weight is not coarse.weight


def test_torch_layers_groups_and_skew_parts():
    grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2).double()
    x = torch.randn(1, 4, 6, 6, dtype=DOUBLE)
    doubled = interpolate(x, scale_factor=2)
    torch.testing.assert_close(avg_pool2d(prolong_kernels(grouped)(doubled), 2), grouped(x))
    skew = dx.linear.SkewPart(dx.linear.Conv(4, 4, kernel_size=3, dim=2).double())
    torch.testing.assert_close(avg_pool2d(prolong_kernels(skew)(doubled), 2), skew(x))


def test_differences_are_those_of_the_finer_grid():
    slope = nn.Conv1d(1, 1, 3, bias=False).double()
    with torch.no_grad():
        slope.weight.copy_(torch.tensor([[[-0.5, 0.0, 0.5]]]))
    expected = torch.tensor([[[-1.0, 0.0, 1.0]]], dtype=DOUBLE)
    assert torch.equal(prolong_kernels(slope).weight.detach(), expected)


def test_one_tap_stays_and_a_network_goes_as_a_whole():
    field = dx.fields.ResidualField(
        dx.linear.Conv(4, 4, kernel_size=3, dim=2), dx.activations.Tanh()
    )
    flow = dx.Flow([field], dx.integrators.Euler())
    network = nn.Sequential(nn.Conv2d(1, 4, 1), flow, nn.AdaptiveAvgPool2d(2), nn.Flatten())
    fine = prolong_kernels(network)
    assert fine(torch.randn(3, 1, 16, 16)).shape == network(torch.randn(3, 1, 8, 8)).shape
    assert torch.equal(fine[0].weight, network[0].weight)
    assert not torch.equal(fine[1].fields[0].map.weight, field.map.weight)


def test_a_kernel_that_layers_share_is_prolonged_once():
    one, two = nn.Conv1d(1, 1, 3), nn.Conv1d(1, 1, 3)
    two.weight = one.weight
    fine = prolong_kernels(nn.Sequential(one, two))
    assert fine[0].weight is fine[1].weight
    assert torch.equal(fine[0].weight, prolong_kernels(one).weight)


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        (nn.Conv2d(1, 1, 5), ValueError),
        (nn.Conv2d(1, 1, (1, 3)), ValueError),
        (nn.Conv2d(1, 1, 3, stride=2), ValueError),
        (nn.Conv2d(1, 1, 3, dilation=2), ValueError),
        (nn.ConvTranspose2d(1, 1, 3), TypeError),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 1, 3)), TypeError),
        (nn.utils.spectral_norm(nn.Conv2d(1, 1, 3)), TypeError),
        (dx.linear.FiniteDifference(1, dim=2), TypeError),
    ],
)
def test_refuses_what_it_cannot_prolong(layer, error):
    with pytest.raises(error, match="prolong_kernels: 1 is"):
        prolong_kernels(nn.Sequential(nn.ReLU(), layer))


def test_refuses_a_network_without_convolutions():
    with pytest.raises(ValueError, match="a network with convolutions"):
        prolong_kernels(nn.Linear(2, 2))
