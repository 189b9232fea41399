"""Agreement with geomstats, geoopt and spd_learn on 1000 points each, where they are installed."""

import importlib

import pytest
import torch

from darboux.manifolds import SPD, Sphere, frechet_mean, sym_powm
from tests.catalogue.manifolds import pairs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

COUNT = 1000


def peer(name):
    """Return a module, or skip: peers may be there and not load beside this numpy."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))


def close(found, wanted, tolerance=1e-9):
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    scale = 1 + float(wanted.abs().max())
    error = float((found - wanted).abs().max()) / scale
    assert error <= tolerance, f"relative error {error:.2g}"


def tangents(manifold, x, y):
    """Return the way to y, and another tangent vector of moderate size."""
    u = manifold.random_tangent(x, generator=torch.Generator().manual_seed(3))
    return manifold.log(x, y), u / (1 + manifold.norm(x, u)).reshape(-1, *[1] * (x.ndim - 1))


GEOMSTATS = {
    "affine": "SPDAffineMetric",
    "log-euclidean": "SPDLogEuclideanMetric",
    "bures": "SPDBuresWassersteinMetric",
}


@pytest.mark.parametrize("metric", GEOMSTATS)
def test_geomstats_positive_definite(metric):
    module = peer("geomstats.geometry.spd_matrices")
    space = module.SPDMatrices(3, equip=False)
    space.equip_with_metric(getattr(module, GEOMSTATS[metric]))
    manifold, theirs = SPD(3, metric=metric), space.metric
    x, y = mild(manifold)
    v, u = tangents(manifold, x, y)
    a, b, w, t = (z.numpy() for z in (x, y, v, u))
    close(manifold.dist(x, y), theirs.dist(a, b))
    close(v, theirs.log(b, a))
    close(manifold.exp(x, v / 2), theirs.exp(w / 2, a))
    close(manifold.inner(x, u, v), theirs.inner_product(t, w, a))
    if manifold.parallel:
        moved = theirs.parallel_transport(t, a, end_point=b)
        close(manifold.transport(x, y, u), moved)


def mild(manifold):
    """Return points with condition numbers up to 100: the peers lose digits sooner."""
    return [sym_powm(point, 0.5) for point in pairs(manifold, COUNT)]


def test_geomstats_sphere():
    module = peer("geomstats.geometry.hypersphere")
    sphere, theirs = Sphere(3), module.Hypersphere(2).metric
    x, y = pairs(sphere, COUNT)
    v, u = tangents(sphere, x, y)
    a, b, w, t = (z.numpy() for z in (x, y, v, u))
    close(sphere.dist(x, y), theirs.dist(a, b), 1e-7)  # theirs is an arccos
    close(v, theirs.log(b, a), 1e-7)
    close(sphere.exp(x, v), theirs.exp(w, a))
    close(sphere.transport(x, y, u), theirs.parallel_transport(t, a, end_point=b), 1e-7)


def test_geoopt():
    geoopt = peer("geoopt")
    affine, flat, sphere = SPD(3), SPD(3, metric="log-euclidean"), Sphere(3)
    theirs = geoopt.SymmetricPositiveDefinite("AIM")
    x, y = mild(affine)
    v, u = tangents(affine, x, y)
    close(affine.dist(x, y), theirs.dist(x, y))
    close(v, theirs.logmap(x, y))
    close(affine.exp(x, v), theirs.expmap(x, v))
    close(affine.retract(x, u), theirs.retr(x, u))
    close(affine.inner(x, u, v), theirs.inner(x, u, v, keepdim=False))
    close(affine.gradient(x, u), theirs.egrad2rgrad(x, u))
    close(affine.transport(x, y, u), theirs.transp(x, y, u))
    close(flat.dist(x, y), geoopt.SymmetricPositiveDefinite("LEM").dist(x, y))
    theirs = geoopt.Sphere()
    x, y = pairs(sphere, COUNT)
    v, u = tangents(sphere, x, y)
    close(sphere.dist(x, y), theirs.dist(x, y), 1e-7)
    close(v, theirs.logmap(x, y), 1e-6)
    close(sphere.exp(x, u), theirs.expmap(x, u))
    close(sphere.retract(x, u), theirs.retr(x, u))
    close(sphere.project(x, y), theirs.proju(x, y))


def test_spd_learn():
    peer("spd_learn")
    metrics = peer("spd_learn.functional.metrics.log_cholesky")
    bures = peer("spd_learn.functional.metrics.bures_wasserstein")
    airm = peer("spd_learn.functional.metrics.affine_invariant")
    log_cholesky = SPD(3, metric="log-cholesky")
    x, y = mild(log_cholesky)
    close(log_cholesky.dist(x, y), metrics.log_cholesky_distance(x, y))
    close(log_cholesky.geodesic(x, y, 0.3), metrics.log_cholesky_geodesic(x, y, 0.3))
    close(frechet_mean(log_cholesky, x), metrics.log_cholesky_mean(x))
    close(SPD(3, metric="bures").dist(x, y), bures.bures_wasserstein_distance(x, y), 1e-7)
    close(SPD(3, metric="bures").geodesic(x, y, 0.3), bures.bures_wasserstein_geodesic(x, y, 0.3))
    close(SPD(3).geodesic(x, y, 0.3), airm.airm_geodesic(x, y, 0.3))
