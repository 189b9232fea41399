"""Power iteration that remembers its last direction."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from darboux.certify.problem import norms, spread, unit


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
    """Return lower bounds of the largest singular values, and the tangents that show them.

    Power iteration on DᵀD, accelerated: each iteration takes the best vector in the
    span of the present one, its gradient and the last direction (locally optimal
    conjugate gradients), one product with D and one with Dᵀ. All points at once. Every
    value is ‖Dv‖ of a unit vector v that is returned, hence a lower bound at any time.

    Source: Knyazev 2001, Toward the optimal preconditioned eigensolver.

    Args:
        jacobian: D at P points.
        start: tangents to begin with, (P, *shape).
        iterations: at most so many.

    Returns:
        (values, tangents), (P,) and (P, *shape).

    Example:
        >>> from darboux.certify.jacobian import Jacobian
        >>> D = Jacobian(lambda x: x * torch.tensor([1.0, 3.0]), torch.zeros(1, 2))
        >>> values, _ = largest_singular(D, torch.ones(1, 2), iterations=8)
        >>> round(float(values), 4)
        3.0
    """
    v = unit(start)
    image = jacobian.push(v)
    basis, images = [v], [image]
    best, idle = norms(image), 0
    for _ in range(iterations):
        v, image = basis[0], images[0]
        gradient = jacobian.pull(image)
        slope = spread((gradient * v).flatten(1).sum(dim=1), v)
        residual = unit(gradient - slope * v)
        span = [v, residual, *basis[1:]]
        imaged = [image, jacobian.push(residual), *images[1:]]
        basis, images = _best_in_span(span, imaged)
        value = norms(images[0])
        idle = idle + 1 if bool((value <= best * (1 + _STALL)).all()) else 0
        best = torch.maximum(best, value)
        if idle >= _PATIENCE:
            break
    return norms(images[0]), basis[0]


def _best_in_span(span: list[Tensor], images: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return [best unit vector, last direction] of a span, and their images (Rayleigh-Ritz)."""
    gram, energy = _gram(span), _gram(images)
    weights, vectors = torch.linalg.eigh(gram)
    # A direction of length √w in the span has an image that rounding has changed by ε/√w.
    noise = (1e3 * torch.finfo(span[0].dtype).eps) ** 2
    floor = weights[:, -1:] * max(noise, 16 * torch.finfo(weights.dtype).eps)
    inverse = torch.where(weights > floor, weights.clamp(min=1e-300).rsqrt(), 0.0)
    whiten = vectors * inverse[:, None, :]
    _, rotation = torch.linalg.eigh(whiten.mT @ energy @ whiten)
    mix = (whiten @ rotation[:, :, -1:])[:, :, 0]  # (P, len(span))
    best, image = _mixed(span, mix), _mixed(images, mix)
    last, last_image = _mixed(span[1:], mix[:, 1:]), _mixed(images[1:], mix[:, 1:])
    size = spread(norms(best).clamp(min=1e-30), best)
    length = norms(last).clamp(min=1e-30)
    basis = [best / size, last / spread(length, last)]
    return basis, [
        image / spread(norms(best).clamp(min=1e-30), image),
        last_image / spread(length, last_image),
    ]


def _gram(vectors: list[Tensor]) -> Tensor:
    stacked = torch.stack([v.reshape(v.shape[0], -1).double() for v in vectors], dim=1)
    return (stacked @ stacked.mT).nan_to_num(0.0, 0.0, 0.0)


def _mixed(vectors: list[Tensor], mix: Tensor) -> Tensor:
    total = torch.zeros_like(vectors[0])
    for k, vector in enumerate(vectors):
        total = total + spread(mix[:, k].to(vector.dtype), vector) * vector
    return total
