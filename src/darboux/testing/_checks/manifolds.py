"""Checks of the geometry that a manifold computes, on points x and y of the user's choice.

Each identity holds to 1e-9 of the values in float64, and to 1e-3 in float32.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from darboux.manifolds import Manifold
from darboux.structure._arguments import checked
from darboux.testing._checks._call import require
from darboux.testing._checks._manifold_call import (
    dot,
    limit,
    noise,
    real,
    require_equal,
    tangent,
    unit,
)


@checked
def check_points(manifold: Manifold, x: Tensor) -> None:
    """Check that points pass `check`, that others don't, and that `nearest` makes points.

    Args:
        manifold: the manifold.
        x: points, (batch, *shape).

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_points(sphere, sphere.random_point(8))
    """
    ok, reason = manifold.check(x)
    require(ok, reason)
    drawn = manifold.random_point(3, dtype=real(x), generator=Generator().manual_seed(0))
    require(drawn.shape == (3, *manifold.shape), f"random_point(3) has the shape {drawn.shape}.")
    require(manifold.check(drawn)[0], f"random points: {manifold.check(drawn)[1]}")
    noisy = x + noise(x, 0) / 10
    require_equal(manifold.nearest(x), x, "nearest(x) of points", x.abs().max())
    landed = manifold.nearest(noisy)
    require(manifold.check(landed)[0], f"nearest: {manifold.check(landed)[1]}")
    require_equal(manifold.nearest(landed), landed, "nearest twice", landed.abs().max())
    require(not manifold.check(torch.full_like(x, torch.nan))[0], "check(x) accepts NaN.")
    wrong = x.new_zeros(2, *manifold.shape[:-1], sum(manifold.shape) + 1)
    told = not manifold.shape or "expected shape" in manifold.check(wrong)[1]
    require(told, "check(x) accepts a wrong shape.")


@checked
def check_projection(manifold: Manifold, x: Tensor) -> None:
    """Check that `project` is an orthogonal projection, and `gradient` dual to derivatives.

    That is P P = P, <P u, w> = <u, P w>, and inner(x, gradient(x, g), v) = Re <g, v>.

    Args:
        manifold: the manifold.
        x: points, (batch, *shape).

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_projection(sphere, sphere.random_point(8))
    """
    u, w = noise(x, 1), noise(x, 2)
    one, other = manifold.project(x, u), manifold.project(x, w)
    require_equal(manifold.project(x, one), one, "project twice")
    left, right = (dot(manifold, *pair) for pair in ((one, w), (u, other)))
    require_equal(left, right, "<project u, w> against <u, project w>")
    v = manifold.gradient(x, w)
    size = 1 + v.abs().max()
    require_equal(manifold.project(x, v), v, "gradient(x, g), projected", size)
    dual = manifold.inner(x, v, one)
    scale = manifold.norm(x, v) * manifold.norm(x, one)
    require_equal(dual, dot(manifold, w, one), "inner(x, gradient(x, g), v)", scale)
    require(not dual.is_complex(), "inner products are complex numbers.")


@checked
def check_exp_and_log(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check that `exp` and `log` undo each other, and that their values are what they should be.

    Args:
        manifold: the manifold.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those.

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_exp_and_log(sphere, sphere.random_point(8), sphere.random_point(8))
    """
    v = manifold.log(x, y)
    require_equal(manifold.project(x, v), v, "log(x, y), projected")
    back = manifold.exp(x, v)
    require(manifold.check(back)[0], f"exp: {manifold.check(back)[1]}")
    require_equal(back, y, "exp(x, log(x, y)) against y")
    require_equal(manifold.log(x, back), v, "log(x, exp(x, v)) against v")
    require_equal(manifold.exp(x, 0 * v), x, "exp(x, 0)")
    require_equal(manifold.log(x, x), 0 * v, "log(x, x)", x.abs().max())


