"""The Bures-Wasserstein metric."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.manifolds._domain import within
from darboux.manifolds._lyapunov import lyapunov
from darboux.manifolds._orthonormal import polar
from darboux.manifolds._spd_metric import SPDMetric, factor, sym, trace_product
from darboux.manifolds._symmetric import spectrum


@final
class BuresWasserstein(SPDMetric):
    """The optimal transport distance of centred normal distributions: <u, v>_x = ½ tr(Z u).

    Z solves xZ + Zx = v. Geodesics are (1 + tZ) x (1 + tZ), until 1 + tZ is singular.

    Source: Malagò, Montrucchio and Pistone 2018; Bhatia, Jain and Lim 2019.
    """

    parallel = False
    complete = False

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return ½ tr(Z u)."""
        return trace_product(_potential(x, v), u) / 2

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return (1 + Z) x (1 + Z).

        Raises:
            ValueError: if the geodesic ends before time 1.
        """
        z = _potential(x, v)
        least = spectrum(z)[0][0]
        z = within(z, least > -1, lambda: _too_far(least))
        return sym(x + v + z @ x @ z)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return T x + x T - 2 x, with T of `_optimal`."""
        lower, moved = _optimal(x, y)
        half = (moved - lower) @ lower.mT
        return half + half.mT

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return tr x + tr y - 2 tr (x^½ y x^½)^½, as a square."""
        lower, moved = _optimal(x, y)
        return (moved - lower).square().sum((-2, -1))

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return 2 (x g + g x)."""
        half = 2 * x @ g
        return half + half.mT

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return Z x T + T x Z: the flat transport of the factors L, projected."""
        lower, moved = _optimal(x, y)
        half = _potential(x, v) @ lower @ moved.mT
        return half + half.mT


def _optimal(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return L and T L, with x = L Lᵀ and T the optimal map, T x T = y."""
    # T L is the factor of y that is nearest to L. The root of Lᵀy L would square the condition.
    lower, other = factor(x), factor(y)
    return lower, other @ polar(other.mT @ lower)


def _potential(x: Tensor, v: Tensor) -> Tensor:
    """Return the symmetric Z with xZ + Zx = v."""
    return lyapunov(x, (v + v.mT) / 2)


def _too_far(least: Tensor) -> str:
    return (
        f"SPD bures: expected a tangent vector v with 1 + Z positive definite, xZ + Zx = v; got "
        f"an eigenvalue of {1 + float(least.min()):.3g}: the geodesic leaves the cone before time "
        "1. Take a smaller step."
    )
