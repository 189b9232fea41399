"""The checks of manifolds find faults that are planted."""

from __future__ import annotations

import pytest
import torch

from darboux.manifolds import HomogeneousSpace, Sphere
from darboux.testing import (
    check_action,
    check_distance,
    check_exp_and_log,
    check_geodesic,
    check_manifold_batches,
    check_points,
    check_projection,
    check_retraction,
    check_smooth_distance,
    check_transport,
)

SPHERE = Sphere(3)

NAMES = [name for name in dir(HomogeneousSpace) if not name.startswith("_")]


def faulty(**wrong):
    """Return the sphere with some methods replaced."""
    own = {name: property(lambda self, name=name: getattr(SPHERE, name)) for name in NAMES}
    methods = {name: staticmethod(method) for name, method in wrong.items()}
    return type("Faulty", (HomogeneousSpace,), {**own, **methods})()


def turned(x, y, v):
    """An isometry, which is not parallel."""
    moved = SPHERE.transport(x, y, v)
    return torch.linalg.cross(y, moved)


def along_the_log(x, y, v):
    """An isometry that is right for the velocity alone."""
    moved, back = SPHERE.transport(x, y, v), SPHERE.log(y, x)
    share = SPHERE.inner(y, moved, back) / SPHERE.inner(y, back, back)
    return 2 * share[..., None] * back - moved


FAULTS = {
    "points off": (check_points, {"random_point": lambda *b, **_: torch.ones(*b, 3).double()}),
    "nearest": (check_points, {"nearest": lambda x: x}),
    "check": (check_points, {"check": lambda x: (True, "")}),
    "project": (check_projection, {"project": lambda x, u: u - u[..., :1] * x / x[..., :1]}),
    "gradient": (check_projection, {"gradient": lambda x, g: 2 * SPHERE.project(x, g)}),
    "log": (check_exp_and_log, {"log": lambda x, y: SPHERE.project(x, y)}),
    "exp": (check_exp_and_log, {"exp": lambda x, v: SPHERE.retract(x, v)}),
    "geodesic": (
        check_geodesic,
        {"geodesic": lambda x, y, t: SPHERE.nearest(x + t * (y - x))},
    ),
    "dist": (check_distance, {"dist": lambda x, y: (x - y).norm(dim=-1)}),
    "dist2": (check_distance, {"dist2": lambda x, y: SPHERE.dist(x, y)}),
    "asymmetric": (
        check_distance,
        {"dist": lambda x, y: SPHERE.dist(x, y) * (1 + x[..., 0] ** 2)},
    ),
    "projected": (check_transport, {"transport": lambda x, y, v: SPHERE.project(y, v)}),
    "turned": (check_transport, {"transport": turned}),
    "reflected": (check_transport, {"transport": along_the_log}),
    "off": (check_transport, {"transport": lambda x, y, v: v}),
    "speed": (check_retraction, {"retract": lambda x, v: SPHERE.retract(x, 2 * v)}),
    "off the sphere": (check_retraction, {"retract": lambda x, v: x + v}),
    "generator": (check_action, {"generator": lambda x, v: 2 * SPHERE.generator(x, v)}),
    "bracket": (check_action, {"bracket": lambda a, b: b @ a - a @ b}),
    "move": (check_action, {"move": lambda xi, x: SPHERE.nearest(x + SPHERE.infinitesimal(xi, x))}),
    "batch": (check_manifold_batches, {"dist": lambda x, y: SPHERE.dist(x, y).mean()}),
    "no broadcast": (check_manifold_batches, {"project": lambda x, u: u}),
    "NaN": (check_smooth_distance, {"dist": lambda x, y: (x - y).square().sum(-1).sqrt()}),
    "second NaN": (check_smooth_distance, {"dist2": lambda x, y: (x - y).norm(dim=-1) ** 3}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name):
    check, wrong = FAULTS[name]
    torch.manual_seed(0)
    x, y = SPHERE.random_point(8, dtype=torch.float64), SPHERE.random_point(8, dtype=torch.float64)
    points = {check_points: (x,), check_projection: (x,), check_action: (x,)}.get(check, (x, y))
    if check is check_smooth_distance:
        points = (x, x)
    check(faulty(), *points)
    with pytest.raises(AssertionError):
        check(faulty(**wrong), *points)
