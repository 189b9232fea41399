"""The numbers of a finished run, and the pictures behind them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean

from torch import Tensor

from darboux.training._evaluation import psnr

Images = Mapping[str, Tensor]


@dataclass(frozen=True)
class Comparison:
    """The same held-out images, clean and treated by each method.

    Args:
        clean: name to clean image.
        treated: method ("noisy", "model", "tv", "unconstrained") to name to image.

    Example:
        >>> import torch
        >>> clean = {"flat": torch.zeros(1, 4, 4)}
        >>> both = Comparison(clean, {"noisy": {"flat": torch.full((1, 4, 4), 0.1)}})
        >>> round(both.mean("noisy"), 3)
        20.0
    """

    clean: Images
    treated: Mapping[str, Images]

    def psnr(self, method: str, name: str) -> float:
        """Return the PSNR of one method on one image, in dB."""
        return psnr(self.treated[method][name], self.clean[name])

    def mean(self, method: str) -> float:
        """Return the mean PSNR of one method, in dB."""
        return fmean(self.psnr(method, name) for name in self.clean)

    def table(self) -> dict[str, dict[str, float]]:
        """Return image to method to PSNR."""
        return {n: {m: self.psnr(m, n) for m in self.treated} for n in self.clean}


def compare(
    clean: Images, noisy: Images, methods: Mapping[str, Callable[[Tensor], Tensor]]
) -> Comparison:
    """Treat the same noisy images by several methods.

    Args:
        clean: name to clean image.
        noisy: the same names to noisy images.
        methods: name to denoiser of one image (channels, H, W).

    Example:
        >>> import torch
        >>> clean = {"flat": torch.zeros(1, 4, 4)}
        >>> noisy = {"flat": torch.full((1, 4, 4), 0.1)}
        >>> sorted(compare(clean, noisy, {"half": lambda x: x / 2}).treated)
        ['half', 'noisy']
    """
    treated = {method: {n: f(x) for n, x in noisy.items()} for method, f in methods.items()}
    return Comparison(clean, {"noisy": noisy, **treated})


def versions() -> dict[str, str]:
    """Return the versions of what the numbers of a run depend on.

    Example:
        >>> "torch" in versions()
        True
    """
    found = {"python": platform.python_version()}
    for package in ("darboux", "torch", "numpy", "accelerate", "scikit-image"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
