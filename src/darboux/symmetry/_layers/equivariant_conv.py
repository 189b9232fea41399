"""The equivariant convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, final

import torch
import torch.nn.functional as F
from torch import Tensor

from darboux.linear import LinearMap, Stencil
from darboux.linear._conv import prepared, prepared_adjoint
from darboux.linear._remembered import (
    adjoint_of_scaled,
    kept_entry_bound,
    kept_norm_bound,
    kept_row_bound,
)
from darboux.linear._sizes import Axes, Taps
from darboux.linear._spectral import smallest_bound
from darboux.linear._stencil import Padding, check_input
from darboux.structure._arguments import Within, checked
from darboux.symmetry._feature import Feature
from darboux.symmetry._layers.equivariant_map import EquivariantMap

_Stride = Annotated[int, Within("1 or 2 (for more, use two maps)", least=1, most=2)]

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)

_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


@final
class EquivariantConv(EquivariantMap):
    """The convolution (A x)(p) = Σ_t k(t) x(p + t) with k(g t) ρ₁(g) = ρ₂(g) k(t).

    Where all of the group maps the grid to itself (C4, D4, octahedral rotations, groups that
    move no pixels) the weights span *every* equivariant convolution. For other groups kernels
    are band-limited steerable functions, sampled: the map commutes exactly with those
    elements that do map the grid to itself, and nearly with the others
    (`equivariance_error` says how nearly).

    With ``stride=2`` every second point of the output is kept such that the centre of the
    image stays the centre, for odd and even sizes: n becomes ⌈n/2⌉. Along axes where the
    parities of size and kernel differ, the mean of two neighbours is taken in the same step.
    (Plain strides keep the pixels 0, 2, 4, ..., which rotations of an even image do not.)

    Shapes: x is (batch, source.channels, *space), A x is (batch, target.channels, *space) or
    *⌈space/2⌉.

    Source: sections 5.1.2 and 5.3.3.

    Args:
        source: how x transforms.
        target: how A x transforms.
        kernel_size: taps per axis; odd unless the stride is 2.
        dim: spatial axes: those on which the group acts.
        padding_mode: "circular" or "zeros".
        stride: 1 or 2.

    Raises:
        TypeError: if something else than features is given.
        ValueError: if the groups differ, a field of the target could only be zero, the group
            does not act on `dim` axes, or the kernel has no centre where it needs one.

    Example:
        >>> import torch, darboux as dx
        >>> group = dx.symmetry.Cyclic(4)
        >>> image = dx.symmetry.Feature(group, ["trivial"])
        >>> feature = dx.symmetry.Feature(group, ["regular"] * 2)
        >>> conv = dx.symmetry.EquivariantConv(image, feature, kernel_size=3, dim=2)
        >>> x = torch.randn(1, 1, 6, 6)
        >>> torch.testing.assert_close(conv(image.act(1, x)), feature.act(1, conv(x)))
    """

    @checked
    def __init__(
        self,
        source: Feature,
        target: Feature,
        *,
        kernel_size: Taps,
        dim: Axes,
        padding_mode: Padding = "circular",
        stride: _Stride = 1,
    ) -> None:
        _check_grid(source, dim, kernel_size, stride)
        # shifts commute where the image is periodic and no pixel is dropped
        shifts = (1, 1) if padding_mode == "circular" and stride == 1 else None
        super().__init__(source, target, kernel_size=kernel_size, dim=dim, translations=shifts)
        self.padding_mode: Padding = padding_mode
        self.stride = stride

    def whole(self) -> Stencil:
        """Return the kernel at stride 1, with its place and padding."""
        origin = tuple(-((k - 1) // 2) for k in self.kernel_size)
        return Stencil(self.full_kernel(), origin, self.padding_mode)

    def stencil(self) -> Stencil:
        """Return the kernel, with its place and padding.

        Raises:
            TypeError: if the stride is 2: such a map is no single stencil.
        """
        if self.stride > 1:
            msg = f"Expected stride=1; got {self.stride}: a map that drops pixels has no symbol."
            raise TypeError(msg)
        return self.whole()

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        return self.affine(x, None)

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b in one convolution."""
        shift, stencil = None if bias is None else self.shift(bias), self.whole()
        if self.stride == 1:
            return stencil.apply(x, shift)
        check_input(x, stencil.weight)
        return stride_apply(x, stencil.weight, self.padding_mode, shift)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y; with stride 2 on the even image, of twice the size of y."""
        return self.restore(y, size=[self.stride * n for n in y.shape[2:]])

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of a given size."""
        if self.stride == 1:
            return self.whole().adjoint().apply(y)
        return _stride_adjoint(y, self.full_kernel(), self.padding_mode, tuple(size))

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        """Return A* diag(s) y, the scale folded into the kernel."""
        if self.stride == 1:
            return adjoint_of_scaled(self, self.whole(), scale).apply(y)
        return self.adjoint(y * scale.to(y.dtype).reshape(-1, *(1,) * self.dim))

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, with the kernel made once."""
        if self.stride > 1:
            return LinearMap.prepare(self, bias)
        return prepared(self, self.whole(), bias)

    def prepare_adjoint(self, scale: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return y -> A* diag(s) y, with the kernel made once."""
        if self.stride > 1:
            return LinearMap.prepare_adjoint(self, scale)
        return prepared_adjoint(self, self.whole(), scale)

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, (), differentiable.

        Dropping pixels and taking means of neighbours do not raise the norm.
        """
        return kept_norm_bound(self, self.whole()).clone()

    def row_bound(self) -> Tensor:
        """Return T, equal on the channels of a field, with A A* <= diag(T)."""
        return self.tie(kept_row_bound(self, self.whole()).clone())

    def entry_bound(self) -> Tensor:
        """Return T = |A| |A|ᵀ 1, equal on the channels of a field, with A A* <= diag(T)."""
        return self.tie(kept_entry_bound(self, self.whole()).clone())

    def lower_bound(self) -> Tensor:
        """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ for all x; 0 where pixels are dropped."""
        bound = smallest_bound(self.whole())
        return bound if self.stride == 1 else torch.zeros_like(bound)

    def extra_repr(self) -> str:
        """Return features, kernel, padding and stride."""
        stride = "" if self.stride == 1 else f", stride={self.stride}"
        return (
            f"{self.source!r} -> {self.target!r}, kernel_size={self.kernel_size}, "
            f"{self.padding_mode}{stride}"
        )


def _check_grid(source: Feature, dim: int, kernel_size: int, stride: int) -> None:
    """Refuse what would break equivariance."""
    group = source.group
    if group.dim not in (0, dim):
        msg = (
            f"EquivariantConv: expected dim={group.dim}, the space on which {group.describe()} "
            f"acts; got dim={dim}."
        )
        raise ValueError(msg)
    if stride == 1 and kernel_size % 2 == 0:
        msg = (
            f"EquivariantConv: expected an odd kernel_size with stride 1; got {kernel_size}. An "
            "even one has no centre, so the image would shift by half a pixel and rotations would "
            "not commute. Use an odd kernel_size, or stride=2."
        )
        raise ValueError(msg)


def matched(weight: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return a kernel of the parity of the size along every axis."""
    # The points that are kept lie at 0, 2, ..., n-1 for odd n, and between the pixels 2k and
    # 2k + 1 for even n. A kernel of the other parity is averaged over two neighbours.
    for axis, n in enumerate(size, start=2):
        if (weight.shape[axis] - n) % 2:
            pads = [0, 0] * (weight.ndim - 1 - axis)
            weight = 0.5 * (F.pad(weight, [*pads, 0, 1]) + F.pad(weight, [*pads, 1, 0]))
    return weight


