"""Checks of what moves points: retractions, and groups that act."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from darboux.manifolds import HomogeneousSpace, Manifold
from darboux.structure._arguments import checked
from darboux.testing._checks._call import require
from darboux.testing._checks._manifold_call import along, require_equal, tangent, unit


@checked
def check_retraction(manifold: Manifold, x: Tensor, y: Tensor) -> None:
    """Check that `retract` leads to points, and starts at x with velocity v; so for `exp`.

    Args:
        manifold: the manifold.
        x: points, (batch, *shape).
        y: other points, not in the cut locus of those: v leads towards them.

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_retraction(sphere, sphere.random_point(8), sphere.random_point(8))
    """
    v = unit(manifold, x, manifold.log(x, y)) / 4
    for name, step in (("retract", manifold.retract), ("exp", manifold.exp)):
        require(manifold.check(step(x, v))[0], f"{name}: {manifold.check(step(x, v))[1]}")
        start, speed = along(partial(_stepped, step, x, v), x)
        require_equal(start, x, f"{name}(x, 0) against x")
        require_equal(speed, v, f"the velocity of {name}(x, t v) against v")


@checked
def check_action(manifold: HomogeneousSpace, x: Tensor) -> None:
    """Check that `move` is an action of a group, with its generators, derivatives and bracket.

    Args:
        manifold: a homogeneous space.
        x: points, (batch, *shape).

    Raises:
        AssertionError: naming what differs.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> check_action(sphere, sphere.random_point(8))
    """
    v = unit(manifold, x, tangent(manifold, x, 1)) / 4
    xi = manifold.generator(x, v)
    require(xi.shape == (len(x), *manifold.algebra), f"generators have the shape {xi.shape}.")
    require_equal(manifold.infinitesimal(xi, x), v, "infinitesimal(generator(x, v), x)")
    # one that has nothing to do with x
    z = x.roll(1, 0)
    eta = manifold.generator(z, unit(manifold, z, tangent(manifold, z, 2)) / 4)
    for one in (xi, eta):
        start, speed = along(partial(_moved, manifold, one, x), x)
        require_equal(start, x, "move(0, x) against x")
        require_equal(speed, manifold.infinitesimal(one, x), "the velocity of move(t ξ, x)")
        moved = manifold.move(one, x)
        require(manifold.check(moved)[0], f"move: {manifold.check(moved)[1]}")
        require_equal(manifold.move(one, moved), manifold.move(2 * one, x), "move twice")
        require_equal(manifold.move(-one, moved), x, "move there and back")
    require_equal(*_brackets(manifold, xi, eta, x), "infinitesimal([ξ, η], x)", x.abs().max())


def _stepped(step: Callable[[Tensor, Tensor], Tensor], x: Tensor, v: Tensor, t: Tensor) -> Tensor:
    return step(x, t * v)


def _moved(manifold: HomogeneousSpace, xi: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return manifold.move(t * xi, x)


def _brackets(
    manifold: HomogeneousSpace, xi: Tensor, eta: Tensor, x: Tensor
) -> tuple[Tensor, Tensor]:
    """Return [ξ, η]·x and the bracket of the vector fields, of the opposite sign."""

    def change(field: Tensor, direction: Tensor) -> Tensor:
        step = manifold.infinitesimal(direction, x)
        return along(lambda t: manifold.infinitesimal(field, x + t * step), x)[1]

    bracket = manifold.infinitesimal(manifold.bracket(xi, eta), x)
    return bracket, change(xi, eta) - change(eta, xi)
