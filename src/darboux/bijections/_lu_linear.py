"""Mixing of channels by triangular factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import bijective, wide
from darboux.bijections._linear_bijection import LinearBijection, Operator
from darboux.bijections._matrices import (
    Fraction,
    Side,
    above,
    log_diagonal,
    mix,
    on_diagonal,
    raw_of,
    raw_of_one,
)
from darboux.bijections._permutation import check_permutation
from darboux.structure import BiLipschitz, Claims
from darboux.structure._arguments import Natural, checked


@final
class LULinear(LinearBijection):
    """y(p) = W x(p) with W = P L U: P a fixed permutation, L unit lower and U upper triangular.

    The diagonal of U is u_i = s_i (floor + log(1 + e^{r_i})) with fixed signs s: bounded away
    from 0 for all parameters. One weight holds L below, r on and U above its diagonal.
    W starts near P. log|det W| = Σ log|u_i|; the inverse solves two triangular systems.

    Shapes: x and y are (batch, features, *space).

    Source: section 4.1.3; Kingma and Dhariwal 2018, Glow.

    Args:
        features: channels of x.
        floor: smallest modulus of u_i, between 0 and 1.
        permutation: π with (P z)_i = z_{π(i)}; the identity if None.

    Raises:
        ValueError: if the floor lies outside (0, 1), or it is no permutation of the channels.

    Example:
        >>> layer, x = LULinear(3), torch.randn(2, 3, 8, 8)
        >>> bool(torch.allclose(layer.inverse(layer(x)), x, atol=1e-5))
        True
    """

    permutation: Tensor
    signs: Tensor

    @checked
    def __init__(
        self,
        features: Side,
        *,
        floor: Fraction = 1e-3,
        permutation: Sequence[Natural] | None = None,
    ) -> None:
        super().__init__()
        self.channels = features
        self.floor = floor
        order = list(range(features)) if permutation is None else permutation
        order = check_permutation("LULinear", order)
        if len(order) != features:
            msg = f"LULinear: expected a permutation of {features}; got {len(order)} indices."
            raise ValueError(msg)
        weight = torch.randn(features, features) * (0.2 / features**0.5)
        self.weight = nn.Parameter(weight.fill_diagonal_(raw_of_one(floor)))
        self.permutation = nn.Buffer(torch.tensor(order))
        self.signs = nn.Buffer(torch.ones(features, dtype=torch.int8))

    @classmethod
    @checked
    def from_matrix(cls, matrix: Tensor, *, floor: Fraction = 1e-3) -> LULinear:
        """Return the layer whose W is a given matrix, with the permutation that pivoting chose.

        Args:
            matrix: W, square.
            floor: smallest modulus of u_i that training may reach.

        Raises:
            ValueError: if W is not square or not finite, or a pivot does not exceed the floor.
        """
        _check_matrix(matrix)
        order, lower, upper = torch.linalg.lu(matrix.detach().double())
        pivots = upper.diagonal()
        smallest = float(pivots.abs().min())
        if not smallest > floor:
            msg = (
                f"LULinear: expected an invertible matrix, with pivots above floor = {floor:g}; "
                f"got the smallest pivot {smallest:.3g}. Use a matrix further from singular "
                "ones, or a smaller floor."
            )
            raise ValueError(msg)
        with torch.device(matrix.device):
            layer = cls(len(matrix), floor=floor, permutation=order.argmax(dim=1).tolist())
        layer = layer.to(matrix.dtype)
        with torch.no_grad():
            layer.signs.copy_(pivots.sign())
            raw = torch.diag(raw_of(pivots.abs(), floor))
            layer.weight.copy_(lower.tril(-1) + raw + upper.triu(1))
        return layer

    def operator(self) -> Operator:
        """Return L below and U above the diagonal and on it, in one matrix."""
        return (self._factors(wide(self.weight)),)

    def matrix(self) -> Tensor:
        """Return W, (features, features), in float32 at least."""
        return self._product(self.operator()[0])

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return P L U x, in one product."""
        return mix(self._product(operator[0]), x)

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return U⁻¹ L⁻¹ Pᵀ y: the triangular systems are solved for the matrix, then applied."""
        factors = operator[0]
        eye = torch.eye(self.channels, dtype=factors.dtype, device=factors.device)
        right = eye[self.permutation.argsort()]
        first = torch.linalg.solve_triangular(factors, right, upper=False, unitriangular=True)
        return mix(torch.linalg.solve_triangular(factors, first, upper=True), y)

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> Tensor:
        """Return P Σ log|u_i| on P points."""
        return log_diagonal(operator[0]) * torch.Size(size).numel()

    def claims(self) -> Claims:
        """Return that W is invertible for all parameters, and its singular values now."""
        reason = f"W = P L U, |u_i| >= {self.floor:g} for all parameters"
        bounds, gap = _bounds(self._product(self._factors(self.weight.detach().double())))
        return bijective(reason, bounds=bounds, gap=gap)

    def extra_repr(self) -> str:
        """Return the number of channels and the floor."""
        return f"{self.channels}, floor={self.floor:g}"

    def _factors(self, weight: Tensor) -> Tensor:
        diagonal = above(weight, self.floor) * self.signs
        return torch.where(on_diagonal(weight), diagonal, weight)

    def _product(self, factors: Tensor) -> Tensor:
        lower = factors.tril(-1)
        upper = factors.triu()
        return (upper + lower @ upper)[self.permutation]


def _check_matrix(matrix: Tensor) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.is_floating_point():
        msg = (
            "LULinear: expected a square matrix of real numbers; got shape "
            f"{tuple(matrix.shape)}, {matrix.dtype}. Use (features, features)."
        )
        raise ValueError(msg)
    if matrix.is_meta:
        msg = "LULinear: expected a matrix of numbers; got one on the meta device. Use the CPU."
        raise ValueError(msg)
    if not bool(matrix.isfinite().all()):
        msg = "LULinear: expected a finite matrix; got NaN or infinity. Look for what made them."
        raise ValueError(msg)


def _bounds(matrix: Tensor) -> tuple[BiLipschitz | None, str | None]:
    """Return bounds σ_min(W), σ_max(W) with room for rounding, or why there are none."""
    if matrix.is_meta or not bool(matrix.isfinite().all()):
        return None, "the weights are not finite"
    values = torch.linalg.svdvals(matrix)
    # Backward stable: every singular value is off by a small multiple of the largest one.
    margin = 8 * len(matrix) * torch.finfo(torch.float64).eps * float(values[0])
    low, high = max(0.0, float(values[-1]) - margin), float(values[0]) + margin
    if low == 0:
        why = f"the smallest singular value, {float(values[-1]):.3g}, is lost in rounding"
        return BiLipschitz(0.0, high), why
    return BiLipschitz(low, high), None
