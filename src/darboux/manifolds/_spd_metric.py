"""What a metric of positive definite matrices computes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from darboux.manifolds._domain import within


class SPDMetric(ABC):
    """The part of the geometry of positive definite matrices that depends on the metric.

    Tangent vectors are symmetric matrices; g of `gradient` is one, too.
    """

    flat = False
    parallel = True
    complete = True  # whether geodesics go on for ever

    @abstractmethod
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor: ...

    @abstractmethod
    def exp(self, x: Tensor, v: Tensor) -> Tensor: ...

    @abstractmethod
    def log(self, x: Tensor, y: Tensor) -> Tensor: ...

    @abstractmethod
    def dist2(self, x: Tensor, y: Tensor) -> Tensor: ...

    @abstractmethod
    def gradient(self, x: Tensor, g: Tensor) -> Tensor: ...

    @abstractmethod
    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor: ...

    def chart(self, x: Tensor) -> Tensor:
        """Return matrices whose lower triangles are flat coordinates, if there are any."""
        raise NotImplementedError

    def unchart(self, c: Tensor) -> Tensor:
        """Return the points with such lower triangles."""
        raise NotImplementedError

    def killing(self, xi: Tensor) -> Tensor:
        """Return the part of ξ whose congruence keeps distances: the skew one, which turns."""
        return (xi - xi.mT) / 2

    below = 1.0  # the length of a change by 1 of an entry of the chart below the diagonal


def sym(x: Tensor) -> Tensor:
    """Return the symmetric part."""
    return (x + x.mT) / 2


def trace_product(u: Tensor, v: Tensor) -> Tensor:
    """Return tr(uᵀ v)."""
    return (u * v).sum((-2, -1))


def factor(x: Tensor) -> Tensor:
    """Return the lower triangular L with L Lᵀ = x, of the symmetric part of x."""
    # torch's derivatives of it forward and backward are adjoint for symmetric directions only
    lower, info = torch.linalg.cholesky_ex(sym(x))
    return within(lower, info == 0, lambda: _not_positive(x))


def _not_positive(x: Tensor) -> str:
    least = float(torch.linalg.eigvalsh(sym(x.detach())).min()) if x.isfinite().all() else torch.nan
    return (
        f"SPD: expected symmetric positive definite matrices; got an eigenvalue of {least:.3g}. "
        "Look for what left the cone, or bring it back with SPD(n).nearest(x)."
    )


def whitened(lower: Tensor, v: Tensor) -> Tensor:
    """Return L⁻¹ v L⁻ᵀ of symmetric v."""
    half = torch.linalg.solve_triangular(lower, v, upper=False)
    return sym(torch.linalg.solve_triangular(lower, half.mT, upper=False))
