"""Conjugate gradients for one symmetric equation, up to the first direction without curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]


class Conjugate(NamedTuple):
    """What conjugate gradients found: x, its relative residual, and how many products it took."""

    x: Tensor
    residual: float
    products: int
    is_convex: bool


def conjugate_gradients(product: Product, b: Tensor, *, tol: float, max_iter: int) -> Conjugate:
    """Minimise ½ xᵀA x - bᵀx over growing Krylov spaces, until ‖b - A x‖ <= tol ‖b‖.

    Every iterate descends, so that stopping early is sound. Where pᵀA p <= 0 there is no minimum:
    x so far is returned, or b at the very first. Steihaug 1983.
    """
    x, r, p = torch.zeros_like(b), b, b
    size = squared = float(torch.dot(b, b))
    for k in range(max_iter):
        if squared <= tol**2 * size:
            return Conjugate(x, _relative(squared, size), k, is_convex=True)
        image = product(p)
        bend = float(torch.dot(p, image))
        if not bend > 0:
            return Conjugate(b if k == 0 else x, _relative(squared, size), k + 1, is_convex=False)
        length = squared / bend
        x = x + length * p
        r = r - length * image
        before, squared = squared, float(torch.dot(r, r))
        p = r + squared / before * p
    return Conjugate(x, _relative(squared, size), max_iter, is_convex=True)


def _relative(squared: float, size: float) -> float:
    return 0.0 if size == 0 else float((squared / size) ** 0.5)
