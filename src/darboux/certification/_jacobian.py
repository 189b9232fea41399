"""Jacobians as operators: products with tangents and cotangents, never a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, final

import torch
from torch import Tensor

from darboux.certification._convolutions import LeanConvolutions
from darboux.certification._finding import NotAttackedError
from darboux.certification._problem import Map, norms, spread, unit


@final
class Jacobian:
    """The Jacobian of a map at points x, one per point: v -> Dφ(x) v and u -> Dφ(x)ᵀ u."""

    # Products with cotangents are reverse-mode derivatives. Products with tangents are tried
    # in three ways, and the first that the map's operations support is kept: the derivative
    # of u -> Dφᵀu, which is linear, so its own transpose at v is Dφ v (the fastest, because
    # nothing is evaluated twice); forward mode, `torch.func.jvp`; and a central difference.

    def __init__(self, call: Map, points: Tensor) -> None:
        self.call = call
        self.points = points.detach().clone().requires_grad_()
        with torch.enable_grad(), LeanConvolutions():
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

    def check(self, tangents: Tensor) -> None:
        """Refuse derivatives that difference quotients contradict at most points."""
        if tangents.dtype != torch.float64 and self.value.requires_grad:
            return  # too coarse for quotients to tell
        found, seen = self.push(tangents), self._push_difference(tangents)
        steps = (1 + norms(self.points)) / norms(tangents)
        rounding = torch.finfo(tangents.dtype).eps ** (2 / 3) * norms(self.value) / steps
        off = norms(found - seen) > 1e-5 * (norms(found) + norms(seen)) + 100 * rounding
        if 2 * int(off.sum()) > len(off):
            msg = "the derivatives of autograd are not those of the values"
            raise NotAttackedError(msg)

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
            ahead, behind = self.call(torch.cat([point + step, point - step])).chunk(2)
        change = ahead - behind
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


def dense_jacobians(call: Map, points: Tensor, *, chunk: int) -> Tensor:
    """Return the Jacobians at some points, (P, outputs, inputs), a few columns at a time."""
    n = points[0].numel()
    basis = torch.eye(n, dtype=points.dtype, device=points.device).reshape(n, *points.shape[1:])
    places = points.repeat_interleave(n, dim=0).split(chunk)
    tangents = basis.repeat(len(points), *(1,) * (points.ndim - 1)).split(chunk)
    columns = [
        Jacobian(call, place).push(tangent) for place, tangent in zip(places, tangents, strict=True)
    ]
    return torch.cat(columns).reshape(len(points), n, -1).mT


class Operator(Protocol):
    """A linear operator per point; `Jacobian` is one."""

    def push(self, tangents: Tensor) -> Tensor:
        """Return D v."""

    def pull(self, cotangents: Tensor) -> Tensor:
        """Return Dᵀ u."""


_STALL = 1e-6

_PATIENCE = 4


def largest_singular(
    jacobian: Operator, start: Tensor, *, iterations: int
) -> tuple[Tensor, Tensor]:
    """Return lower bounds of the largest singular values, and the tangents that show them."""
    # Power iteration on DᵀD, accelerated: each iteration takes the best vector in the
    # span of the present one, its gradient and the last direction (locally optimal
    # conjugate gradients), one product with D and one with Dᵀ. All points at once. Every
    # value is ‖Dv‖ of a unit vector v that is returned, hence a lower bound at any time.
    # Knyazev 2001, Toward the optimal preconditioned eigensolver.
    v = unit(start)
    image = jacobian.push(v)
    span, images = v.flatten(1).unsqueeze(1), image.flatten(1).unsqueeze(1)  # (P, vectors, n)
    best, idle = norms(image), 0
    rounding = 4 * v[0].numel() ** 0.5 * torch.finfo(v.dtype).eps
    for _ in range(iterations):
        gradient = jacobian.pull(images[:, 0].reshape(image.shape)).flatten(1)
        v = span[:, 0]
        slope = (gradient * v).sum(dim=1, keepdim=True)
        rest = gradient - slope * v
        if bool((norms(rest) <= rounding * slope[:, 0]).all()):
            break
        residual = unit(rest)
        pushed = jacobian.push(residual.reshape(start.shape)).flatten(1)
        span, images = _best_in_span(
            torch.cat([span, residual.unsqueeze(1)], dim=1),
            torch.cat([images, pushed.unsqueeze(1)], dim=1),
        )
        value = norms(images[:, 0])
        idle = idle + 1 if bool((value <= best * (1 + _STALL)).all()) else 0
        best = torch.maximum(best, value)
        if idle >= _PATIENCE:
            break
    # the images were mixed together with their rounding: look at the vector itself
    found = span[:, 0].reshape(start.shape)
    return norms(jacobian.push(found)) / norms(found).clamp(min=1e-30), found


def _best_in_span(span: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return [best unit vector, last direction] of a span, and their images (Rayleigh-Ritz)."""
    weights, vectors = torch.linalg.eigh(_gram(span))
    # A direction of length √w in the span has an image that rounding has changed by ε/√w.
    noise = (1e3 * torch.finfo(span.dtype).eps) ** 2
    floor = weights[:, -1:] * max(noise, 16 * torch.finfo(weights.dtype).eps)
    inverse = torch.where(weights > floor, weights.clamp(min=1e-300).rsqrt(), 0.0)
    whiten = vectors * inverse.unsqueeze(1)
    _, rotation = torch.linalg.eigh(whiten.mT @ _gram(images) @ whiten)
    best = (whiten @ rotation[:, :, -1:]).mT  # (P, 1, vectors)
    last = best.clone()
    last[:, :, 0] = 0.0
    mix = torch.cat([best, last], dim=1).to(span)
    basis = mix @ span
    length = torch.linalg.vector_norm(basis, dim=2, keepdim=True).clamp(min=1e-30)
    return basis / length, mix @ images / length


def _gram(vectors: Tensor) -> Tensor:
    wide = vectors.double()
    return (wide @ wide.mT).nan_to_num(0.0, 0.0, 0.0)
