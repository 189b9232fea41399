"""Derivatives in all modes, autocast, and tensors of any strides."""

from itertools import product

import pytest
import torch

from darboux.manifolds import (
    SE,
    SO,
    CotangentBundle,
    LevelSet,
    curve_distance,
    from_quaternion,
    invariant_curve_distance,
)
from tests.catalogue.manifolds import CASES

NAMES = ("sphere-3", "spd-affine-3", "spd-bures-3", "so-3", "se-3", "sp-4", "grassmann-5-2")

MORE = ("spd-log-euclidean-4", "so-4", "u-3", "gl-3", "affine-2", "stiefel-5-2-canonical")


def along(f):
    """Return the derivative in forward mode."""
    return lambda t: torch.func.jvp(f, (t,), (torch.ones_like(t),))[1]


@pytest.mark.parametrize(
    "name", [*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_second_derivatives(name):
    """Rules of torch and of one's own may lose terms where forward mode is differentiated."""
    manifold = CASES[name]()
    torch.manual_seed(0)
    x = manifold.random_point(dtype=torch.float64)
    v, u, k = manifold.random_tangent(x) / 5, manifold.random_tangent(x) / 5, torch.randn_like(x)
    maps = {
        "exp": lambda t: (manifold.exp(x, v + t * u) * k).real.sum(),
        "retract": lambda t: (manifold.retract(x, v + t * u) * k).real.sum(),
        "nearest": lambda t: (manifold.nearest(x + t * u) * k).real.sum(),
        "dist2": lambda t: manifold.dist2(x, manifold.retract(x, v / 3 + t * u / 2)),
    }
    t = torch.tensor(0.1, dtype=torch.float64)
    for what, f in maps.items():
        found = []
        for first, second in product((along, torch.func.grad), repeat=2):
            found.append(float(second(first(f))(t)))
        assert found == pytest.approx([found[-1]] * 4, rel=1e-8, abs=1e-8), what


PRECISE = {
    "quaternions": lambda: from_quaternion(torch.arange(1.0, 5.0).sin()),
    "curves": lambda: curve_distance(SO(3), *curves()),
    "invariant": lambda: invariant_curve_distance(SO(3), *curves()),
    "tangents": lambda: SE(3).random_tangent(SE(3).identity(2), generator=seeded()),
    "points": lambda: SE(3).random_point(2, generator=seeded()),
    "level set": lambda: LevelSet(lambda x: x @ x.mT - 1, (3,)).nearest(torch.ones(1, 3)),
    "bundle": lambda: CotangentBundle(SO(3)).nearest(torch.arange(18.0).sin().reshape(6, 3)),
}


def seeded():
    return torch.Generator().manual_seed(0)


def curves():
    t = torch.linspace(0, 1, 7)[:, None]
    way = SO(3).hat(torch.tensor([0.5, -0.3, 1.0]))
    return SO(3).expm(t[..., None] * way), SO(3).expm(t[..., None].sin() * way.roll(1, 0))


@pytest.mark.parametrize("name", PRECISE)
def test_autocast_takes_no_digits(name):
    wanted = PRECISE[name]()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(PRECISE[name](), wanted)


@pytest.mark.parametrize(
    "name", ["so-4", "se-3", "gl-3", "sphere-3", "spd-affine-3", "stiefel-3-1"]
)
def test_any_strides(name):
    """Those of torch's exponential have to be dense."""
    manifold = CASES[name]()
    x = manifold.random_point(2, 3, dtype=torch.float64)
    xi = manifold.project_algebra(torch.randn(2, 3, *manifold.algebra, dtype=torch.float64))
    turned = manifold.move(xi.transpose(0, 1), x.transpose(0, 1))
    torch.testing.assert_close(turned.transpose(0, 1), manifold.move(xi, x))
