"""Every identity of Riemannian geometry for every manifold of the catalogue."""

import pytest
import torch

from darboux.manifolds import HomogeneousSpace
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
from tests.catalogue.manifolds import CASES, CUT, ISOMETRIES, ROUND_TRIP_ONLY, pairs

RIEMANNIAN = [name for name in CASES if name not in ROUND_TRIP_ONLY]

OF_POINTS = (check_points, check_projection)

OF_GEODESICS = (check_geodesic, check_distance, check_transport)


def spared(names, slow):
    """Return the names, some of them marked as slow: others serve for them otherwise."""
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in names]


ITERATED = {"stiefel-5-2-canonical", "stiefel-complex"}


def points(few, many):
    """Return a mark: few points always, many in the slow tests."""
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.slow)])


def ids(checks):
    return {"argvalues": checks, "ids": [c.__name__.removeprefix("check_") for c in checks]}


@pytest.mark.parametrize("check", **ids(OF_POINTS))
@pytest.mark.parametrize("name", CASES)
def test_points(name, check):
    manifold = CASES[name]()
    check(manifold, pairs(manifold, 64)[0])


@points(32, 1000)
@pytest.mark.parametrize("check", **ids((check_exp_and_log, check_retraction)))
@pytest.mark.parametrize("name", CASES)
def test_exponentials(name, check, count):
    manifold = CASES[name]()
    check(manifold, *pairs(manifold, count))


@points(32, 1000)
@pytest.mark.parametrize("check", **ids(OF_GEODESICS))
@pytest.mark.parametrize("name", spared(RIEMANNIAN, ITERATED))
def test_geodesics(name, check, count):
    manifold = CASES[name]()
    check(manifold, *pairs(manifold, count))


@pytest.mark.parametrize("name", CASES)
def test_actions(name):
    manifold = CASES[name]()
    if isinstance(manifold, HomogeneousSpace):
        check_action(manifold, pairs(manifold, 16)[0])


@pytest.mark.parametrize("name", spared(CASES, {*ITERATED, "stiefel-5-2-euclidean"}))
def test_batches(name):
    manifold = CASES[name]()
    check_manifold_batches(manifold, *pairs(manifold, 4))


@pytest.mark.parametrize("name", CASES)
def test_single_precision(name):
    manifold = CASES[name]()
    x = manifold.random_point(16, dtype=torch.float32)
    y = manifold.exp(x, manifold.random_tangent(x) / 16)
    assert y.real.dtype == torch.float32
    check_points(manifold, x)
    check_exp_and_log(manifold, x, y)


@points(100, 10_000)
@pytest.mark.parametrize("name", spared(RIEMANNIAN, {*ITERATED, "so-4", "u-3"}))
def test_derivatives_are_finite(name, count):
    manifold = CASES[name]()
    x, y = pairs(manifold, count)
    y = torch.where((torch.arange(len(x)) % 3 == 0).reshape(-1, *[1] * (x.ndim - 1)), x, y)
    check_smooth_distance(manifold, x, y)


@pytest.mark.parametrize(
    ("name", "isometry"), [(name, what) for name in ISOMETRIES for what in ISOMETRIES[name]]
)
def test_isometries(name, isometry):
    manifold, move = CASES[name](), ISOMETRIES[name][isometry]
    x, y = pairs(manifold, 64)
    before, after = manifold.dist(x, y), manifold.dist(move(x), move(y))
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


STILL = {"spd-log-euclidean-1", "spd-bures-1"}  # there is nothing to turn


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if isinstance(case(), HomogeneousSpace)]
)
def test_part_of_the_algebra_moves_isometrically(name):
    manifold = CASES[name]()
    x, y = pairs(manifold, 16)
    xi = manifold.project_algebra(torch.randn(manifold.algebra, dtype=x.dtype))
    part = manifold.killing(xi)
    assert bool(part.abs().max() > 0) or name in STILL
    torch.testing.assert_close(manifold.killing(part), part)
    after = manifold.dist(manifold.move(part, x), manifold.move(part, y))
    torch.testing.assert_close(after, manifold.dist(x, y), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", CUT)
def test_cut_locus(name):
    manifold = CASES[name]()
    x, y = (point.requires_grad_() for point in CUT[name])
    with pytest.raises(ValueError, match="expected no "):
        manifold.log(x, y)
    distance = manifold.dist(x, y)
    slopes = torch.autograd.grad(distance + manifold.dist2(x, y), (x, y))
    assert abs(float(distance.detach()) - manifold.injectivity) < 1e-7
    assert all(slope.isfinite().all() for slope in slopes)
    away = torch.func.vmap(manifold.log)(x[None], y[None])
    assert away.isnan().all(), "a value where there is no unique one"
