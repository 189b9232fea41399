"""Images that are too large to go through a network at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_tiles(
    function: Callable[[Tensor], Tensor], image: Tensor, *, tile: int, halo: int, step: int = 1
) -> Tensor:
    """Apply a local map to an image piece by piece, with the same result as at once.

    Every tile sees `halo` more pixels on each side that lies inside the image, and only its
    own pixels are kept: exact where no output depends on inputs further away than `halo`.

    Args:
        function: (channels, H, W) to the same shape, for any H and W.
        image: (channels, H, W).
        tile: side of the tiles, rounded up to a multiple of `step`.
        halo: rounded up to a multiple of `step`.
        step: the map commutes with shifts by so many pixels.

    Returns:
        function(image), of the shape of the image.

    Example:
        >>> image = torch.rand(1, 30, 20)
        >>> mean = torch.nn.AvgPool2d(3, stride=1, padding=1)
        >>> torch.equal(in_tiles(mean, image, tile=8, halo=1), mean(image))
        True
    """
    tile, halo = (-(-size // step) * step for size in (tile, halo))
    height, width = image.shape[1:]
    if max(height, width) <= tile:
        return function(image)
    result = torch.empty_like(image)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows, cols = _window(top, tile, halo, height), _window(left, tile, halo, width)
            piece = function(image[:, slice(*rows), slice(*cols)])
            inner = piece[:, top - rows[0] :, left - cols[0] :][:, :tile, :tile]
            result[:, top : top + tile, left : left + tile] = inner
    return result


def _window(start: int, tile: int, halo: int, size: int) -> tuple[int, int]:
    """Return the first pixel and the end of a tile with its halo, inside the image."""
    return max(0, start - halo), min(size, start + tile + halo)
