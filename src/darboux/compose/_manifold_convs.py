"""Convolutions on manifolds: means of neighbours, and steps towards them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.compose._in_coordinates import has_coordinates
from darboux.manifolds import SPD, HomogeneousSpace, Manifold, frechet_mean
from darboux.solvers._transforms import without_autocast
from darboux.structure import Claim, Claims, EquivariantOn, Kind, LipschitzOn, OnManifold
from darboux.structure._arguments import Count, checked
from darboux.structure._module import Module


@final
@dataclass(frozen=True)
class Window:
    """The neighbours of every pixel of a periodic image."""

    kernel_size: int
    dim: int
    owner: str

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            msg = (
                f"{self.owner}: expected an odd kernel_size; got {self.kernel_size}. Use one more."
            )
            raise ValueError(msg)

    @property
    def shifts(self) -> tuple[tuple[int, ...], ...]:
        reach = self.kernel_size // 2
        return tuple(product(range(-reach, reach + 1), repeat=self.dim))

    def of(self, x: Tensor) -> Tensor:
        """Return the values of all neighbours, (count, batch, *space, *shape)."""
        axes = tuple(range(1, 1 + self.dim))
        return torch.stack([x.roll(shift, axes) for shift in self.shifts])


def motions(manifold: Manifold) -> list[Claim]:
    """Return that what is made of distances, geodesics and their angles moves along with points."""
    if not isinstance(manifold, HomogeneousSpace):
        return []
    reason = "isometries take geodesics to geodesics and keep lengths and weights"
    return [Claim(EquivariantOn(manifold), Kind.CONSTRUCTION, reason)]


@final
class FrechetConv(Module):
    """A convolution on a manifold: every value becomes a weighted mean of its neighbours.

    φ(x)_p = argmin_m Σ_k w_k d(m, x_{p+k})² with w_k > 0, Σ w_k = 1, a softmax of parameters,
    and periodic images. It commutes with the motions of the manifold, and with shifts. Where
    the metric is flat it is a mean in coordinates, and nonexpansive; so it is on SPD matrices
    with the affine-invariant metric, which has no positive curvature (Sturm 2003).

    Shapes: x is (batch, *space, *shape), kept.

    Source: section 2.3; Pennec, Fillard and Ayache 2006.

    Args:
        manifold: where the values lie.
        kernel_size: the odd number of neighbours along each axis.
        dim: the number of axes of space, 1, 2 or 3.

    Raises:
        ValueError: if the kernel size is even, or dim none of these.

    Example:
        >>> import torch, darboux as dx
        >>> tensors = dx.manifolds.SPD(3)
        >>> layer = dx.compose.FrechetConv(tensors, kernel_size=3, dim=1)
        >>> tensors.check(layer(tensors.random_point(2, 8)))
        (True, '')
    """

    @checked
    def __init__(
        self, manifold: Manifold, *, kernel_size: Count, dim: Literal[1, 2, 3] = 2
    ) -> None:
        super().__init__()
        self.manifold = manifold
        self.window = Window(kernel_size, dim, "FrechetConv")
        self.logits = nn.Parameter(torch.zeros(len(self.window.shifts)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted means."""
        return frechet_mean(self.manifold, self.window.of(x), self.logits.softmax(0))

    def claims(self) -> Claims:
        """Return that values are points, the symmetry, and where known a constant."""
        manifold = self.manifold
        points = "means of points are points"
        found = [Claim(OnManifold(manifold), Kind.CONSTRUCTION, points), *motions(manifold)]
        affine = isinstance(manifold, SPD) and manifold.metric == "affine"
        if affine or has_coordinates(manifold):
            reason = "weighted means without positive curvature: d(m, m') <= Σ w_k d(x_k, y_k)"
            found.append(Claim(LipschitzOn(manifold, 1.0), Kind.CONSTRUCTION, reason))
        return Claims(tuple(found))


@final
class TangentConv(Module):
    """A convolution in tangent spaces: every value moves by a weighted sum of ways to neighbours.

    φ(x)_p = exp_{x_p}(Σ_k w_k s(d_k) log_{x_p}(x_{p+k})), d_k = d(x_p, x_{p+k}), with weights w_k
    of any sign and s(d) = 1/(1 + (d/κ)²), so that neighbours much farther away than κ, beyond an
    edge, count little (as in Perona and Malik 1990). Images are periodic. It commutes with the
    motions of the manifold, and with shifts.

    Shapes: x is (batch, *space, *shape), kept.

    Source: section 2.3; Perona and Malik 1990; Pennec, Fillard and Ayache 2006.

    Args:
        manifold: where the values lie.
        kernel_size: the odd number of neighbours along each axis.
        dim: the number of axes of space, 1, 2 or 3.

    Raises:
        ValueError: if the kernel size is even, or dim none of these.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> layer = dx.compose.TangentConv(sphere, kernel_size=3, dim=2)
        >>> sphere.check(layer(sphere.random_point(2, 6, 6)))
        (True, '')
    """

    @checked
    def __init__(
        self, manifold: Manifold, *, kernel_size: Count, dim: Literal[1, 2, 3] = 2
    ) -> None:
        super().__init__()
        self.manifold = manifold
        self.window = Window(kernel_size, dim, "TangentConv")
        count = len(self.window.shifts)
        self.weight = nn.Parameter(torch.full((count,), 1 / count))
        self.log_scale = nn.Parameter(torch.zeros(()))  # log κ

    def forward(self, x: Tensor) -> Tensor:
        """Return the values after one step."""
        manifold = self.manifold
        with without_autocast(x):
            ways = manifold.log(x, self.window.of(x))
            near = 1 / (1 + manifold.inner(x, ways, ways) * (-2 * self.log_scale).exp())
            weights = self.weight.reshape(-1, *(1,) * (near.ndim - 1)) * near
            weights = weights.reshape(*weights.shape, *(1,) * len(manifold.shape))
            return manifold.exp(x, (weights * ways).sum(0)).to(x.dtype)

    def claims(self) -> Claims:
        """Return that values are points, and the symmetry."""
        points = "geodesics stay on the manifold"
        on = Claim(OnManifold(self.manifold), Kind.CONSTRUCTION, points)
        return Claims((on, *motions(self.manifold)))
