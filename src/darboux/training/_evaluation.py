"""Evaluation of a denoiser: PSNR, images in tiles, and its certificate on photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from darboux.certification import Certificate, certify
from darboux.data import noisy, photographs
from darboux.imaging._bilevel import BilevelDenoiser
from darboux.structure import Structure

_SIDE = 64

_SEED = 11  # of the noise, and of the attacks


def psnr(estimate: Tensor, clean: Tensor) -> float:
    """Return the peak signal-to-noise ratio 10 log₁₀(1 / mean (estimate - clean)²), in dB.

    The peak is 1; nothing is clipped; the mean is taken in float64 over all entries.

    Args:
        estimate: an image in [0, 1], of any shape.
        clean: the true image, of the same shape.

    Raises:
        ValueError: if the shapes differ, or there are no entries.

    Example:
        >>> round(psnr(torch.full((1, 8, 8), 0.1), torch.zeros(1, 8, 8)), 6)
        20.0
    """
    if estimate.shape != clean.shape or not clean.numel():
        raise ValueError(
            "Expected an estimate of the shape of the clean image, with entries; got "
            f"{tuple(estimate.shape)} and {tuple(clean.shape)}."
        )
    error = (estimate.double() - clean.double()).square().mean()
    return float(-10 * torch.log10(error))


def denoise(network: nn.Module, image: Tensor, *, channels: int) -> Tensor:
    """Return the network's estimate of one image, without gradients.

    A network of one channel takes the channels of a colour image one by one; a grey image
    goes through a network of three channels as three equal ones, which are then averaged.

    Args:
        network: images (batch, channels, H, W) to images of the same shape.
        image: (1, H, W) or (3, H, W).
        channels: of the network, 1 or 3.

    Example:
        >>> network = nn.Conv2d(1, 1, 3, padding=1)
        >>> denoise(network, torch.rand(3, 8, 8), channels=1).shape
        torch.Size([3, 8, 8])
    """
    batch = image[:, None] if channels == 1 else image.expand(channels, -1, -1)[None]
    with torch.no_grad():
        result = network(batch.to(next(network.parameters(), image))).to(image)
    return result.mean(1) if len(image) == 1 else result.reshape(image.shape)


def mean_psnr(
    network: nn.Module,
    noisy: Mapping[str, Tensor],
    clean: Mapping[str, Tensor],
    *,
    channels: int,
    accelerator: Accelerator,
) -> float:
    """Return the mean PSNR over images, which the processes share among themselves."""
    values = torch.zeros(len(clean), dtype=torch.float64, device=accelerator.device)
    network.eval()
    for number, name in enumerate(clean):
        if number % accelerator.num_processes == accelerator.process_index:
            values[number] = psnr(denoise(network, noisy[name], channels=channels), clean[name])
    total = accelerator.reduce(values, reduction="sum")
    return float(total.mean())


def in_tiles(
    function: Callable[[Tensor], Tensor], image: Tensor, *, tile: int, halo: int, step: int = 1
) -> Tensor:
    """Apply a local map to an image piece by piece, with the same result as at once."""
    # Every tile sees `halo` more pixels on each side that lies inside the image, and only its
    # own pixels are kept: exact where no output depends on inputs further away than `halo`.
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


def middle(image: Tensor, *, side: int) -> Tensor:
    """Return the middle of an image, at most side x side pixels."""
    top, left = (max(0, (size - side) // 2) for size in image.shape[1:])
    return image[:, top : top + side, left : left + side]


def photograph_example(*, channels: int, sigma: float) -> Tensor:
    """Return noisy 64 x 64 crops from the middle of two held-out photographs.

    Args:
        channels: 1 for grey, 3 for colour.
        sigma: standard deviation of the noise.

    Returns:
        (2, channels, 64, 64).

    Example:
        >>> photograph_example(channels=1, sigma=0.1).shape
        torch.Size([2, 1, 64, 64])
    """
    images = list(photographs("held-out", colour=channels == 3).values())[:2]
    crops = [middle(image, side=_SIDE) for image in images]
    return noisy(torch.stack(crops), sigma=sigma, seed=_SEED)


def certify_denoiser(
    network: nn.Module,
    *,
    channels: int,
    sigma: float,
    effort: str = "normal",
    claims: Sequence[Structure] | None = None,
) -> Certificate:
    """Attack every claim of a denoiser, or of its regulariser, at noisy photographs, reproducibly.

    Args:
        network: images (batch, channels, H, W) to images of the same shape.
        channels: 1 for grey, 3 for colour.
        sigma: standard deviation of the noise of the photographs.
        effort: "quick", "normal" or "thorough".
        claims: what to attack instead of the network's own claims.

    Example:
        >>> certify_denoiser(nn.ReLU(), channels=1, sigma=0.1, effort="quick").holds
        True
    """
    example = photograph_example(channels=channels, sigma=sigma)
    example = example.to(next(network.parameters(), example))
    generator = torch.Generator().manual_seed(_SEED)
    subject = network.prior if isinstance(network, BilevelDenoiser) else network
    return certify(subject, example, claims=claims, effort=effort, generator=generator)
