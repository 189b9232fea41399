"""The equation (I - g'(x)) u = r at a fixed point x: solved, and differentiated in r."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from darboux.solvers._convergence import entries, norms
from darboux.solvers._transforms import pullback

Map = Callable[[Tensor], Tensor]


class Linearised(ABC):
    """The inverse M = (I - g'(x))⁻¹ with x, and everything else that g knows, held fixed."""

    # the implicit function theorem.

    gain: Tensor | float  # ‖g'(x)‖ of each sample, or what is known of it

    @abstractmethod
    def correction(self, r: Tensor) -> Tensor:
        """Return M r up to what one iteration of Newton's method needs; no derivatives."""

    @abstractmethod
    def level(self, r: Tensor) -> Tensor:
        """Return how large the residuals r count when steps are damped, (batch,)."""

    @abstractmethod
    def moved(self, r: Tensor) -> Tensor:
        """Return 0 with the derivatives of M r, of the shape of r."""


_AT_ONCE = 2**23  # numbers in the rows that are computed together


@final
class Dense(Linearised):
    """I - g'(x) as one matrix per sample, factorised: n derivatives for n unknowns."""

    def __init__(self, g: Map, x: Tensor) -> None:
        super().__init__()
        slope = jacobian(g, x)
        if slope.dtype not in (torch.float32, torch.float64):
            slope = slope.float()  # there is no elimination in half precision
        self.gain: Tensor | float = torch.linalg.matrix_norm(slope).to(x.dtype)
        identity = torch.eye(slope.shape[1], dtype=slope.dtype, device=slope.device)
        self._factors, self._pivots, _ = torch.linalg.lu_factor_ex(identity - slope)

    def correction(self, r: Tensor) -> Tensor:
        """Return M r."""
        return self.solve(r.detach())

    def level(self, r: Tensor) -> Tensor:
        """Return ‖M r‖: unlike ‖r‖ it does not change with the scales of g."""
        return norms(self.correction(r))

    def moved(self, r: Tensor) -> Tensor:
        """Return 0 with the derivatives of M r."""
        return self.solve(r - r.detach())

    def solve(self, r: Tensor, *, transposed: bool = False) -> Tensor:
        """Return M r or Mᵀ r, with derivatives of all orders in r."""
        column = r.reshape(len(r), -1, 1).to(self._factors.dtype)
        solution = torch.linalg.lu_solve(self._factors, self._pivots, column, adjoint=transposed)
        return solution.to(r.dtype).reshape(r.shape)


def jacobian(g: Map, x: Tensor) -> Tensor:
    """Return g'(x) of each sample, (batch, n, n), detached."""
    # Samples do not see each other, so one direction serves all of them at once. Reverse mode:
    # g is evaluated once, and the call may stand inside forward mode, which does not nest.
    n = entries(x)
    basis = torch.eye(n, dtype=x.dtype, device=x.device).reshape(n, 1, *x.shape[1:])
    pull = pullback(g, x)

    def row(direction: Tensor) -> Tensor:
        return pull(direction.expand_as(x))

    chunk = max(1, min(n, _AT_ONCE // x.numel()))
    rows: Tensor = torch.func.vmap(row, chunk_size=chunk)(basis)
    return rows.detach().reshape(n, len(x), n).transpose(0, 1)
