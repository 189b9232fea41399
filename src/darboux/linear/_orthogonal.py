"""The constraint that a matrix has orthonormal columns or rows."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from darboux.linear._orthonormal import (
    accurate,
    cayley_times,
    factor,
    rotated_cayley,
    rotated_exp,
)
from darboux.structure import Claim, Isometric, Kind, Lipschitz, Premise, adjoint_of, isometry_of
from darboux.structure._arguments import checked
from darboux.structure._module import Module

Retraction = Literal["exp", "cayley"]


@final
class Orthogonal(Module):
    """Parametrise a matrix so that its columns, or rows if it is wide, are orthonormal.

    A square weight is W = B Q(X - Xᵀ), where Q is the exponential or the Cayley transform,
    Q(S) = (1 - S/2)⁻¹(1 + S/2). A tall one is W = Q(Z Bᵀ - B Zᵀ) B with Z = X - B BᵀX / 2, which
    takes n p² + p³ operations because Z Bᵀ - B Zᵀ has rank 2p: the geodesic of the canonical
    metric from B, or its Cayley step. A wide one is the transpose of a tall one. B is
    orthonormal, a buffer, chosen when the constraint is registered so that X = 0 gives the
    orthonormal matrix nearest to the weight.

    Float32 results are computed in float32 and polished; where that leaves more than rounding,
    as at large X, in float64.

    Shapes: W, X and B are (out, in).

    Source: sections 4.1.3 and 6.2.1; Celledoni and Owren 2003 for the low rank.

    Args:
        map: "exp" or "cayley". The latter is several times faster.

    Raises:
        ValueError: if the map is unknown, or the weight is no matrix.

    Example:
        >>> import torch, darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = dx.linear.Dense(3, 5)
        >>> _ = parametrize.register_parametrization(dense, "weight", Orthogonal())
        >>> bool(torch.allclose(dense.weight.T @ dense.weight, torch.eye(3), atol=1e-5))
        True
    """

    base: Tensor | None

    @checked
    def __init__(self, map: Retraction = "exp") -> None:
        super().__init__()
        self.map: Retraction = map
        self.wide = False
        self.register_buffer("base", None)

    def forward(self, raw: Tensor) -> Tensor:
        """Return the matrix with orthonormal columns or rows."""
        if self.base is None:
            msg = (
                "Orthogonal: expected a registered constraint; got a call before any weight. Use "
                "parametrize.register_parametrization(map, 'weight', Orthogonal())."
            )
            raise ValueError(msg)
        if raw.shape != self.base.shape:
            msg = (
                f"Orthogonal: expected X of shape {tuple(self.base.shape)}; got "
                f"{tuple(raw.shape)}. X is the parameter that register_parametrization made."
            )
            raise ValueError(msg)
        base, raw = (self.base.mT, raw.mT) if self.wide else (self.base, raw)
        tall = _rotated(cast_base(base, raw.dtype), raw, self.map)
        return tall.mT if self.wide else tall

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Choose B for a weight, and return X = 0.

        Raises:
            ValueError: if the weight is no matrix.
        """
        if weight.ndim != 2:
            msg = f"Orthogonal: expected a matrix; got shape {tuple(weight.shape)}. Use Dense."
            raise ValueError(msg)
        self.wide = weight.shape[0] < weight.shape[1]
        left, _, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
        self.base = (left @ right).to(weight.dtype)
        return torch.zeros_like(weight)

    def claim(self, module: nn.Module, premises: tuple[Premise, ...]) -> Claim:
        """Return that a map with this matrix is isometric, or nonexpansive if it is wide."""
        reason = f"the weight is B Q or Q B, B orthonormal, Q orthogonal for every X ({self.map})"
        if is_wide(module):
            return Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason, premises)
        isometry = (adjoint_of(module), isometry_of(module))
        return Claim(Isometric(), Kind.CONSTRUCTION, reason, isometry)

    def extra_repr(self) -> str:
        """Return the map."""
        return f"map={self.map!r}"


def is_wide(layer: Any) -> bool:
    """Return whether a layer has fewer channels out than in: an adjoint may have more."""
    return bool(layer.out_features < layer.in_features)


def cast_base(base: Tensor, dtype: torch.dtype) -> Tensor:
    """Return orthonormal columns in another precision: rounded ones are no longer so in float64."""
    if dtype != torch.float64:
        return base.to(dtype)
    base, triangle = torch.linalg.qr(base.double())
    return base * triangle.diagonal().sign()


def orthonormal_columns(raw: Tensor, columns: int, map: Retraction = "exp") -> Tensor:
    """Return the first columns of exp(S) or of (1 - S/2)⁻¹(1 + S/2), S = X - Xᵀ skew."""

    def compute(raw: Tensor) -> Tensor:
        skew = raw - raw.mT
        if map == "exp":
            return torch.linalg.matrix_exp(skew)[..., :columns]
        eye = torch.eye(raw.shape[-1], columns, dtype=raw.dtype, device=raw.device)
        return cayley_times(skew, eye)

    return accurate(compute, raw)


def _rotated(base: Tensor, raw: Tensor, map: Retraction) -> Tensor:
    """Return B Q(X - Xᵀ) for square B, and else Q(W) B."""
    if base.shape[-1] < base.shape[-2]:
        rotate = rotated_exp if map == "exp" else rotated_cayley
        return accurate(lambda b, x: rotate(b, factor(b, x)), base, raw)
    if map == "exp":
        return accurate(lambda b, x: b @ torch.linalg.matrix_exp(x - x.mT), base, raw)
    return accurate(lambda b, x: cayley_times(x.mT - x, b.mT).mT, base, raw)
