"""Weighted means of points on a manifold."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darboux.manifolds._domain import seen
from darboux.manifolds._manifold import Manifold
from darboux.manifolds._power import Power
from darboux.manifolds._product import Product
from darboux.solvers import solve
from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import Count, checked


@checked
def frechet_mean(
    manifold: Manifold,
    points: Tensor,
    weights: Tensor | None = None,
    *,
    dim: int = 0,
    max_iter: Count = 100,
) -> Tensor:
    """Return the point m that minimises Σ wᵢ dist(m, xᵢ)², differentiable in points and weights.

    It is where Σ wᵢ log(m, xᵢ) = 0: one step from anywhere where the metric is flat, else by
    Karcher's iteration from the first point, m <- exp(m, Σ wᵢ log(m, xᵢ)), with Newton's method
    where that is slow. Derivatives of two orders are those of the implicit function theorem.
    The mean is unique if the points lie in a ball of less than half the injectivity radius;
    otherwise this is one of the points where the gradient vanishes. Where `geodesic_exp` is
    false, as on SE(n), Σ wᵢ log(m, xᵢ) = 0 alone is meant: that mean of a group minimises
    nothing, but moves along with its points. Half precision is computed in float32.

    Shapes: points are (*batch, *shape) with the axis `dim` of the batch among them, which is
    averaged over; weights are of the shape (*batch), or (k,) for the k points alone.

    Source: Karcher 1977; Afsari 2011 for uniqueness.

    Args:
        manifold: where the points lie.
        points: the points.
        weights: non-negative weights, equal if None; their sum is made 1.
        dim: the axis of the batch to average over, from the front or, negative, from its end.
        max_iter: the number of iterations.

    Raises:
        ConvergenceError: if the iteration doesn't converge.
        ValueError: if shapes don't fit, weights are negative or infinite, or a point lies in the
            cut locus of an iterate.

    Example:
        >>> import torch, darboux as dx
        >>> circle = dx.manifolds.Circle()
        >>> phases = torch.tensor([3.0, -3.0])  # around the jump at π
        >>> frechet_mean(circle, phases)
        tensor(3.1416)
    """
    with without_autocast(points):
        wide = torch.promote_types(points.dtype, torch.float32)
        x, w = _arranged(manifold, points.to(wide), weights, dim)
        return _mean(manifold, x, w, max_iter).to(points.dtype)


def _mean(manifold: Manifold, x: Tensor, w: Tensor, max_iter: int) -> Tensor:
    """Return the mean over the first axis, w having as many axes as x."""
    if isinstance(manifold, Power):  # each value has its own mean, and so has each part
        return _mean(manifold.manifold, x, w, max_iter)
    if isinstance(manifold, Product):
        each = zip(manifold.parts, manifold.unpack(x), strict=True)
        w = w[..., 0]
        return manifold.pack(
            [_mean(m, part, w.reshape(*w.shape, *[1] * len(m.shape)), max_iter) for m, part in each]
        )
    if manifold.flat:
        return manifold.exp(x[0], _mean_log(manifold, x, w, x[0]))
    start = _found(manifold, x.detach(), w.detach(), max_iter)

    # In the tangent space at the mean found, where I - g' is regular: whatever is not tangent is
    # left out, and so are motions that don't move a point.
    def step(flat: Tensor) -> Tensor:
        v = manifold.project(start, _shaped(flat, start))
        m = manifold.exp(start, v)
        return _flat(manifold, v + manifold.project(start, _mean_log(manifold, x, w, m)))

    place = _flat(manifold, start)
    scale = torch.linalg.vector_norm(place, dim=1).clamp(min=1.0)  # angles may be 0
    zero = torch.zeros_like(place)
    v = solve(step, zero, tol=2 * _tolerance(x), context="frechet_mean", scale=scale)
    return manifold.exp(start, manifold.project(start, _shaped(v, start)))


def _found(manifold: Manifold, x: Tensor, w: Tensor, max_iter: int) -> Tensor:
    """Return the mean as a constant."""

    def step(flat: Tensor) -> Tensor:
        m = _shaped(flat, x[0])
        moved = manifold.exp(m, _mean_log(manifold, x, w, m))
        return _flat(manifold, manifold.nearest(moved))

    guess = _flat(manifold, x[0])
    with torch.no_grad():
        m = solve(step, guess, tol=_tolerance(x), max_iter=max_iter, context="frechet_mean")
    return _shaped(m, x[0])


def _flat(manifold: Manifold, x: Tensor) -> Tensor:
    """Return points as real vectors, (count, size)."""
    if x.is_complex():
        return torch.view_as_real(x).reshape(-1, 2 * math.prod(manifold.shape))
    return x.reshape(-1, math.prod(manifold.shape))


def _shaped(flat: Tensor, like: Tensor) -> Tensor:
    """Return what was made flat."""
    if like.is_complex():
        return torch.view_as_complex(flat.reshape(*like.shape, 2))
    return flat.reshape(like.shape)


def _tolerance(x: Tensor) -> float:
    return 1e3 * torch.finfo(x.dtype).eps


def _mean_log(manifold: Manifold, x: Tensor, w: Tensor, m: Tensor) -> Tensor:
    """Return Σ wᵢ log(m, xᵢ)."""
    return (w * manifold.log(m, x)).sum(0)


def _arranged(
    manifold: Manifold, points: Tensor, weights: Tensor | None, dim: int
) -> tuple[Tensor, Tensor]:
    """Return points and normalised weights, with the axis that is averaged over in front."""
    size = manifold.shape
    batch = points.shape[: points.ndim - len(size)]
    if points.shape[len(batch) :] != size or not -len(batch) <= dim < len(batch) or not batch[dim]:
        msg = (
            f"frechet_mean: expected points (*batch, {size}) with an axis {dim} of the batch that "
            f"has an entry; got shape {tuple(points.shape)}."
        )
        raise ValueError(msg)
    dim = dim % len(batch)
    w = torch.ones(batch[dim], dtype=points.dtype, device=points.device).real
    w = w if weights is None else weights.to(w)
    if w.shape not in (batch, batch[dim : dim + 1]):
        msg = (
            f"frechet_mean: expected weights of shape {tuple(batch)} or ({batch[dim]},); got "
            f"{tuple(w.shape)}."
        )
        raise ValueError(msg)
    total = w.sum(dim if w.shape == batch else 0)
    if seen(w) and not bool((w >= 0).all() & ((total > 0) & total.isfinite()).all()):
        msg = "frechet_mean: expected weights of 0 or more with a positive, finite sum; got others."
        raise ValueError(msg)
    w = w.movedim(dim, 0) if w.shape == batch else w.reshape(-1, *[1] * (len(batch) - 1))
    share = w / w.sum(0)
    return points.movedim(dim, 0), share.reshape(*share.shape, *[1] * len(size))
