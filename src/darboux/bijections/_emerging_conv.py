"""Convolutions with zero padding that are products of triangular ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.bijections._bijection import bijective, wide
from darboux.bijections._linear_bijection import LinearBijection, Operator
from darboux.bijections._matrices import (
    Fraction,
    above,
    log_diagonal,
    on_diagonal,
    raw_of_one,
)
from darboux.bijections._wavefronts import causal_solve, wavefronts
from darboux.linear import Stencil
from darboux.linear._sizes import Axes, Taps, affordable, kernel_sizes
from darboux.linear._spectral import norm_bound
from darboux.structure import BiLipschitz, Claims
from darboux.structure._arguments import Count, checked


@final
class EmergingConv(LinearBijection):
    """y = S₂* S₁ x with convolutions S_i that see only what comes before, in raster order.

    S_i has taps W_i(t) before the centre and a triangular matrix C_i on it: in raster order of
    pixels, then of channels, S₁ is lower and S₂* upper triangular, an LU factorisation with
    the field of view of the whole kernel. C₂ has ones on its diagonal, and C₁ has
    d_i = floor + log(1 + e^{r_i}) > 0 for all parameters: log|det| = P Σ log d_i on P points.

    The inverse is exact substitution, front by front: on an n x n image with 3 x 3 taps
    3n - 2 steps of a small matrix product, for each of the two factors. Unlike the forward
    pass it is sequential. How stable it is depends on the taps: they start small.

    Shapes: x and y are (batch, channels, *space), of any size.

    Source: section 4.1.3; Hoogeboom, van den Berg and Welling 2019, Emerging convolutions
    for generative normalizing flows.

    Args:
        channels: channels of x.
        kernel_size: odd numbers of taps per axis, one for all or one for each, not all 1.
        dim: spatial axes, 1 to 3.
        floor: smallest d_i, between 0 and 1.

    Raises:
        ValueError: if a kernel size is even or all are 1, or the floor lies outside (0, 1).

    Example:
        >>> layer, x = EmergingConv(2, kernel_size=3, dim=2), torch.randn(1, 2, 5, 5)
        >>> bool(torch.allclose(layer.inverse(layer(x)), x, atol=1e-5))
        True
    """

    @checked
    def __init__(
        self,
        channels: Count,
        *,
        kernel_size: Taps | Sequence[Taps],
        dim: Axes,
        floor: Fraction = 1e-3,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.dim = dim
        self.kernel_size = kernel_sizes(kernel_size, dim)
        self.floor = floor
        count = math.prod(self.kernel_size) // 2
        if any(k % 2 == 0 for k in self.kernel_size) or count == 0:
            msg = (
                f"EmergingConv: expected odd kernel sizes, not all 1; got {self.kernel_size}. "
                "Use 3, PeriodicConv for even kernels, or LULinear for a kernel of one tap."
            )
            raise ValueError(msg)
        affordable("EmergingConv", "taps", 2 * channels**2 * count, "Use fewer channels or taps.")
        scale = 0.1 / (channels * count) ** 0.5
        self.taps = nn.Parameter(torch.randn(2, channels, channels, count) * scale)
        centre = torch.randn(channels, channels) * (0.1 / channels**0.5)
        self.centre = nn.Parameter(centre.fill_diagonal_(raw_of_one(floor)))

    def operator(self) -> Operator:
        """Return the taps of both factors, and C₁ and C₂ᵀ."""
        centre = wide(self.centre)
        diagonal = on_diagonal(centre)
        first = torch.where(diagonal, above(centre, self.floor), centre.tril())
        return wide(self.taps), first, torch.where(diagonal, 1, centre.triu())

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return S₂* S₁ x."""
        first, second = self._factors(operator)
        return second.adjoint().apply(first.apply(x))

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return S₁⁻¹ S₂⁻* y; mirrored in space, S₂* is causal as well."""
        taps, first, second = operator
        fronts = wavefronts(tuple(y.shape[2:]), self.kernel_size, y.device)
        axes = tuple(range(2, y.ndim))
        mirrored = causal_solve(taps[1].transpose(0, 1), second, y.flip(axes), fronts, upper=True)
        return causal_solve(taps[0], first, mirrored.flip(axes), fronts, upper=False)

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> Tensor:
        """Return P Σ log d_i on P points."""
        return log_diagonal(operator[1]) * torch.Size(size).numel()

    def claims(self) -> Claims:
        """Return that the factors are triangular, and bounds where the taps are small."""
        reason = f"triangular factors with d_i >= {self.floor:g} for all parameters"
        operator = tuple(part.detach().double() for part in self.operator())
        if not all(bool(part.isfinite().all()) for part in operator):
            return bijective(reason, gap="the weights are not finite")
        taps, first, second = operator
        upper = math.prod(float(norm_bound(stencil)) for stencil in self._factors(operator))
        lower = self._least(taps[0], first) * self._least(taps[1], second.T)
        gap = (
            "no lower bound: the taps beside the centre have a norm bound >= 1 relative to it, so "
            "the inverse may be as large as products over the image make it"
        )
        return bijective(reason, bounds=BiLipschitz(lower, upper), gap=None if lower > 0 else gap)

    def extra_repr(self) -> str:
        """Return the sizes and the floor."""
        return (
            f"{self.channels}, kernel_size={self.kernel_size}, dim={self.dim}, floor={self.floor:g}"
        )

    def _factors(self, operator: Operator) -> tuple[Stencil, Stencil]:
        """Return S₁ and S₂, whose kernels end in the row of the centre."""
        taps, first, second = operator
        return self._stencil(taps[0], first), self._stencil(taps[1], second.T)

    def _stencil(self, taps: Tensor, centre: Tensor) -> Stencil:
        rows = (self.kernel_size[0] // 2 + 1, *self.kernel_size[1:])
        flat = torch.cat([taps, centre[..., None]], dim=-1)
        flat = F.pad(flat, [0, math.prod(rows) - flat.shape[-1]])
        origin = tuple(-(k // 2) for k in self.kernel_size)
        return Stencil(flat.reshape(*flat.shape[:2], *rows), origin, "zeros")

    def _least(self, taps: Tensor, centre: Tensor) -> float:
        """Return μ >= 0 with ‖S x‖ >= μ ‖x‖: σ_min(C) (1 - ‖C⁻¹ W‖), for S = C (1 + C⁻¹ W)."""
        rest = torch.linalg.solve_triangular(centre, taps.flatten(1), upper=False)
        ratio = float(norm_bound(self._stencil(rest.reshape(taps.shape), 0 * centre)))
        margin = 8 * len(centre) * torch.finfo(torch.float64).eps
        values = torch.linalg.svdvals(centre)
        return max(0.0, float(values[-1]) - margin * float(values[0])) * max(0.0, 1 - ratio)
