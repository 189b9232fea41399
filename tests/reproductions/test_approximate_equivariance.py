"""The experiment on equivariance off the grid; its statements can fail."""

import math

import pytest
import torch

from reproductions.approximate_equivariance import _finer, _wider
from reproductions.approximate_equivariance.kernels import Kernel
from reproductions.approximate_equivariance.networks import network, network_error


@pytest.mark.parametrize("name", ["C8", "SO(2)"])
def test_measured_is_below_the_bound_and_near_it(name):
    kernel, g = Kernel(name, 3), 1 if name == "C8" else 0.5
    found, measured = kernel.error(g, band=1.0), kernel.measured(g, band=1.0)
    assert 0.5 * found.lower < measured <= found.upper


def test_network_of_a_plain_convolution_is_refuted():
    """An ordinary network is far from commuting with a quarter turn."""
    torch.manual_seed(0)
    plain = torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, 3, padding=1) for _ in range(3))).double()
    assert network_error(plain, math.pi / 2, width=2.0, kernel_size=3) > 1e-3
    assert (
        network_error(network("C4", kernel_size=3), math.pi / 2, width=2.0, kernel_size=3) < 1e-12
    )


def test_statements_can_fail():
    rough = {"C8, 5 × 5": {1.0: 0.1, 3.0: 0.2}}
    assert not _wider(rough).holds
    worst = {"C4": {0.0: 0.1}, "C8": {0.0: 0.2}, "C16": {0.0: 0.05}}
    assert not _finer(worst).holds
    worst = {"C4": {0.0: 0.3}, "C8": {0.0: 0.2}, "C16": {0.0: 0.1, 1.0: math.nan}}
    assert not _finer(worst).holds
