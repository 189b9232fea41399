"""The abstract measurement of images: a linear map whose rows have no bounds of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor

from darboux.linear import LinearMap
from darboux.linear._combined_map import same_bound
from darboux.structure._arguments import checked

Resolvent = Callable[..., Tensor]

_ROUNDING = 2.0**10  # units in the last place


class Operator(LinearMap):
    """What an instrument makes of an image, A x, before noise is added.

    Shapes: x is (batch, in_features, *space), A x is (batch, out_features, *others).
    """

    def turned_data(self, y: Tensor) -> Tensor:
        """Return ρ' y for a quarter turn, if there is a ρ'; `turned` finds out."""
        return torch.rot90(y, 1, (-2, -1))  # of data that are an image

    @checked
    def turned(self, y: Tensor, *, quarters: int = 1) -> Tensor:
        """Return ρ' y, the data of an image turned by quarters of a circle: A ρ x = ρ' A x.

        ρ turns images as `torch.rot90` does, and ρ' is unitary. Then A* ρ' y = ρ A* y, and
        ‖A ρ x - ρ' y‖ = ‖A x - y‖: what is reconstructed from ρ' y with a prior that turns
        do not change is ρ of what is reconstructed from y.

        Raises:
            ValueError: if no such ρ' is known, with the defect, measured on a random image.
        """
        k = quarters % 4
        with torch.no_grad():
            like = self.adjoint(y[:1] if len(y) else y.new_ones(1, *y.shape[1:]))
            generator = torch.Generator().manual_seed(0)
            x = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)
            expected, found = self(torch.rot90(x, k, (-2, -1))), self._turns(self(x), k)
            same = expected.shape == found.shape
            defect = float((expected - found).norm() / expected.norm()) if same else 1.0
        if not defect <= _ROUNDING * torch.finfo(y.dtype).eps:
            msg = (
                f"{type(self).__name__}: expected an operator with A ρ = ρ' A for turns of square "
                f"images; got one where the two differ by {defect:.3g} of A ρ x. Make what it is "
                "made of (kernel, mask, angles) symmetric."
            )
            raise ValueError(msg)
        return self._turns(y, k)

    def _turns(self, y: Tensor, quarters: int) -> Tensor:
        for _ in range(quarters):
            y = self.turned_data(y)
        return y

    @property
    def resolvent(self) -> Resolvent | None:
        """(b, *, gamma) -> (I + γ A*A)⁻¹ b where there is a formula, None elsewhere."""
        return None

    def row_bound(self) -> Tensor:
        """Return ‖A‖² for every channel."""
        return same_bound(self.norm_bound(), self.out_features)

    def symbol(self, n: int) -> NoReturn:
        """Refuse: measurements have no symbol, or one that nobody needs."""
        del n
        msg = f"Expected a map with a symbol; got {type(self).__name__}. Use norm_bound()."
        raise TypeError(msg)

    def take(self, x: Tensor, channels: int) -> Tensor:
        """Return an input in the format to compute in, or refuse its shape."""
        size = self.image_size if channels == self.in_features else None
        fits = x.ndim == self.dim + 2 and x.shape[1] == channels
        if not fits or (size is not None and tuple(x.shape[2:]) != size):
            space = ", ".join(map(str, size or ("n",) * self.dim))
            msg = (
                f"{type(self).__name__}: expected an input of shape (batch, {channels}, {space}); "
                f"got {tuple(x.shape)}. Make the operator for such images, or reshape them."
            )
            raise ValueError(msg)
        return x.to(torch.promote_types(x.dtype, torch.float32))  # half precision has no FFT
