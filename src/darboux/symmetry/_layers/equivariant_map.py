"""The abstract equivariant map: weights times a basis of equivariant kernels."""

from __future__ import annotations

import math
from itertools import chain
from typing import final

import torch
from torch import Tensor, nn

from darboux.linear import Stencil, StencilMap
from darboux.linear._sizes import affordable
from darboux.solvers._transforms import without_autocast
from darboux.structure import Equivariant
from darboux.structure._arguments import checked
from darboux.structure._constants import HasConstants
from darboux.symmetry._feature import Feature
from darboux.symmetry._layers.blocks import blocks, order, sizes


class EquivariantMap(StencilMap, HasConstants):
    """A linear map whose kernel is a combination of the kernels that commute with a group.

    k(t) = Σ_b w_b k_b(t), where the k_b are an orthonormal basis of all kernels with
    k(g t) ρ₁(g) = ρ₂(g) k(t). So the map is equivariant for all weights w, and a plain
    convolution otherwise: adjoint, bounds and freezing are those of one kernel. The kernel
    is summed in the dtype of the weights, under autocast too.

    Source: section 5.1.2.
    """

    invariants: Tensor

    def __init__(
        self,
        source: Feature,
        target: Feature,
        *,
        kernel_size: int,
        dim: int,
        translations: tuple[int, int] | None,
    ) -> None:
        super().__init__()
        _check(type(self).__name__, source, target)
        self.source = source
        self.target = target
        self.in_features, self.out_features = source.channels, target.channels
        self.kernel_size = (kernel_size,) * dim
        self.dim = dim
        self._blocks = blocks(source, target, kernel_size=kernel_size, dim=dim)
        self._sorted = [order(target), order(source)]
        for axis, places in enumerate(self._sorted):
            if places is not None:
                self.hold(f"order_{axis}", torch.tensor(places, device="cpu"))
        for k, block in enumerate(chain.from_iterable(self._blocks)):
            self.hold(f"basis_{k}", block.basis.flatten(1))
        self.hold("invariants", target.invariants())
        self.weight = nn.Parameter(self._start())
        self._symmetry = _symmetry(source, target, dim=dim, translations=translations)

    def full_kernel(self) -> Tensor:
        """Return k, (out_features, in_features, *kernel)."""
        with without_autocast(self.weight):
            parts = self.weight.split(sizes(self._blocks))
            rows, k = [], 0
            for row in self._blocks:
                columns = []
                for block in row:
                    columns.append(block.expand(parts[k], getattr(self, f"basis_{k}")))
                    k += 1
                rows.append(torch.cat(columns, dim=1) if len(columns) > 1 else columns[0])
            kernel = torch.cat(rows) if len(rows) > 1 else rows[0]
            for axis, places in enumerate(self._sorted):
                if places is not None:
                    kernel = kernel.index_select(axis, getattr(self, f"order_{axis}"))
        return kernel.reshape(self.out_features, self.in_features, *self.kernel_size)

    def shifts(self) -> Tensor:
        """Return the invariant vectors of the target, (out_features, count)."""
        return self.invariants

    def tie(self, rows: Tensor) -> Tensor:
        """Return for every channel the maximum over its field."""
        return self.target.tie(rows)

    def equivariant(self) -> Equivariant:
        """Return what A commutes with."""
        return self._symmetry

    def extra_repr(self) -> str:
        """Return the features."""
        return f"{self.source!r} -> {self.target!r}"

    def _start(self) -> Tensor:
        """Return normal weights that give the kernel's entries the variance of a plain map's.

        A coefficient of variance s² for each of the n orthonormal kernels of a block gives its
        entries the variance s² n / entries on average.
        """
        taps = math.prod(self.kernel_size)
        scale = 1 / (1.1 * taps**0.5 * (self.out_features**0.5 + self.in_features**0.5))
        parts = [
            torch.randn(block.count) * scale * (block.basis[0].numel() / len(block.basis)) ** 0.5
            for block in chain.from_iterable(self._blocks)
            if block.count
        ]
        return torch.cat(parts)


def _symmetry(
    source: Feature, target: Feature, *, dim: int, translations: tuple[int, int] | None
) -> Equivariant:
    """Return the claim: on images of the grid, where not all of the group maps it to itself."""
    group = source.group
    grid = bool(dim and group.dim) and len(group.grid_elements()) != group.order
    return Equivariant(group, source, target, grid=grid, translations=translations)


def _check(name: str, source: Feature, target: Feature) -> None:
    """Refuse features that no map can go between."""
    affordable(name, "a matrix", source.channels * target.channels, "Use fewer channels.")
    if source.group != target.group:
        msg = (
            f"{name}: expected features of one group; got {source.group.describe()} -> "
            f"{target.group.describe()}. Restrict the representations to a common subgroup."
        )
        raise ValueError(msg)


@final
class EquivariantDense(EquivariantMap):
    """The dense map A x with A ρ₁(g) = ρ₂(g) A for all g of a group.

    Its weights are coefficients of a basis of all such matrices; by Schur's lemma there are as
    many as the fields share irreducible parts. Biases are invariant vectors.

    Shapes: x is (batch, source.channels), A x is (batch, target.channels).

    Source: section 5.1.2.

    Args:
        source: how x transforms.
        target: how A x transforms.

    Raises:
        TypeError: if something else than features is given.
        ValueError: if the groups differ, a field of the target could only be zero, or the matrix
            would have more than 2^26 entries.

    Example:
        >>> import torch, darboux as dx
        >>> feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
        >>> dense = dx.symmetry.EquivariantDense(feature, feature)
        >>> dense.weight.shape, dense(torch.ones(2, 4)).shape
        (torch.Size([4]), torch.Size([2, 4]))
    """

    @checked
    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__(source, target, kernel_size=1, dim=0, translations=(1, 1))

    def stencil(self) -> Stencil:
        """Return the matrix."""
        return Stencil(self.full_kernel(), (), "zeros")
