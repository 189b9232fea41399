"""What halving and doubling of images share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NoReturn, get_args

import torch
from torch import Tensor, nn

from darboux.linear.linear_map import LinearMap
from darboux.linear.sizes import dimension
from darboux.linear.stencil import Padding
from darboux.structure import Claim, Equivariant, Kind
from darboux.symmetry.feature import Feature
from darboux.symmetry.nonlinear.resample_axis import halve, spread


class Resample(LinearMap):
    """A map between images of two sizes that acts on every channel alike.

    Source: section 5.1.3; Zhang 2019, Making convolutional networks shift-invariant again.
    """

    unit: Tensor

    def __init__(self, feature: Feature, *, dim: int, padding: Padding = "circular") -> None:
        super().__init__()
        name = type(self).__name__
        if padding not in get_args(Padding):
            msg = f"{name}: expected padding 'circular' or 'zeros'; got {padding!r}."
            raise ValueError(msg)
        self.dim = dimension(dim)
        if feature.group.dim not in (0, dim):
            group = feature.group
            msg = f"{name}: expected dim={group.dim}, on which {group.describe()} acts; got {dim}."
            raise ValueError(msg)
        self.feature = feature
        self.padding: Padding = padding
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
        """Refuse: a map that changes the grid has no symbol.

        Raises:
            TypeError: always.
        """
        del n
        name = type(self).__name__
        msg = f"Expected a map that keeps the grid; got {name}, which has no symbol."
        raise TypeError(msg)

    def equivariant(self) -> Equivariant:
        """Return that the map commutes with what maps the grid to itself.

        Nothing is said about shifts, which depends on the size of the image.
        """
        return Equivariant(self.feature.group, self.feature, self.feature, grid=True)

    def symmetries(self) -> tuple[Claim, ...]:
        """Return that the map is equivariant, and why."""
        reason = "taps and the pixels that are kept are symmetric about the centre of the image"
        return (Claim(self.equivariant(), Kind.CONSTRUCTION, reason),)

    def extra_repr(self) -> str:
        """Return feature, axes and padding."""
        return f"{self.feature!r}, dim={self.dim}, padding={self.padding!r}"

    def _halved(self, x: Tensor) -> Tensor:
        """Return x blurred, and every second pixel of it along each axis."""
        self._check_space(x)
        for axis in range(2, x.ndim):
            x = halve(x, axis, self.padding)
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
            y = spread(y, axis, n, self.padding)
        return y

    def _check_space(self, x: Tensor) -> None:
        self.feature.check(x)
        if x.ndim != self.dim + 2:
            msg = (
                f"{type(self).__name__}: expected {self.dim} spatial axes; got shape "
                f"{tuple(x.shape)}. Use another dim."
            )
            raise ValueError(msg)
