"""Jacobians as operators: products with tangents and cotangents, never a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from darboux.certify.problem import Map, norms, spread


@final
class Jacobian:
    """The Jacobian of a map at points x, one per point: v -> Dφ(x) v and u -> Dφ(x)ᵀ u.

    Products with cotangents are reverse-mode derivatives. Products with tangents are tried
    in three ways, and the first that the map's operations support is kept: the derivative
    of u -> Dφᵀu, which is linear, so its own transpose at v is Dφ v (the fastest, because
    nothing is evaluated twice); forward mode, `torch.func.jvp`; and a central difference.

    Shapes: points and tangents (P, *shape), cotangents (P, *out).

    Args:
        call: the map φ on points.
        points: x.

    Example:
        >>> D = Jacobian(torch.square, torch.tensor([[1.0, 2.0]]))
        >>> D.push(torch.tensor([[1.0, 1.0]]))
        tensor([[2., 4.]])
    """

    def __init__(self, call: Map, points: Tensor) -> None:
        self.call = call
        self.points = points.detach().clone().requires_grad_()
        with torch.enable_grad():
            self.value = call(self.points)
        self._transposed: tuple[Tensor, Tensor] | None = None
        self._ways: list[Callable[[Tensor], Tensor]] = [
            self._push_transposed,
            self._push_forward,
            self._push_difference,
        ]

    def pull(self, cotangents: Tensor) -> Tensor:
        """Return Dφ(x)ᵀ u."""
        if not self.value.requires_grad:  # a constant map
            return torch.zeros_like(self.points)
        return _gradient(self.value, self.points, cotangents).detach()

    def push(self, tangents: Tensor) -> Tensor:
        """Return Dφ(x) v."""
        if not self.value.requires_grad:
            return torch.zeros_like(self.value)
        while len(self._ways) > 1:
            try:
                return self._ways[0](tangents)
            except (RuntimeError, NotImplementedError):
                del self._ways[0]
        return self._ways[0](tangents)

    def _push_transposed(self, tangents: Tensor) -> Tensor:
        if self._transposed is None:
            with torch.enable_grad():
                cotangents = torch.zeros_like(self.value).requires_grad_()
                product = _gradient(self.value, self.points, cotangents, differentiable=True)
            self._transposed = (product, cotangents)
        product, cotangents = self._transposed
        if not product.requires_grad:
            msg = "the backward pass of some operation cannot be differentiated"
            raise RuntimeError(msg)
        return _gradient(product, cotangents, tangents).detach()

    def _push_forward(self, tangents: Tensor) -> Tensor:
        return torch.func.jvp(self.call, (self.points.detach(),), (tangents,))[1].detach()

    def _push_difference(self, tangents: Tensor) -> Tensor:
        """Return (φ(x + εv) - φ(x - εv)) / 2ε, ε at the cube root of the rounding unit."""
        point = self.points.detach()
        unit = torch.finfo(point.dtype).eps ** (1 / 3)
        size = unit * (1 + norms(point)) / norms(tangents).clamp(min=1e-30)
        step = spread(size, tangents) * tangents
        with torch.no_grad():
            change = self.call(point + step) - self.call(point - step)
        return change / (2 * spread(size, change))


def _gradient(
    value: Tensor, at: Tensor, weights: Tensor, *, differentiable: bool = False
) -> Tensor:
    (product,) = torch.autograd.grad(
        value,
        at,
        weights,
        retain_graph=True,
        create_graph=differentiable,
        allow_unused=True,
        materialize_grads=True,
    )
    return product
