"""Tiles: the same result as the whole image, for every size."""

import pytest
import torch

from darboux.training import DenoiseConfig, build_network, denoise
from darboux.training._evaluation import in_tiles


@pytest.mark.parametrize("name", ["model", "twin"])
@pytest.mark.parametrize("size", [(50, 37), (64, 64), (31, 96), (16, 16), (33, 1)], ids=str)
@pytest.mark.parametrize(("kernel", "shuffle"), [(3, 2), (5, 1)])
def test_network_in_tiles_is_the_network(name, size, kernel, shuffle):
    config = DenoiseConfig(features=8, units=8, depth=2, kernel_size=kernel, shuffle=shuffle)
    network = build_network(name, config).double().eval()
    image = torch.rand(1, *size, dtype=torch.float64)

    def whole(piece):
        return denoise(network, piece, channels=1)

    pieces = in_tiles(whole, image, tile=15, halo=config.reach(), step=shuffle)
    n = config.features * kernel**2 * 2 * config.depth
    assert (pieces - whole(image)).abs().max() <= n * torch.finfo(torch.float64).eps


@pytest.mark.parametrize("name", ["model", "twin"])
def test_reach_bounds_how_far_an_input_is_felt(name):
    config = DenoiseConfig(features=8, units=8, depth=3)
    network = build_network(name, config).double()
    image = torch.rand(1, 1, 1, 120, dtype=torch.float64, requires_grad=True)
    network(image)[0, 0, 0, 60].backward()
    felt = image.grad[0, 0, 0].nonzero()
    distance = int((felt - 60).abs().max())
    assert config.reach() / 2 < distance <= config.reach()


def test_small_image_goes_through_at_once():
    seen = []

    def function(piece):
        seen.append(piece.shape)
        return piece

    in_tiles(function, torch.rand(1, 10, 8), tile=10, halo=3)
    assert seen == [(1, 10, 8)]
