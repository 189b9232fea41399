"""The constraint that a map's norm stays below a number."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.linear.sizes import finite
from darboux.linear.spectral import kernel_bound
from darboux.structure import Claim, Kind, Lipschitz, Premise


@final
class Spectral(nn.Module):
    """Parametrise a kernel so that its norm is at most c: W -> W c / max(c, bound(W)).

    The bound is rigorous, for matrices and for convolutions on every image size; kernels
    within it stay as they are.

    Shapes: (out, in, *kernel), kept.

    Source: sections 2.1.1 and 4.1.3.

    Args:
        norm: c > 0.

    Raises:
        ValueError: if c is not positive.

    Example:
        >>> import darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> conv = dx.linear.Conv(2, 2, kernel=3, dim=2)
        >>> _ = parametrize.register_parametrization(conv, "weight", Spectral(norm=0.5))
        >>> bool(conv.norm_bound() <= 0.5)
        True
    """

    def __init__(self, *, norm: float = 1.0) -> None:
        super().__init__()
        if not finite("norm", norm) > 0:
            msg = f"Spectral: expected norm > 0; got {norm}. Use a positive number."
            raise ValueError(msg)
        self.norm = float(norm)

    def forward(self, weight: Tensor) -> Tensor:
        """Return W, shrunk to the norm if its bound exceeds it."""
        ratio = self.norm / kernel_bound(weight).clamp(min=self.norm)
        # Rounding ratio and product to the dtype of W may lift entries by two units.
        margin = 1 - 4 * torch.finfo(weight.dtype).eps
        factor = torch.where(ratio < 1, ratio * margin, ratio)
        return weight * factor.to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return a W' that becomes W, if W obeys the constraint."""
        return weight

    def claim(self, module: nn.Module, premises: tuple[Premise, ...]) -> Claim:
        """Return that a map with this kernel is Lipschitz with c."""
        del module
        reason = f"the weight is W c / max(c, bound(W)) with c = {self.norm:g} (Spectral)"
        return Claim(Lipschitz(self.norm), Kind.CONSTRUCTION, reason, premises)

    def extra_repr(self) -> str:
        """Return the norm."""
        return f"norm={self.norm:g}"
