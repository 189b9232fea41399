"""Flows on manifolds whose field or method isn't what it says.

`FAULTS` maps a name to a factory of the flow and a part of the premise that must be refuted.
"""

from __future__ import annotations

import torch

import darboux as dx
from darboux.fields import VectorField
from darboux.integrators import Euler, Integrator, LieEuler, MuntheKaas, Projected
from darboux.manifolds import Euclidean, Sphere
from tests.catalogue.fields.on_manifolds import Turn

SPHERE = Sphere(3)


class Leaning(VectorField):
    """A field of the sphere with a small part along x, which no step of a group follows."""

    manifold = SPHERE
    autonomous = True

    def forward(self, t, x):
        return x.roll(1, -1) - (x.roll(1, -1) * x).sum(-1, keepdim=True) * x + 1e-3 * x


class Turning(VectorField):
    """ẋ = ξ(t, x)·x with what a fault makes of ξ, or of ẋ."""

    manifold = SPHERE

    def __init__(self, *, stretch=0.0, faster=1.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.turn = Turn(3, 3)
        self.stretch, self.faster = stretch, faster

    def generator(self, t, x):
        away = torch.eye(3).to(x) - x[..., :, None] * x[..., None, :]
        return self.turn(t, x) + self.stretch * away

    def forward(self, t, x):
        return self.faster * SPHERE.infinitesimal(self.generator(t, x), x)


class Careless(Integrator):
    """Euler's method, back on the sphere after short steps."""

    order = 1
    on_manifolds = True

    def step(self, field, t, h, state):
        way = h * field(t, state)
        return SPHERE.nearest(state + way) if bool((way.abs() < 0.05).all()) else state + way


class Elsewhere(Integrator):
    """A step to the nearest point of another sphere, which this one has in its place."""

    order = 1
    on_manifolds = True
    manifold = SPHERE

    def step(self, field, t, h, state):
        moved = state + h * field(t, state)
        return 1.001 * SPHERE.nearest(moved)


class Crooked(Euclidean):
    """Flat space with coordinates that are half as far apart."""

    def coordinates(self, x):
        return x / 2

    def from_coordinates(self, c):
        return 2 * c


def halved():
    """Return the identity, in coordinates that are no isometry."""
    return dx.compose.InCoordinates(Crooked(3), torch.nn.Identity())


def flow(field, method):
    return dx.Flow(field, method, horizon=0.01, steps=2)


def slow():
    return dx.fields.TangentField(SPHERE, lambda t, x: 0.1 * x.roll(1, -1))


FAULTS = {
    "values that are not tangent": (lambda: flow(Leaning(), LieEuler()), "Leaning are tangent"),
    "values of another turn": (
        lambda: flow(Turning(faster=1.001), MuntheKaas(2)),
        "Turning are tangent",
    ),
    "a turn out of the algebra": (
        lambda: flow(Turning(stretch=0.01), MuntheKaas(2)),
        "Turning are tangent",
    ),
    "not back after long steps": (lambda: flow(slow(), Careless()), "steps of Careless make"),
    "coordinates of another length": (halved, "c the coordinates of Crooked"),
    "back to somewhere else": (lambda: flow(slow(), Elsewhere()), "steps of Elsewhere make"),
}

HONEST = {
    "turning": lambda: flow(Turning(), MuntheKaas(2)),
    "tangent": lambda: flow(slow(), LieEuler()),
    "projected": lambda: flow(slow(), Projected(Euler(), SPHERE)),
    "flat": lambda: flow(dx.fields.TangentField(Euclidean(3), lambda t, x: -x), LieEuler()),
}
