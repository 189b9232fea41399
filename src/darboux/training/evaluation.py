"""How well a denoiser does on images of any size."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from darboux.training.metrics import psnr


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
    """Return the mean PSNR over images, which the processes share among themselves.

    Args:
        network: the bare network, not the distributed wrapper.
        noisy: name to noisy image.
        clean: the same names to clean images.
        channels: of the network, 1 or 3.
        accelerator: knows the processes.

    Example:
        >>> images = {"flat": torch.zeros(1, 8, 8)}
        >>> noisy = {"flat": torch.full((1, 8, 8), 0.1)}
        >>> one = Accelerator()
        >>> round(mean_psnr(nn.Identity(), noisy, images, channels=1, accelerator=one), 4)
        20.0
    """
    values = torch.zeros(len(clean), dtype=torch.float64, device=accelerator.device)
    network.eval()
    for number, name in enumerate(clean):
        if number % accelerator.num_processes == accelerator.process_index:
            values[number] = psnr(denoise(network, noisy[name], channels=channels), clean[name])
    total = accelerator.reduce(values, reduction="sum")
    return float(total.mean())
