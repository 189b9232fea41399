"""The constraint that a matrix has orthonormal columns or rows."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.solvers._transforms import without_autocast
from darboux.structure import Claim, Isometric, Kind, Lipschitz, Premise, adjoint_of, isometry_of
from darboux.structure._arguments import checked
from darboux.structure._module import Module

Retraction = Literal["exp", "cayley"]


@final
class Orthogonal(Module):
    """Parametrise a matrix by W = B Q(X), Q(X) = exp(X - Xᵀ) or its Cayley transform.

    B is a fixed orthogonal matrix, a buffer, chosen when the constraint is registered so
    that X = 0 gives the orthogonal matrix nearest to the weight. Tall matrices keep
    their first columns (WᵀW = 1), wide ones are transposes of tall ones (W Wᵀ = 1).

    Shapes: W is (out, in), X is (n, n) with n = max(out, in).

    Source: sections 4.1.3 and 6.2.1.

    Args:
        map: "exp" or "cayley".

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
        self.columns = 0
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
        base = self.base.to(raw.dtype)
        if raw.dtype == torch.float64:  # it may come from another precision, and be rounded
            base, triangle = torch.linalg.qr(base)
            base = base * triangle.diagonal().sign()
        tall = base @ orthonormal_columns(raw, self.columns, self.map)
        return tall.T if self.wide else tall

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Choose B for a weight, and return X = 0.

        Raises:
            ValueError: if the weight is no matrix.
        """
        if weight.ndim != 2:
            msg = f"Orthogonal: expected a matrix; got shape {tuple(weight.shape)}. Use Dense."
            raise ValueError(msg)
        self.wide = weight.shape[0] < weight.shape[1]
        tall = weight.detach().double()
        tall = tall.T if self.wide else tall
        self.columns = tall.shape[1]
        left, _, right = torch.linalg.svd(tall, full_matrices=True)
        # The nearest matrix with orthonormal columns, and a basis of the complement.
        nearest = left[:, : self.columns] @ right
        self.base = torch.cat([nearest, left[:, self.columns :]], dim=1).to(weight.dtype)
        return weight.new_zeros(len(tall), len(tall))

    def claim(self, module: nn.Module, premises: tuple[Premise, ...]) -> Claim:
        """Return that a map with this matrix is isometric, or nonexpansive if it is wide."""
        reason = f"the weight is B Q(X) with Q(X) orthogonal for every X ({self.map})"
        if self.wide:
            return Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason, premises)
        isometry = (adjoint_of(module), isometry_of(module))
        return Claim(Isometric(), Kind.CONSTRUCTION, reason, isometry)

    def extra_repr(self) -> str:
        """Return the map."""
        return f"map={self.map!r}"


def orthonormal_columns(raw: Tensor, columns: int, map: Retraction = "exp") -> Tensor:
    """Return the first columns of exp(S) or of (1 - S/2)⁻¹(1 + S/2), S = X - Xᵀ skew."""
    # Both are orthogonal for every X, up to rounding, which grows with S: 1e-1 for n = 128 and
    # entries of 1e4 in float32.
    with without_autocast(raw):
        skew = raw.double() - raw.double().mT
        if map == "exp":
            return torch.linalg.matrix_exp(skew)[:, :columns].to(raw.dtype)
        eye = torch.eye(len(skew), dtype=skew.dtype, device=skew.device)
        return torch.linalg.solve(eye - skew / 2, (eye + skew / 2)[:, :columns]).to(raw.dtype)
