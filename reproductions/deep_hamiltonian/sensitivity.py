"""Sensitivity of the last features to those of each layer: ‖∂z_K/∂z_k‖."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Sensitivity:
    """The Jacobians ∂z_K/∂z_k of a chain of layers, by the chain rule from the end.

    Products of many matrices leave the range of floating point: they are kept with norm 1
    and the logarithm of their size.
    """

    log_norms: Tensor  # log₁₀ ‖∂z_K/∂z_k‖₂, (K+1, batch), in float64
    whole: Tensor  # ∂z_K/∂z_0 divided by 10^log_size, (batch, features, features)
    log_size: Tensor  # (batch,)

    def symplectic_defect(self) -> float:
        """Return max |DᵀJD - J| / ‖D‖² of D = ∂z_K/∂z_0."""
        n = self.whole.shape[-1] // 2
        eye, zero = torch.eye(n, dtype=torch.float64), torch.zeros(n, n, dtype=torch.float64)
        j = torch.cat([torch.cat([zero, eye], 1), torch.cat([-eye, zero], 1)])
        squared = (10.0 ** (2 * self.log_size))[:, None, None]
        defect = self.whole.mT @ j @ self.whole - j / squared
        return float(defect.abs().max())


def sensitivity(layers: Sequence[nn.Module], z: Tensor) -> Sensitivity:
    """Return the Jacobians of the features behind the last layer in those before each.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> with torch.no_grad():
        ...     _ = layer.weight.fill_(0.1)
        >>> sensitivity([layer, layer], torch.ones(1, 1)).log_norms[:, 0].round().tolist()
        [-2.0, -1.0, 0.0]
    """
    jacobians = _jacobians(layers, z)
    product = torch.eye(z.shape[1], dtype=torch.float64).expand_as(jacobians[0])
    log_size = product.new_zeros(len(z))
    found = [_log_norm(product)]
    for jacobian in reversed(jacobians):
        product = product @ jacobian
        size = _log_norm(product)
        product = product / (10.0**size)[:, None, None]
        log_size = log_size + size
        found.append(log_size)
    return Sensitivity(torch.stack(found[::-1]), product, log_size)


def _jacobians(layers: Sequence[nn.Module], z: Tensor) -> list[Tensor]:
    """Return ∂z_{k+1}/∂z_k of every layer, (batch, features, features), in float64."""
    found = []
    for layer in layers:
        # the sum over the batch is separable: each sample gets its own rows
        rows = torch.func.jacrev(lambda x, layer=layer: layer(x).sum(dim=0))(z)
        found.append(rows.detach().transpose(0, 1).double())
        with torch.no_grad():
            z = layer(z)
    return found


def _log_norm(matrix: Tensor) -> Tensor:
    """Return log₁₀ of the spectral norms, (batch,)."""
    return torch.linalg.matrix_norm(matrix, ord=2).log() / math.log(10)
