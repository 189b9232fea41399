"""Constraints on a weight: nonnegative, skew, or of bounded norm."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from darboux.linear._spectral import kernel_bound
from darboux.structure import Claim, Kind, Lipschitz, Premise
from darboux.structure._arguments import Count, Positive, checked
from darboux.structure._module import Module


def constrained_claim(
    module: nn.Module, layer: nn.Module, premises: tuple[Premise, ...]
) -> Claim | None:
    """Return what the last constraint on a weight says of a layer, that map or its adjoint."""
    if not parametrize.is_parametrized(module, "weight"):
        return None
    constraints = module.get_submodule("parametrizations.weight")
    claim = getattr(list(constraints.children())[-1], "claim", None)
    return None if claim is None else claim(layer, premises)


def shrunk(weight: Tensor, bound: Tensor, norm: float) -> Tensor:
    """Return W min(1, c/bound), rounded so that its norm is at most c if that of W is the bound."""
    # Rounding ratio and product may lift entries by two units, and subnormal ones by half of the
    # smallest number. A ratio of float16 would often be subnormal; any other such is made 0.
    limits, wide = torch.finfo(weight.dtype), weight.dtype
    wide = torch.float32 if wide == torch.float16 else wide
    spread = math.prod(weight.shape[2:]) * math.sqrt(math.prod(weight.shape[:2]))
    lifted = 0.5 * limits.tiny * limits.eps * spread
    margin = max(0.0, 1 - 4 * limits.eps - lifted / norm)
    ratio = norm * margin / bound.clamp(min=norm)
    ratio = torch.where(ratio <= torch.finfo(wide).tiny, 0.0, ratio)  # NaN stays
    ratio = torch.where(bound <= norm, 1.0, ratio).to(wide)
    return (weight.to(wide) * ratio).to(weight.dtype)


@final
class Nonnegative(Module):
    """Parametrise a weight by its absolute value, W -> |W|, entry by entry.

    Source: section 2.1.1 (Zhang and Schaeffer's case A2 >= 0).

    Example:
        >>> import darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = dx.linear.Dense(3, 3)
        >>> _ = parametrize.register_parametrization(dense, "weight", Nonnegative())
        >>> bool((dense.weight >= 0).all())
        True
    """

    def forward(self, weight: Tensor) -> Tensor:
        """Return |W|."""
        return weight.abs()

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return a W' with |W'| = |W|."""
        return weight


@final
class Skew(Module):
    """Parametrise a kernel by its skew part, W -> W - W*.

    For a matrix W* is the transpose; for a kernel with an odd number of taps on every
    axis the taps are mirrored as well, so that the convolution is skew.

    Shapes: (features, features, *kernel), kept.

    Source: section 2.1.1.

    Example:
        >>> import darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = dx.linear.Dense(3, 3)
        >>> _ = parametrize.register_parametrization(dense, "weight", Skew())
        >>> bool((dense.weight == -dense.weight.T).all())
        True
    """

    def forward(self, weight: Tensor) -> Tensor:
        """Return W - W*.

        Raises:
            ValueError: if W is not square, or has an even number of taps.
        """
        square = weight.ndim >= 2 and weight.shape[0] == weight.shape[1]
        if not square or any(k % 2 == 0 for k in weight.shape[2:]):
            msg = (
                "Skew: expected a square weight with odd kernels; got shape "
                f"{tuple(weight.shape)}. Use SkewPart for even kernels."
            )
            raise ValueError(msg)
        mirrored = weight.transpose(0, 1)
        if weight.ndim > 2:
            mirrored = mirrored.flip(tuple(range(2, weight.ndim)))
        return weight - mirrored

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return W/2, which becomes W if W is skew, and else its skew part."""
        return weight / 2


@final
class Spectral(Module):
    """Parametrise a kernel so that its norm is at most c: W -> W c / max(c, bound(W)).

    The bound is rigorous, for matrices and for convolutions on every image size; kernels
    within it stay as they are.

    Shapes: (out, in, *kernel), kept.

    Source: sections 2.1.1 and 4.1.3.

    Args:
        norm: c > 0.

    Raises:
        ValueError: if c is not positive.

    Example:
        >>> import darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> conv = dx.linear.Conv(2, 2, kernel_size=3, dim=2)
        >>> _ = parametrize.register_parametrization(conv, "weight", Spectral(norm=0.5))
        >>> bool(conv.norm_bound() <= 0.5)
        True
    """

    @checked
    def __init__(self, *, norm: Positive = 1.0) -> None:
        super().__init__()
        self.norm = float(norm)

    def forward(self, weight: Tensor) -> Tensor:
        """Return W, shrunk to the norm if its bound exceeds it."""
        return shrunk(weight, kernel_bound(weight), self.norm)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return a W' that becomes W, if W obeys the constraint."""
        return weight

    def claim(self, module: nn.Module, premises: tuple[Premise, ...]) -> Claim:
        """Return that a map with this kernel is Lipschitz with c."""
        del module
        reason = f"the weight is W c / max(c, bound(W)) with c = {self.norm:g} (Spectral)"
        return Claim(Lipschitz(self.norm), Kind.CONSTRUCTION, reason, premises)

    def extra_repr(self) -> str:
        """Return the norm."""
        return f"norm={self.norm:g}"


@final
class LowRank(Module):
    """Parametrise a matrix by a product of two thin ones, W = L R, of rank r at most.

    Shapes: W is (out, in), L is (out, r), R is (r, in); both are parameters.

    Source: section 6.2.1.

    Args:
        rank: r >= 1, at most the smaller side of the weight.

    Raises:
        TypeError: if the rank is no integer.
        ValueError: if it isn't positive or too large, or the weight is no matrix.

    Example:
        >>> import torch, darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = dx.linear.Dense(6, 5)
        >>> _ = parametrize.register_parametrization(dense, "weight", LowRank(2))
        >>> int(torch.linalg.matrix_rank(dense.weight))
        2
    """

    @checked
    def __init__(self, rank: Count) -> None:
        super().__init__()
        self.rank = rank

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return L R."""
        return left @ right

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return balanced L and R whose product is the nearest matrix of rank r.

        Raises:
            ValueError: if the weight is no matrix, or smaller than the rank.
        """
        if weight.ndim != 2 or min(weight.shape) < self.rank:
            msg = (
                f"LowRank: expected a matrix with both sides of {self.rank} or more; got shape "
                f"{tuple(weight.shape)}."
            )
            raise ValueError(msg)
        left, values, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
        roots = values[: self.rank].sqrt()
        pair = left[:, : self.rank] * roots, roots[:, None] * right[: self.rank]
        return pair[0].to(weight.dtype), pair[1].to(weight.dtype)

    def extra_repr(self) -> str:
        """Return the rank."""
        return f"rank={self.rank}"