def stride_apply(
    x: Tensor, weight: Tensor, padding_mode: str, bias: Tensor | None = None
) -> Tensor:
    """Return the convolution at every second point, (batch, out, *⌈n/2⌉)."""
    kernel = matched(weight, tuple(x.shape[2:]))
    bias = None if bias is None else bias.reshape(-1)
    before = [(k - 1) // 2 for k in kernel.shape[2:]]
    if padding_mode == "circular":
        for axis, index in _around(x.shape[2:], before, x.device):
            x = x.index_select(axis, index)
        before = [0] * len(before)
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    if x.ndim == 5 and x.device.type == "cpu" and dtype == torch.bfloat16:
        # oneDNN is wrong by 100 % in bfloat16 where one axis of the result is a single voxel
        with torch.autocast("cpu", enabled=False):
            bias = None if bias is None else bias.float()
            y = F.conv3d(x.float(), kernel.float(), bias, stride=2, padding=before)
            return y.to(dtype)
    return _CONVOLUTIONS[x.ndim - 3](x, kernel, bias, stride=2, padding=before)


def _stride_adjoint(y: Tensor, weight: Tensor, padding_mode: str, size: tuple[int, ...]) -> Tensor:
    """Return the adjoint on images of a given size."""
    if y.ndim != weight.ndim or tuple((n + 1) // 2 for n in size) != tuple(y.shape[2:]):
        msg = (
            f"Expected an image of half the size {tuple(size)}, rounded up; got shape "
            f"{tuple(y.shape)}. Use restore(y, size=x.shape[2:])."
        )
        raise ValueError(msg)
    kernel = matched(weight, size)
    before = [(k - 1) // 2 for k in kernel.shape[2:]]
    transposed = _TRANSPOSED[y.ndim - 3]
    if padding_mode == "zeros":
        return transposed(y, kernel, stride=2, padding=before)
    full = transposed(y, kernel, stride=2)
    for axis, index in _around(size, before, y.device):
        shape = list(full.shape)
        shape[axis] = size[axis - 2]
        full = full.new_zeros(shape).index_add(axis, index, full)
    return full


def _around(
    size: tuple[int, ...], before: list[int], device: torch.device
) -> list[tuple[int, Tensor]]:
    """Return for each axis the pixels that a periodic image shows, `before` more at both ends."""
    return [
        (axis, torch.arange(-p, n + p, device=device) % n)
        for axis, (n, p) in enumerate(zip(size, before, strict=True), start=2)
    ]
