"""Denoisers of scans: of fitted tensors in a chart, or of signals before the fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Generator, Tensor

import darboux as dx
from reproductions.diffusion_tensors.acquisition import Scan, fitted
from reproductions.diffusion_tensors.charts import Chart
from reproductions.diffusion_tensors.networks import TensorNetwork
from reproductions.diffusion_tensors.tensors import physical

Example = tuple[Tensor, Tensor]


class Denoiser(ABC):
    """What makes tensors of a scan, with a network that learns from examples."""

    network: dx.Flow

    @abstractmethod
    def example(self, noisy: Scan, clean: Scan, tensors: Tensor, generator: Generator) -> Example:
        """Return input and target of the network, (batch, channels, X, Y, Z)."""

    @abstractmethod
    def tensors(self, scan: Scan) -> Tensor:
        """Return the tensors of a scan, (batch, X, Y, Z, 3, 3)."""


@final
class OfTensors(Denoiser):
    """Fit, then denoise the tensors in the coordinates of a chart."""

    def __init__(self, chart: Chart, flow: dx.Flow, *, clip: bool) -> None:
        self.whole = TensorNetwork(chart, flow)
        self.network = flow
        self.clip = clip  # whether eigenvalues of the fit are clipped before

    def example(self, noisy: Scan, clean: Scan, tensors: Tensor, generator: Generator) -> Example:
        """Return coordinates."""
        del clean, generator
        chart = self.whole.chart
        return chart.coordinates(self.fit(noisy)), chart.coordinates(tensors)

    def tensors(self, scan: Scan) -> Tensor:
        """Return the denoised tensors."""
        return self.whole(self.fit(scan))

    def fit(self, scan: Scan) -> Tensor:
        """Return the tensors that go into the network."""
        return physical(fitted(scan)) if self.clip else fitted(scan)


@final
class OfSignals(Denoiser):
    """Denoise each weighted image beside the unweighted one and the mean over all, then fit.

    Signals are in units of the mean of the unweighted image.
    """

    def __init__(self, flow: dx.Flow) -> None:
        self.network = flow

    def example(self, noisy: Scan, clean: Scan, tensors: Tensor, generator: Generator) -> Example:
        """Return the three images of one direction."""
        del tensors
        k = int(torch.randint(len(noisy.directions), (), generator=generator))
        unit = _unit(noisy)
        return _three(noisy.signals / unit, k), _three(clean.signals / unit, k)

    def tensors(self, scan: Scan) -> Tensor:
        """Return the fit of the denoised signals."""
        count, signals = len(scan.directions), scan.signals / _unit(scan)
        images = torch.stack([_three(signals, k) for k in range(count)])
        weighted, unweighted, _ = self.network(images.flatten(0, 1)).unbind(1)
        shape = images.shape[:2]
        first = unweighted.unflatten(0, shape).mean(0, keepdim=True)
        signals = torch.cat([first, weighted.unflatten(0, shape)]).movedim(0, -1)
        return fitted(scan._replace(signals=signals))


def _unit(scan: Scan) -> Tensor:
    """Return the mean of the unweighted image, (batch, 1, 1, 1, 1)."""
    return scan.signals[..., :1].mean((1, 2, 3), keepdim=True)


def _three(signals: Tensor, k: int) -> Tensor:
    """Return a weighted image, the unweighted one and the mean, (batch, 3, X, Y, Z)."""
    weighted = signals[..., 1:]
    return torch.stack([weighted[..., k], signals[..., 0], weighted.mean(-1)], dim=1)
