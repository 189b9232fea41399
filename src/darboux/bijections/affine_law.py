"""The affine law with a bounded scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.bijections.coupling_law import CouplingLaw, LawPull


@final
@dataclass(frozen=True, kw_only=True)
class AffineLaw(CouplingLaw):
    """y = x e^s + t with s = b tanh(r/b), so that |s| <= b.

    Raw parameters are (r, t); zeros give the identity.

    Shapes: x and y are (batch, channels, *space), raw parameters (batch, 2 channels, *space).

    Source: section 4.1.1; Dinh et al. 2017, Density estimation using Real NVP.

    Args:
        bound: b > 0.

    Raises:
        ValueError: if b is not positive and finite.

    Example:
        >>> law, raw = AffineLaw(), torch.tensor([[0.0, 1.0]])
        >>> law.forward(torch.tensor([[2.0]]), raw)
        (tensor([[3.]]), tensor([[0.]]))
    """

    bound: float = 2.0

    def __post_init__(self) -> None:
        if not (self.bound > 0 and math.isfinite(self.bound)):
            msg = (
                f"AffineCoupling: expected a positive, finite bound of |s|; got {self.bound}. Use "
                "e.g. bound=2.0, scales between e⁻² and e²."
            )
            raise ValueError(msg)

    @property
    def parameters_per_feature(self) -> int:
        """Two: r and t."""
        return 2

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return x e^s + t and s."""
        s, t = self._parameters(raw)
        return torch.addcmul(t, x, s.exp()), s

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return (y - t) e^{-s} and -s."""
        s, t = self._parameters(raw)
        negative = -s
        return (y - t) * negative.exp(), negative

    def retrace(self, y: Tensor, raw: Tensor) -> tuple[Tensor, LawPull]:
        """Return (y - t) e^{-s}, with derivatives by hand."""
        s, t = self._parameters(raw)
        rest, scale = y - t, s.exp()  # x e^s, which is dy/ds

        def pull(gradient: Tensor, slope_gradient: Tensor | None) -> tuple[Tensor, Tensor]:
            towards_s = gradient * rest
            if slope_gradient is not None:
                towards_s = towards_s + slope_gradient
            inner = 1 - (s / self.bound).square()  # ds/dr
            return gradient * scale, torch.cat((towards_s * inner, gradient), 1)

        return rest / scale, pull

    def _parameters(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        r, t = raw.chunk(2, dim=1)
        return self.bound * torch.tanh(r / self.bound), t
