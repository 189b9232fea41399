"""Rotations of space: closed forms, and quaternions."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.manifolds._domain import within
from darboux.manifolds._series import (
    angle_over_sine,
    cubic_of_sqrt,
    sinc_of_sqrt,
)
from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import checked


def axis_of(xi: Tensor) -> Tensor:
    """Return ω of skew matrices with ξ u = ω x u, (*batch, 3)."""
    return torch.stack([xi[..., 2, 1], xi[..., 0, 2], xi[..., 1, 0]], dim=-1)


def cross_matrix(w: Tensor) -> Tensor:
    """Return the skew matrices ξ with ξ u = ω x u, (*batch, 3, 3)."""
    x, y, z = w.unbind(-1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    return rows.unflatten(-1, (3, 3))


def rotation_exp(xi: Tensor) -> Tensor:
    """Return exp ξ of skew 3 x 3 matrices, by Rodrigues' formula."""
    square, s = _squares(xi)
    eye = torch.eye(3, dtype=xi.dtype, device=xi.device)
    return eye + sinc_of_sqrt(s) * xi + sinc_of_sqrt(s / 4) ** 2 / 2 * square


def rotation_log(r: Tensor) -> tuple[Tensor, Tensor]:
    """Return a skew logarithm of rotations, of angle at most π, and whether it is unique."""
    q = _quaternion(r)
    w, v = q[..., :1], q[..., 1:]
    axis = 2 * angle_over_sine((1 - w) / 2, (1 + w) / 2) * v
    return cross_matrix(axis), w[..., 0].detach() > 2 * torch.finfo(r.dtype).eps


def left_jacobian(xi: Tensor) -> Tensor:
    """Return ∫ exp(sξ) ds over [0, 1] of skew 3 x 3 matrices."""
    square, s = _squares(xi)
    eye = torch.eye(3, dtype=xi.dtype, device=xi.device)
    return eye + sinc_of_sqrt(s / 4) ** 2 / 2 * xi + cubic_of_sqrt(s) * square


@checked
def to_quaternion(rotation: Tensor) -> Tensor:
    """Return the unit quaternions (w, x, y, z) of rotations, the ones with w >= 0.

    q and -q are the same rotation. The derivative is finite everywhere; where w = 0, at half
    turns, the sign jumps.

    Shapes: (*batch, 3, 3) to (*batch, 4).

    Raises:
        ValueError: if the shape is another one.

    Example:
        >>> import torch, darboux as dx
        >>> dx.manifolds.to_quaternion(torch.diag(torch.tensor([1.0, -1.0, -1.0])))
        tensor([0., 1., 0., 0.])
    """
    if rotation.shape[-2:] != (3, 3):
        msg = f"to_quaternion: expected rotations (*batch, 3, 3); got {tuple(rotation.shape)}."
        raise ValueError(msg)
    return _quaternion(rotation)


@checked
def from_quaternion(quaternion: Tensor) -> Tensor:
    """Return the rotations of quaternions (w, x, y, z) other than 0, of any length.

    q and -q give the same rotation; `to_quaternion` goes back.

    Shapes: (*batch, 4) to (*batch, 3, 3).

    Raises:
        ValueError: if the shape is another one, or a quaternion is 0.

    Example:
        >>> import torch, darboux as dx
        >>> turn = dx.manifolds.from_quaternion(torch.tensor([1.0, 0.0, 0.0, 1.0]))
        >>> turn @ torch.tensor([1.0, 0.0, 0.0])  # a quarter turn about the z axis
        tensor([0., 1., 0.])
    """
    if quaternion.shape[-1:] != (4,):
        msg = f"from_quaternion: expected (*batch, 4); got {tuple(quaternion.shape)}."
        raise ValueError(msg)
    # R = 1 + 2/|q|² (w V + V²) with V u = v x u, of a size at which |q|² is a number
    size = quaternion.detach().abs().amax(-1, keepdim=True)
    quaternion = within(quaternion / size, size[..., 0] != 0, lambda: _NO_ROTATION)
    cross = cross_matrix(quaternion[..., 1:])
    w = quaternion[..., 0, None, None]
    eye = torch.eye(3, dtype=quaternion.dtype, device=quaternion.device)
    square = (quaternion * quaternion).sum(-1)[..., None, None]
    with without_autocast(cross):
        return eye + (w * cross + cross @ cross) * (2 / square)


_NO_ROTATION = "from_quaternion: expected quaternions other than 0; got 0, which turns nothing."


def _squares(xi: Tensor) -> tuple[Tensor, Tensor]:
    """Return ξ² and the squared angle, (*batch, 1, 1)."""
    return xi @ xi, (xi * xi).sum((-2, -1), keepdim=True) / 2


def _quaternion(r: Tensor) -> Tensor:
    # All four columns of 4 q qᵀ are multiples of q; the longest one is accurate.
    diagonal = r.diagonal(dim1=-2, dim2=-1)
    trace = diagonal.sum(-1)
    more, less = r + r.mT, r - r.mT
    outer = torch.cat(
        [
            torch.cat([(1 + trace)[..., None], axis_of(less)], dim=-1)[..., None, :],
            torch.cat(
                [
                    axis_of(less)[..., None],
                    more + torch.diag_embed((1 - trace)[..., None].expand_as(diagonal)),
                ],
                dim=-1,
            ),
        ],
        dim=-2,
    )
    longest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    q = outer.gather(-1, longest.expand(*outer.shape[:-1], 1))[..., 0]
    q = q / torch.linalg.vector_norm(q, dim=-1, keepdim=True)
    return torch.where(q[..., :1] < 0, -q, q)
