"""Values, gradients and generalised Gauss-Newton products of E(θ) = L(z(θ), θ), matrix-free."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from darboux.solvers._transforms import without_autocast


class Curvature:
    """E, ∇E and v -> G v at the present parameters θ, which vectors stack in their order.

    G = Jᵀ(∂²L)J with J = ∂(z, θ)/∂θ: the curvature of z is left out, that of L is whole, in z
    and in what θ it knows besides. G is semidefinite where L is convex. Without z it is ∇²E.
    Schraudolph 2002.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        output: Callable[[], Tensor] | None,
        loss: Callable[[Tensor], Tensor],
    ) -> None:
        self._parameters = [*parameters]
        with torch.enable_grad(), without_autocast(self._parameters[0]):
            first = self._parameters[0]
            z = first.new_zeros(()) if output is None else output()
            self._at = z.detach().requires_grad_()
            value = loss(self._at)
            self._slopes = derivatives([value], [self._at, *parameters], create_graph=True)
            # ⟨u, z⟩ has the gradient Jᵀu, linear in u, whose derivative along v is J v.
            self._u = torch.zeros_like(z).requires_grad_()
            self._pull = derivatives([z], self._parameters, [self._u], create_graph=True)
            pulled = derivatives([z], self._parameters, [self._slopes[0].detach()])
        self.value = value.detach()
        slopes = [a + b for a, b in zip(pulled, self._slopes[1:], strict=True)]
        self.gradient = flat(slopes).detach()
        self._z = z

    def product(self, v: Tensor) -> Tensor:
        """Return G v, (n,)."""
        with torch.enable_grad(), without_autocast(v):
            direction = split(v, self._parameters)
            (tangent,) = derivatives(self._pull, [self._u], direction)
            bent = derivatives(self._slopes, [self._at, *self._parameters], [tangent, *direction])
            pulled = derivatives([self._z], self._parameters, bent[:1])
            return flat([a + b for a, b in zip(pulled, bent[1:], strict=True)]).detach()


def derivatives(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    along: Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
) -> list[Tensor]:
    """Return the products of vectors with derivatives, zeros where nothing depends on an input."""
    vectors = [torch.ones_like(y) for y in outputs] if along is None else along
    pairs = [(y, v) for y, v in zip(outputs, vectors, strict=True) if y.requires_grad]
    if not pairs:
        return [torch.zeros_like(x) for x in inputs]
    found = torch.autograd.grad(
        [y for y, _ in pairs],
        inputs,
        [v for _, v in pairs],
        create_graph=create_graph,
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return [*found]


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return the entries of all tensors as one vector, of the widest of their types."""
    return torch.cat([t.reshape(-1) for t in tensors])


def split(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Return the parts of a vector, of the shapes and types of tensors."""
    parts = vector.split([t.numel() for t in like])
    return [part.reshape(t.shape).to(t.dtype) for part, t in zip(parts, like, strict=True)]
