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
    """The same held-out images, clean and treated by each method."""

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
    """Treat the same noisy images by several methods."""
    treated = {method: {n: f(x) for n, x in noisy.items()} for method, f in methods.items()}
    return Comparison(clean, {"noisy": noisy, **treated})


def versions() -> dict[str, str]:
    """Return the versions of what the numbers of a run depend on."""
    found = {"python": platform.python_version()}
    for package in ("darboux", "torch", "numpy", "accelerate", "scikit-image"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