@checked
def check_geodesic(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check that geodesics run at constant speed, and end where `log` says, from either end.

    Args:
        manifold: a manifold whose exponential is that of its metric.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those.

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_geodesic(sphere, sphere.random_point(8), sphere.random_point(8))
    """
    middle, whole = manifold.geodesic(x, y, 0.5), manifold.dist(x, y)
    for what, end in (("start", x), ("end", y)):
        half = manifold.dist(middle, end)
        require_equal(half, whole / 2, f"distance of the middle from the {what}")
    early, late = manifold.geodesic(x, y, 0.3), manifold.geodesic(y, x, 0.7)
    require_equal(early, late, "the geodesic and its reverse")
    further = manifold.geodesic(early, y, 2 / 7)
    require_equal(further, middle, "a geodesic in two pieces")


@checked
def check_distance(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check symmetry, triangle inequality, dist = |log|, and that dist² has gradient -2 log.

    Args:
        manifold: a manifold whose exponential is that of its metric.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those.

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_distance(sphere, sphere.random_point(8), sphere.random_point(8))
    """
    d, v = manifold.dist(x, y), manifold.log(x, y)
    require(d.shape == manifold.defect(x).shape, f"dist has the shape {tuple(d.shape)}.")
    require_equal(manifold.dist(y, x), d, "dist(y, x) against dist(x, y)")
    require_equal(manifold.norm(x, v), d, "|log(x, y)| against dist(x, y)")
    require_equal(manifold.dist2(x, y), d**2, "dist2 against dist squared")
    # a point beside the middle: others may be too far for a logarithm that is iterated
    aside = manifold.random_tangent(x)
    share = d / (8 * manifold.norm(x, aside))
    between = manifold.retract(
        x, v / 2 + share.reshape(*share.shape, *(1,) * len(manifold.shape)) * aside
    )
    detour = manifold.dist(x, between) + manifold.dist(between, y)
    slack = float((d - detour).max()) - limit(d) * float(d.max())
    require(slack <= 0, f"dist breaks the triangle inequality by {slack:.3g}.")
    start = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(manifold.dist2(start, y).sum(), start)
    require_equal(manifold.gradient(x, slope), -2 * v, "gradient of dist² against -2 log")


@checked
def check_transport(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check that `transport` leads to tangent vectors, and is parallel where it says so.

    Parallel transport keeps inner products, brings log(x, y) to -log(y, x), and equals the pole
    ladder, which is exact on symmetric spaces.

    Args:
        manifold: a manifold whose exponential is that of its metric.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those.

    Raises:
        AssertionError: naming what differs.

    Source: Guigui and Pennec 2022, for the ladder.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_transport(sphere, sphere.random_point(8), sphere.random_point(8))
    """
    u, w = tangent(manifold, x, 1), tangent(manifold, x, 2)
    moved, other = manifold.transport(x, y, u), manifold.transport(x, y, w)
    require_equal(manifold.project(y, moved), moved, "transported vectors, projected")
    require_equal(manifold.transport(x, x, u), u, "transport to the same point")
    both = manifold.transport(x, y, 2 * u - w)
    require_equal(both, 2 * moved - other, "transport of 2u - w", moved.abs().max())
    if not manifold.parallel:
        return
    before, after = manifold.inner(x, u, w), manifold.inner(y, moved, other)
    scale = manifold.norm(x, u) * manifold.norm(x, w)
    require_equal(after, before, "inner products after transport", scale)
    v, back = manifold.log(x, y), manifold.log(y, x)
    require_equal(manifold.transport(x, y, v), -back, "transport of log(x, y)")
    short = unit(manifold, x, u) / 10
    middle = manifold.geodesic(x, y, 0.5)
    mirrored = manifold.exp(middle, -manifold.log(middle, manifold.exp(x, short)))
    ladder = -manifold.log(y, mirrored)
    require_equal(manifold.transport(x, y, short), ladder, "transport against the pole ladder")
