"""The affine-invariant metric."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.manifolds._matrix_functions import sym_expm, sym_logm, sym_sqrtm
from darboux.manifolds._spd_metric import SPDMetric, factor, sym, trace_product, whitened


@final
class AffineInvariant(SPDMetric):
    """<u, v>_x = tr(x⁻¹ u x⁻¹ v)."""

    # A congruence by L⁻¹, x = L Lᵀ, is an isometry that brings x to the identity. The square root
    # of x would do as well, and costs an eigendecomposition.

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(x⁻¹ u x⁻¹ v)."""
        lower = factor(x)
        return trace_product(whitened(lower, u), whitened(lower, v))

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the congruence by L of the exponential of L⁻¹ v L⁻ᵀ."""
        lower = factor(x)
        return sym(lower @ sym_expm(whitened(lower, v)) @ lower.mT)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the congruence by L of the logarithm of L⁻¹ y L⁻ᵀ."""
        lower = factor(x)
        return sym(lower @ sym_logm(whitened(lower, y)) @ lower.mT)

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return Σ log² of the eigenvalues of x⁻¹ y."""
        return sym_logm(whitened(factor(x), y)).square().sum((-2, -1))

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return x g x."""
        return x @ g @ x

    def killing(self, xi: Tensor) -> Tensor:
        """Return all of it."""
        return xi

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return E v Eᵀ with E = (y x⁻¹)^½."""
        lower = factor(x)
        root = sym_sqrtm(whitened(lower, y))
        moved = lower @ root
        return sym(moved @ whitened(lower, v) @ moved.mT)
