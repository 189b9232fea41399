"""What is measured of an image: scans, Fourier lines, blur, missing pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.imaging import Blur, FourierSampling, Inpainting, ParallelBeam, line_mask
from darboux.linear import LinearMap


@dataclass(frozen=True)
class Problem:
    """An operator and the noise of its data."""

    name: str
    physics: LinearMap
    noise: float  # standard deviation, as a share of ‖A‖

    def data(self, image: Tensor, *, seed: int) -> Tensor:
        """Return A x + noise, fixed by the seed."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            y: Tensor = self.physics(image)
        return y + self.noise * self.scale**0.5 * torch.randn(y.shape, generator=generator)

    @property
    def scale(self) -> float:
        """‖A‖², which weights are relative to."""
        return float(self.physics.norm_bound()) ** 2


def problems(side: int) -> dict[str, Problem]:
    """Return the problems for images of side × side pixels."""
    kept = torch.rand(side, side, generator=torch.Generator().manual_seed(0)) < 0.4
    found = [
        Problem("CT, 60 angles", ParallelBeam(side, 60), 0.005),
        Problem("CT, 30 angles", ParallelBeam(side, 30), 0.005),
        Problem("Fourier, 1/4 of the lines", _lines(side, 1 / 4), 0.01),
        Problem("Fourier, 1/8 of the lines", _lines(side, 1 / 8), 0.01),
        Problem("deblurring", Blur.gaussian(1.5), 0.01),
        Problem("inpainting, 40 % of the pixels", Inpainting(kept), 0.01),
    ]
    return {problem.name: problem for problem in found}


def _lines(side: int, keep: float) -> FourierSampling:
    return FourierSampling(line_mask((side, side), keep=keep), channels=1)
