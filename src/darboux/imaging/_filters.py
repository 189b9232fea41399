"""Banks of filters that are tied by the symmetries of the grid, with a norm of at most 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.linear import LinearMap, Stencil
from darboux.linear._constraints import shrunk
from darboux.linear._frequencies import samples_for
from darboux.linear._remembered import Remembered
from darboux.linear._spectral import kernel_bound
from darboux.linear._stencil import Padding as PlainPadding
from darboux.structure import Equivariant
from darboux.symmetry import Dihedral, Feature, FiniteGroup, Octahedral, move, scalars

Padding = Literal["symmetric", "circular", "zeros"]

_FINER = {1: 8, 2: 2, 3: 1}  # times the samples that leave 5 %: what is left shows in every image


@final
@dataclass(frozen=True, repr=False)
class Mirror(FiniteGroup):
    """The symmetries of a line: the identity and the reflection."""

    dim = 1

    @property
    def order(self) -> int:
        """2."""
        return 2

    def __repr__(self) -> str:
        """Return the name."""
        return "O1"

    def generators(self) -> tuple[int, ...]:
        """Return the reflection."""
        return (1,)

    def faithful(self) -> Tensor:
        """Return 1 and -1, (2, 1, 1)."""
        return torch.tensor([[[1.0]], [[-1.0]]], dtype=torch.float64, device="cpu")


def all_of_the_grid(dim: int) -> FiniteGroup:
    """Return all turns and reflections that map a grid to itself."""
    groups = {1: Mirror(), 2: Dihedral(4), 3: Octahedral(reflections=True)}
    return groups[dim]


def check_group(group: FiniteGroup, dim: int, filters: int, padding_mode: Padding) -> None:
    """Refuse a group that does not act on the grid, or whose orbits do not fit."""
    matrices = [group.action(g) for g in group.elements()] if group.dim == dim else []
    if not matrices or len(group.grid_elements()) != group.order:
        msg = (
            f"RidgeRegularizer: expected a group that maps a grid of {dim} axes to itself; got "
            f"{group.describe()}. Use None for all of its turns and reflections."
        )
        raise ValueError(msg)
    if filters % group.order:
        msg = (
            f"RidgeRegularizer: expected filters to be a multiple of {group.order}, the order of "
            f"{group.describe()}; got {filters}."
        )
        raise ValueError(msg)
    found = [matrix.round().int().tolist() for matrix in matrices]
    flips = [
        [[(a == b) * (-1 if a == axis else 1) for b in range(dim)] for a in range(dim)]
        for axis in range(dim)
    ]
    if padding_mode == "symmetric" and not all(flip in found for flip in flips):
        msg = (
            "RidgeRegularizer: expected a group with the reflections of all axes for "
            f"padding_mode 'symmetric'; got {group.describe()}, with which the norm at the border "
            "has no bound. Use padding_mode 'circular' or 'zeros', or group=None."
        )
        raise ValueError(msg)


@final
class FilterBank(LinearMap):
    """The convolution with filters w of mean zero and with all their images under a group.

    Filters of one orbit stand together, one for each element g: w(g⁻¹ t). The whole is divided
    by a bound of its norm where that exceeds 1. Outside an image is mirrored, repeated or zero.
    Several kernel sizes make w a product of convolutions, with `hidden` channels between them.

    A mirrored image has the period 2n and 2^dim times the squared norm; its responses are mirrored,
    too, where the filters are closed under reflections, and then the norm is at most that of the
    periodic convolution.

    Shapes: x is (batch, channels, *space), W x is (batch, filters, *space).
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_sizes: Sequence[int],
        hidden: Sequence[int],
        *,
        group: FiniteGroup,
        padding_mode: Padding,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.dim = channels, filters, group.dim
        self.group, self.order = group, group.order
        self.padding_mode: Padding = padding_mode
        widths = (channels, *hidden, filters // group.order)
        first, *further = (
            torch.randn(outer, inner, *(size,) * group.dim) / (inner * size**group.dim) ** 0.5
            for (inner, outer), size in zip(pairwise(widths), kernel_sizes, strict=True)
        )
        self.weight = nn.Parameter(first / filters**0.5)
        self.further = nn.ParameterList(further)
        self.reach = sum(size - 1 for size in kernel_sizes) // 2  # of a filter in every direction
        size = (2 * self.reach + 1,) * group.dim
        with torch.device("cpu"):  # whatever the default is
            taps = torch.arange(math.prod(size)).reshape(1, 1, *size)
            moved = [move(group.action(g), taps).flatten() for g in group.elements()]
        self.images = torch.cat(moved)  # the taps of each image; no buffer, which could be emptied
        target = Feature(group, ["regular"] * widths[-1])
        shifts = (1, 1) if padding_mode == "circular" else None
        self.symmetry = Equivariant(group, scalars(group, channels), target, translations=shifts)

    def stencil(self) -> Stencil:
        """Return all filters, of norm 1 at most; how images are mirrored is not said by it."""
        padding: PlainPadding = "zeros" if self.padding_mode == "zeros" else "circular"
        return _tied(self, Stencil(self.weight, _centred(self.weight), padding), *self.further)

    def forward(self, x: Tensor) -> Tensor:
        """Return W x, (batch, filters, *space)."""
        return correlate(self.padded(x), self.stencil().weight)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return W* y, (batch, channels, *space)."""
        return self.unpadded(scatter(y, self.stencil().weight))

    def padded(self, x: Tensor) -> Tensor:
        """Return the image with its continuation by the reach of the filters."""
        if self.padding_mode == "zeros":
            return F.pad(x, (self.reach,) * (2 * self.dim))
        for axis in range(2, x.ndim):
            x = x.index_select(axis, self._places(x.shape[axis], x.device))
        return x

    def unpadded(self, x: Tensor) -> Tensor:
        """Return what the adjoint of `padded` makes of an image with its continuation."""
        for axis in range(2, x.ndim):
            n = x.shape[axis] - 2 * self.reach
            still = x.narrow(axis, self.reach, n)
            if self.padding_mode != "zeros":
                places = self._places(n, x.device)
                for start in (0, n + self.reach):
                    border = x.narrow(axis, start, self.reach)
                    still = still.index_add(axis, places[start : start + self.reach], border)
            x = still
        return x

    def _places(self, n: int, device: torch.device) -> Tensor:
        """Return from where the values of a line of n, and beside it, are taken."""
        places = torch.arange(-self.reach, n + self.reach, device=device)
        if self.padding_mode == "circular":
            return places % n
        places = places % (2 * n)
        return torch.minimum(places, 2 * n - 1 - places)

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖W‖₂ for every image size: float64, (), differentiable."""
        return _norm(self, self.stencil()).clone()

    def row_bound(self) -> Tensor:
        """Return T = ‖W‖² for each row, (filters,)."""
        return self.norm_bound().square().clamp(min=1e-300).expand(self.out_features)

    def symbol(self, n: int) -> Tensor:
        """Return W on the frequency grid.

        Raises:
            TypeError: if images are mirrored.
        """
        if self.padding_mode == "symmetric":
            msg = (
                "FilterBank: expected padding_mode 'circular' or 'zeros' for a symbol; got "
                "'symmetric', which is not translation-invariant. Use norm_bound()."
            )
            raise TypeError(msg)
        return self.stencil().symbol(n)

    def equivariant(self) -> Equivariant:
        """Return that responses of an orbit are permuted, and shifted where images repeat."""
        return self.symmetry

    def extra_repr(self) -> str:
        """Return sizes, group and padding."""
        sizes = f"{self.in_features}, {self.out_features}, kernel_size={2 * self.reach + 1}"
        return f"{sizes}, {self.group.describe()}, {self.padding_mode}"


def correlate(x: Tensor, weight: Tensor) -> Tensor:
    """Return y(p) = Σ_t W(t) x(p + t) where all of the filter is inside."""
    return (F.conv1d, F.conv2d, F.conv3d)[weight.ndim - 3](x, weight)


def scatter(y: Tensor, weight: Tensor) -> Tensor:
    """Return what the adjoint of `correlate` makes of y."""
    return (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[weight.ndim - 3](y, weight)


@Remembered
def _tied(bank: FilterBank, stencil: Stencil, *further: Tensor) -> Stencil:
    """Return the filters of a bank, made of its weights."""
    weight = stencil.weight - stencil.weight.mean(tuple(range(2, 2 + bank.dim)), keepdim=True)
    for factor in further:  # away from the border a product does not depend on the padding
        outer, inner = (Stencil(w, _centred(w), "circular") for w in (factor, weight))
        weight = outer.after(inner).weight.to(factor.dtype)
    images = weight.flatten(2).index_select(2, bank.images.to(weight.device))
    images = images.unflatten(2, (bank.order, *weight.shape[2:]))
    filters = images.transpose(1, 2).flatten(0, 1)
    filters = shrunk(filters, _bound(bank, filters), 1.0)
    return Stencil(filters, _centred(filters), stencil.padding_mode)


def _centred(weight: Tensor) -> tuple[int, ...]:
    """Return the first offsets of a kernel with odd sizes."""
    return tuple(-(size // 2) for size in weight.shape[2:])


@Remembered
def _norm(bank: FilterBank, stencil: Stencil) -> Tensor:
    return _bound(bank, stencil.weight)


def _bound(bank: FilterBank, filters: Tensor) -> Tensor:
    """Return a bound of the norm of the convolution, less than 1 % above it in the plane."""
    samples = [_FINER[bank.dim] * n for n in samples_for(filters.shape[2:])]
    return kernel_bound(filters, bank.equivariant(), samples=samples)
