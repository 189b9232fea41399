"""Layers on the sphere S² = SO(3)/SO(2): convolutions and pointwise activations."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.linear._sizes import affordable
from darboux.structure import Claim, Claims, Kind, Lipschitz
from darboux.structure._arguments import Count, Natural, Within, checked
from darboux.structure._module import Module
from darboux.symmetry._sphere_grid import SphereGrid

_Oversampling = Annotated[float, Within("a number from 1 to 64", least=1, most=64)]


@final
class SphericalConv(Module):
    """The convolution with a zonal kernel: x -> Σ_l W_l x_l, x_l the part of degree l.

    These are all linear maps between scalar signals on S² = SO(3)/SO(2) that commute with
    rotations: the constraint of 5.1.2 leaves one number per degree and pair of channels. Signals
    are samples on a grid; what is not band-limited to the degree is removed.

    ‖A x‖_w <= max_l ‖W_l‖₂ ‖x‖_w in the quadrature norm of the grid, with equality for some
    x. In the Euclidean norm of the samples the constant is √(max w/min w) times as large.

    Shapes: (batch, in_channels, latitudes, longitudes) -> (batch, out_channels, latitudes,
    longitudes); the weight is (out_channels, in_channels, L + 1).

    Source: sections 5.1.1 and 5.1.2; Esteves, Allen-Blanchette, Makadia and Daniilidis 2018.

    Args:
        in_channels: channels of x.
        out_channels: channels of A x.
        degree: L, or the grid itself.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a size is out of range, or x does not fit.

    Example:
        >>> import torch
        >>> conv = SphericalConv(1, 2, degree=3)
        >>> conv(torch.ones(1, 1, *conv.grid.shape)).shape
        torch.Size([1, 2, 4, 7])
    """

    @checked
    def __init__(
        self, in_channels: Count, out_channels: Count, *, degree: Natural | SphereGrid
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.grid = degree if isinstance(degree, SphereGrid) else SphereGrid(degree)
        self._degrees = _degrees(self.grid.degree)
        shape = (out_channels, in_channels, self.grid.degree + 1)
        affordable("SphericalConv", "a weight", math.prod(shape), "Use fewer channels.")
        self.weight = nn.Parameter(torch.randn(shape) / (in_channels**0.5 + out_channels**0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            msg = (
                f"SphericalConv: expected {self.in_channels} channels on axis 1; got shape "
                f"{tuple(x.shape)}."
            )
            raise ValueError(msg)
        return self.grid.synthesis(self.on_coefficients(self.grid.analysis(x)))

    def on_coefficients(self, c: Tensor) -> Tensor:
        """Return what A does to coefficients: (batch, in_channels, (L+1)²) -> (batch, out, ...)."""
        weight = self.weight[:, :, self._degrees.to(c.device)].to(c.dtype)
        return torch.einsum("oin,bin->bon", weight, c)

    def norm_bound(self) -> Tensor:
        """Return max_l ‖W_l‖₂, the norm in the quadrature inner product: float64, ()."""
        blocks = self.weight.double().movedim(2, 0)
        return torch.linalg.matrix_norm(blocks, ord=2).max()

    def claims(self) -> Claims:
        """Return that A is Lipschitz in the Euclidean norm of the samples."""
        weights = self.grid.weights()
        ratio = float((weights.max() / weights.min()).sqrt())
        bound = float(self.norm_bound().detach())
        reason = (
            f"‖A‖_w = max_l ‖W_l‖₂ = {bound:.6g}, and the quadrature weights differ by a factor of "
            f"{ratio:.4g}²"
        )
        return Claims((Claim(Lipschitz(bound * ratio), Kind.BOUND, reason),))

    def extra_repr(self) -> str:
        """Return channels and grid."""
        return f"{self.in_channels}, {self.out_channels}, {self.grid!r}"


def _degrees(degree: int) -> Tensor:
    """Return the degree of every coefficient."""
    counts = torch.arange(degree + 1, device="cpu")
    return counts.repeat_interleave(2 * counts + 1)


@final
class SphereActivation(Module):
    """A pointwise activation of a band-limited signal, made band-limited again.

    x -> P σ(x), P the projection onto degrees up to L, computed on a grid with `oversampling`
    times as many latitudes and longitudes. σ(x(R⁻¹p)) = (σ∘x)(R⁻¹p), and exact projections
    commute with rotations, but σ∘x has all degrees, which quadrature sees as others: so
    equivariance is approximate, and the better the finer the grid. A polynomial σ of degree q
    is exact once the oversampling is at least (q + 1)/2.

    P is an orthogonal projection in the quadrature norm of the finer grid, so that σ with slopes
    in [-1, 1] makes the layer nonexpansive in the quadrature norm, exactly.

    Shapes: (batch, channels, latitudes, longitudes) -> the same.

    Source: section 5.1.3.

    Args:
        activation: σ, elementwise.
        degree: L, or the grid itself.
        oversampling: 1 to 64.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if σ is not elementwise, a size is out of range, or x does not fit.

    Example:
        >>> import torch
        >>> from darboux.activations import ReLU
        >>> layer = SphereActivation(ReLU(), degree=3, oversampling=2.0)
        >>> layer(torch.ones(1, 1, 4, 7)).shape
        torch.Size([1, 1, 4, 7])
    """

    @checked
    def __init__(
        self,
        activation: Activation,
        *,
        degree: Natural | SphereGrid,
        oversampling: _Oversampling = 2.0,
    ) -> None:
        super().__init__()
        if not activation.separable:
            msg = f"SphereActivation: expected an elementwise activation; got {activation!r}."
            raise ValueError(msg)
        self.activation = activation
        self.grid = degree if isinstance(degree, SphereGrid) else SphereGrid(degree)
        self.oversampling = oversampling
        self.fine = self.grid.finer(oversampling)

    def forward(self, x: Tensor) -> Tensor:
        """Return P σ(x)."""
        fine = self.fine.synthesis(self.grid.analysis(x))
        return self.grid.synthesis(self.fine.analysis(self.activation(fine)))

    def extra_repr(self) -> str:
        """Return grid and oversampling."""
        return f"{self.grid!r}, oversampling={self.oversampling}"
