"""Halving and doubling of images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NoReturn, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from darboux.linear._linear_map import LinearMap
from darboux.linear._sizes import Axes
from darboux.linear._stencil import Padding
from darboux.structure import Claim, Equivariant, Kind
from darboux.structure._arguments import checked
from darboux.symmetry._feature import Feature


class Resample(LinearMap):
    """A map between images of two sizes that acts on every channel alike."""

    # Zhang 2019, Making convolutional networks shift-invariant again.

    unit: Tensor

    @checked
    def __init__(self, feature: Feature, *, dim: Axes, padding_mode: Padding = "circular") -> None:
        super().__init__()
        self.dim = dim
        if feature.group.dim not in (0, dim):
            name, group = type(self).__name__, feature.group
            msg = f"{name}: expected dim={group.dim}, on which {group.describe()} acts; got {dim}."
            raise ValueError(msg)
        self.feature = feature
        self.padding_mode: Padding = padding_mode
        self.in_features = self.out_features = feature.channels
        self.unit = nn.Buffer(torch.ones(()), persistent=False)  # dtype and device

    @abstractmethod
    def norm(self) -> float:
        """Return a bound of the norm."""

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂: float64, ()."""
        return torch.tensor(self.norm(), dtype=torch.float64, device=self.unit.device)

    def row_bound(self) -> Tensor:
        """Return T, (features,), with A A* <= ‖A‖² <= diag(T)."""
        return self.norm_bound().square().expand(self.out_features)

    def symbol(self, n: int) -> NoReturn:
        """Refuse: a map that changes the grid has no symbol."""
        del n
        name = type(self).__name__
        msg = f"Expected a map that keeps the grid; got {name}, which has no symbol."
        raise TypeError(msg)

    def equivariant(self) -> Equivariant:
        """Return that the map commutes with what maps the grid to itself."""
        # Nothing is said about shifts, which depends on the size of the image.
        return Equivariant(self.feature.group, self.feature, self.feature, grid=True)

    def symmetries(self) -> tuple[Claim, ...]:
        """Return that the map is equivariant, and why."""
        reason = "taps and the pixels that are kept are symmetric about the centre of the image"
        return (Claim(self.equivariant(), Kind.CONSTRUCTION, reason),)

    def extra_repr(self) -> str:
        """Return feature, axes and padding."""
        return f"{self.feature!r}, dim={self.dim}, padding_mode={self.padding_mode!r}"

    def _halved(self, x: Tensor) -> Tensor:
        """Return x blurred, and every second pixel of it along each axis."""
        self._check_space(x)
        for axis in range(2, x.ndim):
            x = halve(x, axis, self.padding_mode)
        return x

    def _spread(self, y: Tensor, size: Sequence[int]) -> Tensor:
        """Return the adjoint of `_halved` on an image of a given size."""
        self._check_space(y)
        expected = tuple((n + 1) // 2 for n in size)
        if expected != tuple(y.shape[2:]):
            msg = (
                f"{type(self).__name__}: expected an image of size {expected} for one of size "
                f"{tuple(size)}; got {tuple(y.shape[2:])}."
            )
            raise ValueError(msg)
        for axis, n in enumerate(size, start=2):
            y = spread(y, axis, n, self.padding_mode)
        return y

    def _check_space(self, x: Tensor) -> None:
        self.feature.check(x)
        if x.ndim != self.dim + 2:
            msg = (
                f"{type(self).__name__}: expected {self.dim} spatial axes; got shape "
                f"{tuple(x.shape)}. Use another dim."
            )
            raise ValueError(msg)


def halve(x: Tensor, axis: int, padding_mode: Padding) -> Tensor:
    """Return every second pixel after a blur, symmetric about the centre of the axis."""
    # For even n the pixels lie between pairs, and the taps are [1, 3, 3, 1]/8; for odd n they are
    # 0, 2, ..., n - 1, with the taps [1, 2, 1]/4.
    x = x.movedim(axis, -1)
    n = x.shape[-1]
    around = functional.pad(x, (1, 1))
    if padding_mode == "circular":
        around = torch.cat([x[..., -1:], x, x[..., :1]], dim=-1)
    # outer taps are added first, so that reflections commute in rounding too
    if n % 2:
        y = 0.25 * ((around[..., :n:2] + around[..., 2::2]) + 2 * around[..., 1::2])
    else:
        ends = around[..., : n - 1 : 2] + around[..., 3::2]
        y = 0.125 * (ends + 3 * (around[..., 1:n:2] + around[..., 2 : n + 1 : 2]))
    return y.movedim(-1, axis)


def spread(y: Tensor, axis: int, n: int, padding_mode: Padding) -> Tensor:
    """Return the adjoint of `halve` on an axis of n pixels."""
    last = y.ndim - 1  # not -1, which torch writes into ONNX as it is
    y = y.movedim(axis, last)
    before, after = functional.pad(y, (1, 0)), functional.pad(y, (0, 1))
    if n % 2:  # (y_0, 2 y_0, y_0 + y_1, ..., y_last) of n + 2 pixels
        twice = functional.pad(2 * y, (0, 1))
        around = 0.25 * torch.stack([before + after, twice], dim=-1).flatten(-2)[..., :-1]
    else:
        pairs = [3 * before + after, before + 3 * after]
        around = 0.125 * torch.stack(pairs, dim=-1).flatten(-2)
    x = around[..., 1:-1]
    if padding_mode == "circular":
        x = x + functional.pad(around[..., -1:], (0, n - 1))
        x = x + functional.pad(around[..., :1], (n - 1, 0))
    return x.movedim(last, axis)


@final
class Downsample(Resample):
    """Half as many pixels along each axis, after a blur, symmetric about the centre.

    An axis of odd size n keeps the pixels 0, 2, ..., n - 1 after the blur [1, 2, 1]/4; one of
    even size gets n/2 pixels halfway between pairs after the blur [1, 3, 3, 1]/8. Both are
    symmetric about the centre of the image, so quarter turns and reflections commute exactly,
    for every size; every second pixel of an even size, as strides take it, is not.

    ‖A‖₂ <= 2^(-dim/2) with zeros outside, since rows of each axis have the sum 1 at most, and
    columns ½. With circular padding the end pixels of odd sizes count twice, and ‖A‖₂ <= 1.

    Shapes: (batch, channels, *space) -> (batch, channels, *⌈space/2⌉).

    Source: section 5.1.3; Zhang 2019, Making convolutional networks shift-invariant again.

    Args:
        feature: the type of x, and of the result.
        dim: spatial axes, 1 to 3.
        padding_mode: "circular" or "zeros".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the group does not act on `dim` axes, or padding_mode is unknown.

    Example:
        >>> import torch
        >>> from darboux.symmetry import Cyclic, Feature
        >>> half, x = Downsample(Feature(Cyclic(4), ["trivial"]), dim=2), torch.randn(1, 1, 6, 7)
        >>> half(x).shape, half.restore(half(x), size=(6, 7)).shape
        (torch.Size([1, 1, 3, 4]), torch.Size([1, 1, 6, 7]))
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the smaller image."""
        return self._halved(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y on an image of twice the size."""
        return self.restore(y, size=[2 * n for n in y.shape[2:]])

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of the size that was halved."""
        return self._spread(y, size)

    def norm(self) -> float:
        """Return 2^(-dim/2) with zeros outside, 1 with circular padding."""
        return 0.5 ** (self.dim / 2) if self.padding_mode == "zeros" else 1.0


@final
class Upsample(Resample):
    """Twice as many pixels along each axis: 2^dim times the adjoint of `Downsample`.

    Pixels are interpolated linearly, and the result has the size of x twice, or the one that
    is asked for, whose half it must be. As every row and column of A A* shows, ‖A‖₂ <= 2^(dim/2):
    an image of four times as many pixels, of equal size, has twice the norm.

    Shapes: (batch, channels, *space) -> (batch, channels, *2 space), or of `size`.

    Source: section 5.1.3.

    Args:
        feature: the type of x, and of the result.
        dim: spatial axes, 1 to 3.
        padding_mode: "circular" or "zeros".

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the group does not act on `dim` axes, padding_mode is unknown, or the size
            does not belong to x, or is odd with circular padding.

    Example:
        >>> import torch
        >>> from darboux.symmetry import Cyclic, Feature
        >>> Upsample(Feature(Cyclic(4), ["trivial"]), dim=2)(torch.ones(1, 1, 1, 1))
        tensor([[[[1., 1.],
                  [1., 1.]]]])
    """

    def forward(self, x: Tensor, *, size: Sequence[int] | None = None) -> Tensor:
        """Return the larger image, of twice the size of x or of the one given."""
        target = [2 * n for n in x.shape[2:]] if size is None else list(size)
        if self.padding_mode == "circular" and any(n % 2 for n in target):
            msg = (
                f"Upsample: expected even sizes with circular padding; got {tuple(target)}. At an "
                "odd size the last pixel and the first are neighbours, both are made from two, "
                "and the norm exceeds its bound. Use padding_mode='zeros'."
            )
            raise ValueError(msg)
        return 2**self.dim * self._spread(x, target)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, of half the size."""
        return 2**self.dim * self._halved(y)

    def norm(self) -> float:
        """Return 2^(dim/2)."""
        return 2 ** (self.dim / 2)
