"""Six flat coordinates of diffusion tensors: their entries, their logarithm, something between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.manifolds import Analytic, sym_expm, sym_funcm, sym_logm
from reproductions.diffusion_tensors.tensors import matrices, six

Function = Callable[[Tensor], Tensor]
SCALE = 0.3  # µm²/ms, where the softplus chart passes from logarithm to identity


@dataclass(frozen=True)
class Chart:
    """A one-to-one map from tensors to symmetric matrices, and the metric that it makes flat.

    Both commute with rotations: tensors keep their eigenvectors.
    """

    name: str
    into: Function  # (..., 3, 3) to the same
    back: Function  # its inverse
    positive: bool  # whether all that comes back is positive definite

    def coordinates(self, tensors: Tensor) -> Tensor:
        """Return (batch, 6, X, Y, Z) of tensors (batch, X, Y, Z, 3, 3)."""
        return six(self.into(tensors)).movedim(-1, 1)

    def tensors(self, coordinates: Tensor) -> Tensor:
        """Return the tensors of coordinates."""
        return self.back(matrices(coordinates.movedim(1, -1)))


def _same(tensors: Tensor) -> Tensor:
    return tensors


def _analytic(name: str, value: Function, slope: Function, *, positive: bool) -> Analytic:
    """Return a function for matrices from its value and its derivative, without higher ones."""

    def taylor(x: Tensor, k: int) -> Tensor:
        if k > 1:
            msg = f"{name}: expected a first derivative; got one of higher order."
            raise NotImplementedError(msg)
        return slope(x) if k else value(x)

    def pair(a: Tensor, b: Tensor) -> Tensor:
        near = (b - a).abs() <= math.sqrt(torch.finfo(a.dtype).eps) * SCALE
        quotient = (value(b) - value(a)) / torch.where(near, 1.0, b - a)
        return torch.where(near, slope((a + b) / 2), quotient)

    return Analytic(name, value, taylor, pair, positive)


def _soft(x: Tensor) -> Tensor:
    return SCALE * F.softplus(x / SCALE, threshold=1e4)


def _hard(x: Tensor) -> Tensor:
    return x + SCALE * torch.log(-torch.expm1(-x / SCALE))


_SOFT = _analytic("softplus", _soft, lambda x: torch.sigmoid(x / SCALE), positive=False)
_HARD = _analytic("inverse softplus", _hard, lambda x: -1 / torch.expm1(-x / SCALE), positive=True)
ENTRIES = Chart("six entries", _same, _same, positive=False)
LOG_EUCLIDEAN = Chart("log-Euclidean", sym_logm, sym_expm, positive=True)
SOFTPLUS = Chart(
    "softplus",
    lambda x: sym_funcm(x, _HARD),
    lambda x: sym_funcm(x, _SOFT),
    positive=True,
)
