"""Mixing of channels by reflections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective, wide
from darboux.bijections._linear_bijection import LinearBijection, Operator
from darboux.bijections._matrices import Side, mix
from darboux.structure import Claims
from darboux.structure._arguments import checked


@final
class HouseholderLinear(LinearBijection):
    """y(p) = H₁ H₂ ... H_k x(p) with reflections H_i = 1 - 2 v_i v_iᵀ / |v_i|².

    Orthogonal for every v; k = features reach every orthogonal matrix whose determinant is
    (-1)^k. Few reflections are applied as a product of thin matrices, in 2k instead of
    `features` operations per channel and point. A vector that is zero counts as no reflection.

    Shapes: x and y are (batch, features, *space); v is (reflections, features).

    Source: section 4.1.3; Tomczak and Welling 2016, Improving variational auto-encoders
    using Householder flow.

    Args:
        features: channels of x.
        reflections: k; `features` if None.

    Raises:
        ValueError: if a number is not positive.

    Example:
        >>> layer, x = HouseholderLinear(3, reflections=1), torch.randn(1, 3)
        >>> bool(torch.allclose(layer(layer(x)), x, atol=1e-5))
        True
    """

    @checked
    def __init__(self, features: Side, *, reflections: Side | None = None) -> None:
        super().__init__()
        self.channels = features
        self.reflections = features if reflections is None else reflections
        self.weight = nn.Parameter(torch.randn(self.reflections, features))

    def operator(self) -> Operator:
        """Return thin factors U and R U of 1 - Uᵀ R U, or the matrix where it is cheaper."""
        unit, product = _reflection_factor(wide(self.weight))
        if 2 * self.reflections < self.channels:
            return unit, product
        eye = torch.eye(self.channels, dtype=unit.dtype, device=unit.device)
        return (eye - unit.T @ product,)

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return Q x."""
        if len(operator) == 1:
            return mix(operator[0], x)
        unit, product = operator
        return x - mix(unit.T, mix(product, x))

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return Qᵀ y."""
        if len(operator) == 1:
            return mix(operator[0].T, y)
        unit, product = operator
        return y - mix(product.T, mix(unit, y))

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> None:
        """Return None: |det Q| = 1."""
        del operator, size

    def claims(self) -> Claims:
        """Return that the mixing is isometric for all parameters."""
        reason = "the channels are mixed by a product of reflections"
        return bijective(reason, volume=True, isometric=True)

    def extra_repr(self) -> str:
        """Return the numbers of channels and reflections."""
        return f"{self.channels}, reflections={self.reflections}"


def _reflection_factor(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return U and R with H₁ H₂ ... H_k = 1 - Uᵀ R U, H_i = 1 - 2 v_i v_iᵀ / |v_i|²."""
    # U has the rows v_i / |v_i|, and R is the inverse of the upper triangular matrix with 1/2 on
    # the diagonal and the products u_i·u_j above it: the product is orthogonal for every v, in
    # one triangular solve. A vector that is zero counts as no reflection, and gets no gradient.
    # Schreiber and Van Loan 1989, A storage-efficient WY representation for products of Householder
    # transformations.
    # Of degree zero in v: the scale may count as constant, and saves squares from underflow.
    scale = vectors.detach().abs().amax(dim=-1, keepdim=True)
    scaled = vectors / scale.clamp(min=torch.finfo(vectors.dtype).tiny)
    # Scaled vectors have squares >= 1, but zero.
    unit = scaled * scaled.square().sum(dim=-1, keepdim=True).clamp(min=0.5).rsqrt()
    half = torch.eye(unit.shape[-2], dtype=unit.dtype, device=unit.device) / 2
    factor = half + (unit @ unit.mT).triu(diagonal=1)
    return unit, torch.linalg.solve_triangular(factor, unit, upper=True)


def reflected(vectors: Tensor) -> Tensor:
    """Return H₁ H₂ ... H_k as matrices, (..., n, n); see `_reflection_factor`."""
    unit, product = _reflection_factor(vectors)
    eye = torch.eye(unit.shape[-1], dtype=unit.dtype, device=unit.device)
    return eye - unit.mT @ product
