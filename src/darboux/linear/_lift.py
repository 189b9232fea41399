"""Isometric lifts to more features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.linear._linear_map import LinearMap
from darboux.linear._orthogonal import orthonormal_columns
from darboux.linear._sizes import affordable
from darboux.structure import (
    Claim,
    Isometric,
    Kind,
    Lipschitz,
    Premise,
    adjoint_of,
    isometry_of,
)
from darboux.structure._arguments import Count, Within, checked

Frame = Literal["zeros", "tight"]

_Axes = Annotated[int, Within("0, 1, 2 or 3 spatial axes", least=0, most=3)]


@final
class Lift(LinearMap):
    """The isometric lift L x = Q (unshuffled x), whose adjoint is its left inverse: L*L = id.

    Blocks of shuffle^dim pixels become channels; a matrix Q with orthonormal columns
    takes these to `features`: either zeros are appended (``frame="zeros"``) or Q = exp(S)
    is learned, S skew (``frame="tight"``), so that L*L = id for all parameters. Images
    whose size the shuffle does not divide are continued by zeros at the far end, which
    is isometric as well; `restore` crops.

    Shapes: x is (batch, in_channels, *space), L x is (batch, features, *⌈space / shuffle⌉).

    Source: section 2.2.1.

    Args:
        in_channels: channels of x.
        features: channels of L x, at least in_channels · shuffle^dim.
        dim: spatial axes, 0 to 3; 0 for (batch, in_channels).
        shuffle: edge of the blocks that become channels.
        frame: "zeros" or "tight".

    Raises:
        ValueError: if there are too few features, a size is out of range, the frame is
            unknown, or S has more than 2²⁶ entries.

    Example:
        >>> import torch
        >>> lift, x = Lift(1, 8, dim=2, shuffle=2), torch.ones(1, 1, 5, 5)
        >>> lift(x).shape, bool((lift.restore(lift(x), size=(5, 5)) == x).all())
        (torch.Size([1, 8, 3, 3]), True)
    """

    @checked
    def __init__(
        self,
        in_channels: Count,
        features: Count,
        *,
        dim: _Axes,
        shuffle: Count = 1,
        frame: Frame = "zeros",
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_channels, features
        self.dim, self.shuffle = dim, shuffle
        if dim == 0 and shuffle > 1:
            msg = f"Lift: expected shuffle=1 where there are no pixels (dim=0); got {shuffle}."
            raise ValueError(msg)
        self.blocks = in_channels * shuffle**dim
        if features < self.blocks:
            msg = (
                f"Lift: expected features >= in_channels · shuffle^dim = {self.blocks}; got "
                f"{features}. Use more features, or a smaller shuffle."
            )
            raise ValueError(msg)
        self.frame = frame
        if frame == "tight":
            affordable("Lift", "S", features**2, "Use frame='zeros'.")
            self.weight = nn.Parameter(torch.randn(features, features) / features**0.5)
        else:
            self.unit = nn.Buffer(torch.ones(()), persistent=False)  # dtype and device

    def forward(self, x: Tensor) -> Tensor:
        """Return L x."""
        blocks = self._unshuffled(x)
        if self.frame == "tight":
            return torch.einsum("fc,bc...->bf...", self.columns(x.dtype), blocks)
        return F.pad(blocks, [0, 0] * self.dim + [0, self.out_features - self.blocks])

    def adjoint(self, y: Tensor) -> Tensor:
        """Return L* y on an image of shuffle times the size of y."""
        if y.ndim != self.dim + 2 or y.shape[1] != self.out_features:
            msg = (
                f"Expected (batch, {self.out_features}, *space) with {self.dim} spatial axes; "
                f"got shape {tuple(y.shape)}. Use what the lift returns."
            )
            raise ValueError(msg)
        if self.frame == "tight":
            return self._shuffled(torch.einsum("fc,bf...->bc...", self.columns(y.dtype), y))
        return self._shuffled(y[:, : self.blocks])

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return L* y cropped to the size of the image that was lifted."""
        x = self.adjoint(y)
        for axis, n in enumerate(size, start=2):
            x = x.narrow(axis, 0, n)
        return x

    def norm_bound(self) -> Tensor:
        """Return 1."""
        return torch.ones((), dtype=torch.float64, device=self._like().device)

    def row_bound(self) -> Tensor:
        """Return ones: L L* is a projection."""
        return torch.ones(self.out_features, dtype=torch.float64, device=self._like().device)

    def lower_bound(self) -> Tensor:
        """Return 1."""
        return self.norm_bound()

    def symbol(self, n: int) -> Tensor:
        """Return Q at every frequency.

        Raises:
            TypeError: if blocks of pixels become channels.
        """
        if self.shuffle > 1:
            msg = "Expected shuffle=1; got a lift that changes the grid, which has no symbol."
            raise TypeError(msg)
        return self.columns(torch.float64).to(torch.complex128).expand(n**self.dim, -1, -1)

    def constrained(self, layer: LinearMap, premises: tuple[Premise, ...]) -> Claim | None:
        """Return that the lift is isometric, and its adjoint if no features are added."""
        if layer is not self and self.blocks < self.out_features:
            reason = "pixels are only moved, and Q Qᵀ is a projection"
            return Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason, premises)
        reason = "pixels are only moved, and the columns of Q are orthonormal"
        isometry = (adjoint_of(layer), isometry_of(layer))
        return Claim(Isometric(), Kind.CONSTRUCTION, reason, isometry)

    def extra_repr(self) -> str:
        """Return the sizes and the frame."""
        sizes = f"{self.in_features}, {self.out_features}, dim={self.dim}"
        return f"{sizes}, shuffle={self.shuffle}, frame={self.frame!r}"

    def columns(self, dtype: torch.dtype) -> Tensor:
        """Return Q, (features, in_channels · shuffle^dim), with orthonormal columns."""
        if self.frame == "tight":
            return orthonormal_columns(self.weight, self.blocks).to(dtype)
        unit = self.unit
        return torch.eye(self.out_features, self.blocks, dtype=dtype, device=unit.device)

    def _unshuffled(self, x: Tensor) -> Tensor:
        """Return blocks as channels: (batch, in_channels · shuffle^dim, *⌈space / shuffle⌉)."""
        if x.ndim != self.dim + 2 or x.shape[1] != self.in_features:
            msg = (
                f"Expected (batch, {self.in_features}, *space) with {self.dim} spatial axes; "
                f"got shape {tuple(x.shape)}. Use a lift with matching in_channels and dim."
            )
            raise ValueError(msg)
        s = self.shuffle
        if s == 1:
            return x
        counts = [(n + s - 1) // s for n in x.shape[2:]]  # ONNX divides towards zero
        pads = [p for c, n in zip(counts, x.shape[2:], strict=True) for p in (c * s - n, 0)]
        x = F.pad(x, pads[::-1])  # by nothing, too: an export would keep to that of its example
        for axis, count in enumerate(counts):  # (..., n, ...) -> (..., n/s, s, ...)
            x = x.unflatten(2 + 2 * axis, (count, s))
        order = [0, 1, *(3 + 2 * a for a in range(self.dim)), *(2 + 2 * a for a in range(self.dim))]
        return x.permute(order).flatten(1, 1 + self.dim)

    def _shuffled(self, y: Tensor) -> Tensor:
        """Return the inverse permutation of `_unshuffled`."""
        s = self.shuffle
        if s == 1:
            return y
        y = y.unflatten(1, (self.in_features, *(s,) * self.dim))
        order = [0, 1]
        for axis in range(self.dim):
            order += [2 + self.dim + axis, 2 + axis]
        y = y.permute(order)
        for axis in range(self.dim):
            y = y.flatten(2 + axis, 3 + axis)
        return y
