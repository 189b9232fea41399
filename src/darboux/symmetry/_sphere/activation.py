"""Pointwise activations on the sphere."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.activations import Activation
from darboux.symmetry._sphere.grid import SphereGrid


@final
class SphereActivation(nn.Module):
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
        oversampling: >= 1.

    Raises:
        TypeError: if σ is no elementwise activation.
        ValueError: if a size is out of range, or x does not fit.

    Example:
        >>> import torch
        >>> from darboux.activations import ReLU
        >>> layer = SphereActivation(ReLU(), degree=3, oversampling=2.0)
        >>> layer(torch.ones(1, 1, 4, 7)).shape
        torch.Size([1, 1, 4, 7])
    """

    def __init__(
        self, activation: Activation, *, degree: int | SphereGrid, oversampling: float = 2.0
    ) -> None:
        super().__init__()
        if not isinstance(activation, Activation) or not activation.separable:
            msg = (
                "SphereActivation: expected an elementwise activation such as ReLU(); got "
                f"{type(activation).__name__}."
            )
            raise TypeError(msg)
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
