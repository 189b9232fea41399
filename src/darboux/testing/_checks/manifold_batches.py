"""Checks that manifolds treat batches point by point, and that derivatives are finite."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.manifolds import Manifold
from darboux.structure._arguments import checked
from darboux.testing._checks._call import require
from darboux.testing._checks._manifold_call import noise, require_equal, tangent


@checked
def check_manifold_batches(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check that every method treats a batch as a loop, broadcasts, and takes an empty batch.

    Args:
        manifold: the manifold.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those.

    Raises:
        AssertionError: naming the method.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_manifold_batches(sphere, sphere.random_point(4), sphere.random_point(4))
    """
    for name, method in _methods(manifold).items():
        whole = method(x, y)
        loop = torch.stack([method(*pair) for pair in zip(x, y, strict=True)])
        require_equal(loop, whole, f"{name}: one point at a time")
        square = method(x[:2, None], y[None, :3])
        require(square.shape[:2] == (2, 3), f"{name} doesn't broadcast: {tuple(square.shape)}.")
        for i, j in ((0, 1), (1, 2), (1, 0)):
            require_equal(square[i, j], method(x[i], y[j]), f"{name}: broadcast batches")
        require(method(x[:0], y[:0]).shape == (0, *whole.shape[1:]), f"{name}: an empty batch.")


def _methods(manifold: Manifold) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Return every method as a function of two points."""

    def toward(x: Tensor, y: Tensor) -> Tensor:
        return manifold.project(x, y)

    return {
        "defect": lambda x, y: manifold.defect((x + y) / 2),
        "nearest": lambda x, y: manifold.nearest((3 * x + y) / 4),
        "project": toward,
        "inner": lambda x, y: manifold.inner(x, toward(x, y), toward(x, 2 * y)),
        "norm": lambda x, y: manifold.norm(x, toward(x, y)),
        "gradient": manifold.gradient,
        "exp": lambda x, y: manifold.exp(x, manifold.log(x, y) / 2),
        "log": manifold.log,
        "dist": manifold.dist,
        "dist2": manifold.dist2,
        "retract": lambda x, y: manifold.retract(x, manifold.log(x, y) / 2),
        "geodesic": lambda x, y: manifold.geodesic(x, y, 0.5),
        "transport": lambda x, y: manifold.transport(x, y, toward(x, y)),
    }


@checked
def check_smooth_distance(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check that derivatives are finite: first ones of dist, exp and log, two of dist².

    Args:
        manifold: the manifold.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those; equal ones are welcome.

    Raises:
        AssertionError: naming what is infinite or NaN.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> x = sphere.random_point(8)
        >>> check_smooth_distance(sphere, x, x)
    """
    start, end = x.detach().requires_grad_(), y.detach().requires_grad_()
    (slope,) = torch.autograd.grad(manifold.dist(start, end).sum(), start)
    _require_finite(slope, "the gradient of dist")
    v = manifold.log(start, end)
    _require_finite(torch.cat(torch.autograd.grad(_mixed(v), (start, end))), "derivatives of log")
    v = manifold.log(x, y).requires_grad_()
    moved = manifold.exp(start, v)
    _require_finite(torch.cat(torch.autograd.grad(_mixed(moved), (start, v))), "those of exp")
    u = tangent(manifold, x, 1)
    curved = _second(manifold, start, end, u)
    _require_finite(curved, "the second derivative of dist²")


def _second(manifold: Manifold, x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    """Return the second derivatives of dist² in the direction of u."""
    first = torch.autograd.grad(manifold.dist2(x, y).sum(), x, create_graph=True)[0]
    along = (first.conj() * u).real.sum() if u.is_complex() else (first * u).sum()
    return torch.cat(torch.autograd.grad(along, (x, y)))


def _mixed(values: Tensor) -> Tensor:
    """Return a real number that all entries have a part in."""
    weighted = values * noise(values, 3)
    return (weighted.real if values.is_complex() else weighted).sum()


def _require_finite(values: Tensor, what: str) -> None:
    bad = int((~values.isfinite()).sum())
    require(bad == 0, f"{what}: {bad} of {values.numel()} entries are not finite.")
