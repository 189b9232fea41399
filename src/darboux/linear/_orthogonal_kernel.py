"""The constraint that a convolution has orthonormal columns or rows at every frequency."""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.linear._orthogonal import cast_base, is_wide, orthonormal_columns
from darboux.solvers._transforms import without_autocast
from darboux.structure import Claim, Isometric, Kind, Lipschitz, Premise, adjoint_of, isometry_of
from darboux.structure._arguments import Count, checked
from darboux.structure._module import Module


@final
class OrthogonalKernel(Module):
    """Parametrise the kernel of a convolution so that it is orthogonal, whatever the image.

    W = B ∗ Q ∗ Π_a Π_j (1 - P_aj + P_aj τ_a): a product of an orthogonal matrix and of factors that
    shift the range of a projection P_aj by one pixel along the axis a, as many as the kernel has
    taps beyond one. Its symbol is orthogonal at every frequency. Of wide and tall kernels the
    first columns or rows are taken. A circular convolution, or its adjoint, with at least as many
    channels out as in is isometric for every image size; all others, those with zeros outside
    too, are nonexpansive.

    B is orthogonal, a buffer, chosen when the constraint is registered so that constant images
    are first mapped as by the orthogonal matrix nearest to what the weight does to them.

    A convolution with a stride is one of blocks of pixels:
    ``Sequential(Lift(c, c * s**dim, dim=dim, shuffle=s), Conv(c * s**dim, ...))``; `Transposed` of
    both, in the other order, is the transposed one.

    Shapes: W is (out, in, *kernel); parameters are (groups, factors, n, n) with n the larger number
    of channels of a group.

    Source: sections 4.1.3 and 6.2.1; Li et al. 2019 for the projections; Vaidyanathan 1993.

    Args:
        groups: the number of blocks of channels that are mapped apart; W has zeros elsewhere.

    Raises:
        ValueError: if the weight is no kernel, or groups do not divide its channels.

    Example:
        >>> import torch, darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> conv = dx.linear.Conv(4, 4, kernel_size=3, dim=2)
        >>> _ = parametrize.register_parametrization(conv, "weight", OrthogonalKernel())
        >>> x = torch.randn(2, 4, 9, 7)
        >>> bool(torch.isclose(conv(x).norm(), x.norm()))
        True
        >>> conv.claims().find(dx.Isometric).kind.name
        'CONSTRUCTION'
    """

    base: Tensor | None

    @checked
    def __init__(self, *, groups: Count = 1) -> None:
        super().__init__()
        self.groups = groups
        self.sizes: tuple[int, ...] = ()
        self.register_buffer("base", None)

    def forward(self, raw: Tensor) -> Tensor:
        """Return the kernel."""
        if self.base is None:
            msg = (
                "OrthogonalKernel: expected a registered constraint; got a call before any weight. "
                "Use parametrize.register_parametrization(conv, 'weight', OrthogonalKernel())."
            )
            raise ValueError(msg)
        outputs, inputs = (c // self.groups for c in self.sizes[:2])
        with without_autocast(raw):
            blocks = [
                _product(base.double(), factors, self.sizes[2:])[:outputs, :inputs]
                for base, factors in zip(
                    (cast_base(base, raw.dtype) for base in self.base), raw.double(), strict=True
                )
            ]
        before = [F.pad(b, (0, 0) * (b.ndim - 2) + self._beside(g)) for g, b in enumerate(blocks)]
        return torch.cat(before).to(raw.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Choose B for a weight, and return parameters: Q = 1, and random projections.

        Raises:
            ValueError: if the weight is no kernel, or groups do not divide its channels.
        """
        if weight.ndim < 3 or any(c % self.groups for c in weight.shape[:2]):
            msg = (
                "OrthogonalKernel: expected a weight (out, in, *kernel) whose channels are "
                f"multiples of groups={self.groups}; got shape {tuple(weight.shape)}. Use "
                "Orthogonal for matrices."
            )
            raise ValueError(msg)
        self.sizes = tuple(weight.shape)
        outputs, inputs = (c // self.groups for c in weight.shape[:2])
        size = max(outputs, inputs)
        matrix = weight.detach().double().flatten(2).sum(2)
        blocks = matrix.unflatten(0, (self.groups, -1)).unflatten(2, (self.groups, -1))
        blocks = blocks.diagonal(dim1=0, dim2=2).movedim(-1, 0)
        left, _, right = torch.linalg.svd(F.pad(blocks, (0, size - inputs, 0, size - outputs)))
        self.base = (left @ right).to(weight.dtype)
        count = 1 + sum(k - 1 for k in weight.shape[2:])
        raw = torch.randn(self.groups, count, size, size, device=weight.device) / size**0.5
        raw[:, 0] = 0
        return raw.to(weight.dtype)

    def claim(self, module: Any, premises: tuple[Premise, ...]) -> Claim:
        """Return that a circular convolution is isometric, and every other nonexpansive."""
        reason = "the symbol is a product of orthogonal matrices at every frequency"
        if is_wide(module) or module.stencil().padding_mode != "circular":
            reason += "; zeros outside and fewer channels are projections"
            return Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason, premises)
        isometry = (adjoint_of(module), isometry_of(module))
        return Claim(Isometric(), Kind.CONSTRUCTION, reason, isometry)

    def extra_repr(self) -> str:
        """Return the number of groups."""
        return f"groups={self.groups}"

    def _beside(self, group: int) -> tuple[int, int]:
        """Return how many input channels stand before and after those of a group."""
        inputs = self.sizes[1] // self.groups
        return group * inputs, (self.groups - 1 - group) * inputs


def _product(base: Tensor, raw: Tensor, taps: tuple[int, ...]) -> Tensor:
    """Return B Q with its factors, (n, n, *taps)."""
    size = len(base)
    kernel = base @ orthonormal_columns(raw[0], size, "cayley")
    kernel = kernel.reshape(size, size, *(1,) * len(taps))
    factors = iter(raw[1:])
    for axis, count in enumerate(taps):
        for _ in range(count - 1):
            kernel = _shifted(kernel, orthonormal_columns(next(factors), size // 2, "cayley"), axis)
    return kernel


def _shifted(kernel: Tensor, columns: Tensor, axis: int) -> Tensor:
    """Return the product with 1 - P + P τ, P = V Vᵀ, which has one more tap along an axis."""
    moved = torch.einsum("oi...,ij->oj...", kernel, columns @ columns.T)
    after = (0, 0) * (kernel.ndim - 3 - axis)
    return F.pad(kernel - moved, (*after, 0, 1)) + F.pad(moved, (*after, 1, 0))
