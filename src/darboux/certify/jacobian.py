"""Jacobians as operators: products with tangents and cotangents, never a matrix."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor

from darboux.certify.problem import Map

Way = Literal["forward", "transposed"]


@final
class Jacobian:
    """The Jacobian of a map at points x, one per point: v -> Dφ(x) v and u -> Dφ(x)ᵀ u.

    Products with tangents use forward-mode differentiation (`torch.func.jvp`), or the
    derivative of u -> Dφᵀu, which is linear: its own transpose at v is Dφ v. Where one of
    the two does not support some operation of the map, the other takes over.

    Shapes: points and tangents (P, *shape), cotangents (P, *out).

    Args:
        call: the map φ on points.
        points: x.
        prefer: "forward" or "transposed"; in float32 the latter is faster for convolutions.

    Example:
        >>> D = Jacobian(torch.square, torch.tensor([[1.0, 2.0]]))
        >>> D.push(torch.tensor([[1.0, 1.0]]))
        tensor([[2., 4.]])
    """

    def __init__(self, call: Map, points: Tensor, *, prefer: Way = "forward") -> None:
        self.call = call
        self.points = points.detach().clone().requires_grad_()
        with torch.enable_grad():
            self.value = call(self.points)
        self._way: Way = prefer
        self._transposed: tuple[Tensor, Tensor] | None = None

    def pull(self, cotangents: Tensor) -> Tensor:
        """Return Dφ(x)ᵀ u."""
        if not self.value.requires_grad:  # a constant map
            return torch.zeros_like(self.points)
        (product,) = torch.autograd.grad(
            self.value,
            self.points,
            cotangents,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        return product.detach()

    def push(self, tangents: Tensor) -> Tensor:
        """Return Dφ(x) v."""
        ways = {"forward": self._push_forward, "transposed": self._push_transposed}
        try:
            return ways[self._way](tangents)
        except (RuntimeError, NotImplementedError):
            self._way = "transposed" if self._way == "forward" else "forward"
        return ways[self._way](tangents)

    def _push_forward(self, tangents: Tensor) -> Tensor:
        return torch.func.jvp(self.call, (self.points.detach(),), (tangents,))[1].detach()

    def _push_transposed(self, tangents: Tensor) -> Tensor:
        if self._transposed is None:
            self._transposed = self._transpose()
        product, cotangents = self._transposed
        if not product.requires_grad:
            return torch.zeros_like(cotangents)
        (result,) = torch.autograd.grad(
            product,
            cotangents,
            tangents,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        return result.detach()

    def _transpose(self) -> tuple[Tensor, Tensor]:
        """Return Dφᵀu as a differentiable function of u, with that u."""
        with torch.enable_grad():
            cotangents = torch.zeros_like(self.value).requires_grad_()
            if not self.value.requires_grad:
                return torch.zeros_like(self.points), cotangents
            (product,) = torch.autograd.grad(
                self.value,
                self.points,
                cotangents,
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        return product, cotangents
