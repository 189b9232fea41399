"""The abstract law of a coupling: how one part moves, given numbers for each of its entries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

LawPull = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


class CouplingLaw(ABC):
    """An elementwise map y = γ(x, θ), invertible in x for all parameters θ.

    The raw parameters of an entry are real numbers without constraints. They come along the
    channel axis: all first parameters, then all second ones, and so on.

    Shapes: x and y are (batch, channels, *space), raw parameters (batch, channels *
    parameters_per_feature, *space), logarithmic slopes have the shape of x.

    Source: section 4.1.1, equations (42) and (43).
    """

    @property
    @abstractmethod
    def parameters_per_feature(self) -> int:
        """How many raw parameters an entry of x has."""

    @abstractmethod
    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return y and log|dy/dx|, None where it is 0 everywhere."""

    @abstractmethod
    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return x and log|dx/dy|, None where it is 0 everywhere."""

    def push(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what `forward` returns, without graph; x may be overwritten."""
        return self.forward(x, raw)

    def retrace(self, y: Tensor, raw: Tensor) -> tuple[Tensor, LawPull]:
        """Return x without graph, and what pulls gradients back; y may be overwritten.

        The function takes the gradients with respect to y and to log|dy/dx|, None where there
        is none, and returns those with respect to x and the raw parameters.

        Args:
            y: the result, without graph.
            raw: the parameters, without graph.
        """
        x = self.inverse(y, raw)[0].detach()

        def pull(gradient: Tensor, slope_gradient: Tensor | None) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                leaves = x.detach().requires_grad_(), raw.detach().requires_grad_()
                moved, slope = self.forward(*leaves)
            outputs, cotangents = [moved], [gradient]
            if slope is not None and slope_gradient is not None:
                outputs.append(slope)
                cotangents.append(slope_gradient)
            back, found = torch.autograd.grad(outputs, leaves, cotangents)
            return back, found

        return x, pull
