"""The log-Cholesky metric."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.manifolds._spd_metric import SPDMetric, factor, trace_product, whitened


@final
class LogCholesky(SPDMetric):
    """The flat metric in the strict lower part of the Cholesky factor and the log of its diagonal.

    Source: Lin 2019, Riemannian geometry of symmetric positive definite matrices via Cholesky
    decomposition.
    """

    flat = True

    def chart(self, x: Tensor) -> Tensor:
        """Return L with the logarithm of its diagonal in place of that."""
        return _chart(factor(x))

    def unchart(self, c: Tensor) -> Tensor:
        """Return L Lᵀ."""
        return _matrix(c)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the inner product of the coordinates."""
        lower = factor(x)
        return trace_product(_coordinates(lower, u), _coordinates(lower, v))

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the matrix with the coordinates of x, plus those of v."""
        lower = factor(x)
        return _matrix(_chart(lower) + _coordinates(lower, v))

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the tangent vector whose coordinates are the difference."""
        lower = factor(x)
        return _tangent(lower, _chart(factor(y)) - _chart(lower))

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the squared norm of the difference of coordinates."""
        return (_chart(factor(y)) - _chart(factor(x))).square().sum((-2, -1))

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the tangent vector whose coordinates are the derivatives by coordinates."""
        lower = factor(x)
        slope = (2 * g @ lower).tril()
        scale = lower.diagonal(dim1=-2, dim2=-1)
        slope = slope.tril(-1) + torch.diag_embed(slope.diagonal(dim1=-2, dim2=-1) * scale)
        return _tangent(lower, slope)

    def killing(self, xi: Tensor) -> Tensor:
        """Return the entry that stretches the first axis: row 0 of L has nothing beside it."""
        kept = torch.zeros_like(xi)
        kept[..., 0, 0] = xi[..., 0, 0]
        return kept

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the tangent vector at y with the same coordinates."""
        return _tangent(factor(y), _coordinates(factor(x), v))


def _chart(lower: Tensor) -> Tensor:
    """Return the coordinates of L Lᵀ, a lower triangular matrix."""
    return lower.tril(-1) + torch.diag_embed(lower.diagonal(dim1=-2, dim2=-1).log())


def _matrix(chart: Tensor) -> Tensor:
    lower = chart.tril(-1) + torch.diag_embed(chart.diagonal(dim1=-2, dim2=-1).exp())
    return lower @ lower.mT


def _coordinates(lower: Tensor, v: Tensor) -> Tensor:
    """Return the coordinates of a tangent vector, the derivative of the chart."""
    white = whitened(lower, v)
    diagonal = white.diagonal(dim1=-2, dim2=-1) / 2  # of dL, divided by that of L
    return (lower @ (white.tril(-1) + torch.diag_embed(diagonal))).tril(-1) + torch.diag_embed(
        diagonal
    )


def _tangent(lower: Tensor, c: Tensor) -> Tensor:
    """Return the tangent vector with these coordinates."""
    scale = lower.diagonal(dim1=-2, dim2=-1)
    change = c.tril(-1) + torch.diag_embed(c.diagonal(dim1=-2, dim2=-1) * scale)
    half = change @ lower.mT
    return half + half.mT
