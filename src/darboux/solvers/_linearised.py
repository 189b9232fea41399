"""The equation (I - g'(x)) u = r at a fixed point x: by a matrix, or by Krylov spaces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from darboux.solvers._convergence import ConvergenceError, Map, Numbers, entries, norms, numbers
from darboux.solvers._gmres import gmres
from darboux.solvers._transforms import is_mapped, pullback, pullbacks

_AT_ONCE = 2**23  # numbers in the rows of a matrix that are computed together

_NEWTON = 1e-4  # relative residual of one Newton step: four digits per iteration

_ROUNDING = 8.0


class Linearised(ABC):
    """The inverse M = (I - g'(x))⁻¹ with x, and everything else that g knows, held fixed."""

    gain: Numbers | float  # ‖g'(x)‖ of each sample, or what is known of it

    @abstractmethod
    def correction(self, r: Tensor) -> Tensor:
        """Return M r up to what one iteration of Newton's method needs; no derivatives."""

    @abstractmethod
    def level(self, r: Tensor) -> Numbers:
        """Return how large the residuals r count when steps are damped."""

    @abstractmethod
    def moved(self, r: Tensor) -> Tensor:
        """Return 0 with the derivatives of M r, of the shape of r."""


@final
class Dense(Linearised):
    """I - g'(x) as one matrix per sample, factorised: n derivatives for n unknowns."""

    def __init__(self, g: Map, x: Tensor, *, alone: bool = False) -> None:
        super().__init__()
        slope = jacobian(g, x, alone=alone)
        if slope.dtype not in (torch.float32, torch.float64):
            slope = slope.float()  # there is no elimination in half precision
        self.gain: Numbers | float = numbers(torch.linalg.matrix_norm(slope))
        identity = torch.eye(slope.shape[1], dtype=slope.dtype, device=slope.device)
        self._factors, self._pivots, _ = torch.linalg.lu_factor_ex(identity - slope)

    def correction(self, r: Tensor) -> Tensor:
        """Return M r."""
        return self.solve(r.detach())

    def level(self, r: Tensor) -> Numbers:
        """Return ‖M r‖: unlike ‖r‖ it does not change with the scales of g."""
        return numbers(norms(self.correction(r)))

    def moved(self, r: Tensor) -> Tensor:
        """Return 0 with the derivatives of M r."""
        return self.solve(r - r.detach())

    def solve(self, r: Tensor, *, transposed: bool = False) -> Tensor:
        """Return M r or Mᵀ r, with derivatives of all orders in r."""
        column = r.reshape(len(r), -1, 1).to(self._factors.dtype)
        solution = torch.linalg.lu_solve(self._factors, self._pivots, column, adjoint=transposed)
        return solution.to(r.dtype).reshape(r.shape)


def jacobian(g: Map, x: Tensor, *, alone: bool) -> Tensor:
    """Return g'(x) of each sample, (batch, n, n), detached; `alone` as for `pullbacks`."""
    # Samples do not see each other, so one direction serves all of them at once. Reverse mode:
    # g is evaluated once, and the call may stand inside forward mode, which does not nest.
    n = entries(x)
    basis = torch.eye(n, dtype=x.dtype, device=x.device).reshape(n, 1, *x.shape[1:])
    rows = pullbacks(g, x, alone=alone)(
        basis.expand(n, *x.shape), max(1, min(n, _AT_ONCE // x.numel()))
    )
    return rows.detach().reshape(n, len(x), n).transpose(0, 1)


@final
class MatrixFree(Linearised):
    """I - g'(x) by its products with vectors."""

    def __init__(self, g: Map, x: Tensor, *, context: str, transposed: bool = False) -> None:
        super().__init__()
        self.g = g
        self.x = x
        self.context = context
        self.is_transposed = transposed
        self.gain: Numbers | float = 0.0
        self._slope = self._products()

    def correction(self, r: Tensor) -> Tensor:
        """Return M r to a relative residual of 1e-4, or as far as the Krylov spaces lead."""
        solution = gmres(self._product, self._columns(r.detach()), tol=_NEWTON)
        self.gain = numbers(solution.gain)
        return self._like(solution.x, r)

    def level(self, r: Tensor) -> Numbers:
        """Return ‖r‖: another equation for each trial would cost more than it saves."""
        return numbers(norms(r))

    def moved(self, r: Tensor) -> Tensor:
        """Return 0 with the derivatives of M r."""
        moved: Tensor = _Moved.apply(r, self)
        return moved

    def solve(self, r: Tensor) -> Tensor:
        """Return M r to rounding, with its derivatives."""
        # Inside `torch.func.vmap`, where nothing can depend on values, by the matrix: whoever
        # maps over a basis there makes a matrix of that size anyway.
        with torch.autocast(r.device.type, enabled=False):
            if is_mapped():
                return Dense(self.g, self.x).solve(r, transposed=self.is_transposed)
            b = self._columns(r.detach())
            unit = _ROUNDING * entries(r) * torch.finfo(b.dtype).eps
            x, residual, gain = gmres(self._product, b, tol=min(unit, _NEWTON))
            size = torch.linalg.vector_norm(b, dim=1) + gain * torch.linalg.vector_norm(x, dim=1)
            if not bool((residual <= unit * size).all()):
                raise ConvergenceError(self._message(residual / size))
            return self._like(x, r) + self.moved(r)

    def transpose(self) -> MatrixFree:
        """Return the transposed equation."""
        return MatrixFree(self.g, self.x, context=self.context, transposed=not self.is_transposed)

    def _message(self, relative: Tensor) -> str:
        lost = torch.where(relative.isfinite(), relative, torch.inf)
        worst = int(lost.argmax())
        return (
            f"{self.context}: expected the derivative of the solution from GMRES; got a relative "
            f"residual of {float(lost[worst]):.3g} in sample {worst}. Use a smaller step, or "
            "float64."
        )

    def _product(self, v: Tensor) -> Tensor:
        """Return (I - g'(x)) v, or its transpose's, (batch, n)."""
        return v - self._columns(self._slope(self._like(v, self.x)).detach())

    def _products(self) -> Callable[[Tensor], Tensor]:
        """Return v -> g'(x)ᵀ v, or v -> g'(x) v as the transpose of that."""
        # Twice reverse mode: g is evaluated once, and forward mode, inside which this may
        # stand, does not nest.
        with torch.no_grad(), torch.autocast(self.x.device.type, enabled=False):
            if self.is_transposed:
                return pullback(self.g, self.x)
            return pullback(self._transposed_product, torch.zeros_like(self.x))

    def _transposed_product(self, v: Tensor) -> Tensor:
        return pullback(self.g, self.x)(v)

    def _columns(self, v: Tensor) -> Tensor:
        flat = v.reshape(len(v), -1)
        return flat if flat.dtype == torch.float64 else flat.float()

    def _like(self, flat: Tensor, x: Tensor) -> Tensor:
        return flat.to(x.dtype).reshape(x.shape)


class _Moved(torch.autograd.Function):
    """r -> 0, whose derivative is M."""

    # The value needs no g, which may know tensors of `torch.func` that the forward of an
    # `autograd.Function` must not meet; derivatives are taken outside of it.

    @staticmethod
    def forward(r: Tensor, equation: MatrixFree) -> Tensor:
        del equation
        return torch.zeros_like(r)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, MatrixFree], output: Tensor) -> None:
        del output
        ctx.equation = inputs[1]

    @staticmethod
    def backward(ctx: Any, *slope: Tensor) -> tuple[Tensor, None]:
        return ctx.equation.transpose().solve(slope[0]), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return ctx.equation.solve(tangent)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, None], r: Tensor, equation: MatrixFree
    ) -> tuple[Tensor, int | None]:
        del info
        return _Moved.apply(r, equation), in_dims[0]
