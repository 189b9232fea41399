"""Named measurements of images: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

import torch

from darboux.imaging import Blur, Downsampling, FourierSampling, Inpainting, ParallelBeam, line_mask
from darboux.linear import LinearMap

Build = Callable[[], LinearMap]

_SIZE = (8, 6)


def _mask(*size: int) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(0)) > 0.5


def _signed() -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def _maps(coils: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(coils, *_SIZE, dtype=torch.complex64, generator=generator)


CASES: dict[str, Build] = {
    "blur-gaussian": lambda: Blur.gaussian(0.5),
    "blur-signed": lambda: Blur(_signed(), channels=2),
    "blur-zeros": lambda: Blur(_signed(), channels=2, padding_mode="zeros"),
    "blur-valid": lambda: Blur(_signed(), padding_mode="valid"),
    "blur-1d": lambda: Blur(torch.tensor([0.25, 0.5, 0.25]), channels=3),
    "blur-3d": lambda: Blur(torch.ones(2, 1, 2) / 4, padding_mode="zeros"),
    "downsampling": lambda: Downsampling(2, channels=2),
    "downsampling-kernel": lambda: Downsampling(2, kernel=_signed()),
    "downsampling-1d": lambda: Downsampling(4, kernel=torch.ones(7) / 7, dim=1),
    "fourier-real": lambda: FourierSampling(line_mask(_SIZE, keep=0.5), channels=1),
    "fourier-complex": lambda: FourierSampling(_mask(*_SIZE)),
    "fourier-coils": lambda: FourierSampling(_mask(*_SIZE), maps=_maps(3)),
    "fourier-all": lambda: FourierSampling(torch.ones(_SIZE, dtype=torch.bool), maps=_maps(4)),
    "fourier-3d": lambda: FourierSampling(_mask(4, 3, 2)),
    "inpainting": lambda: Inpainting(_mask(*_SIZE), channels=3),
    "inpainting-each-channel": lambda: Inpainting(_mask(2, *_SIZE), channels=2, dim=2),
    "tomography": lambda: ParallelBeam(8, 6),
    "tomography-oblong": lambda: ParallelBeam(_SIZE, [0.1, 1.0, 2.5, 4.0, -1.0], channels=2),
    "tomography-narrow": lambda: ParallelBeam(8, 4, detectors=5),
}


def example_shape(operator: LinearMap, *, batch: int = 2) -> tuple[int, ...]:
    """Return the shape of an image that an operator of the catalogue takes.

    Example:
        >>> example_shape(CASES["blur-gaussian"]())
        (2, 1, 8, 6)
    """
    return (batch, operator.in_features, *(operator.image_size or (8, 6, 4)[: operator.dim]))
