"""Agreement with geomstats, geoopt and scipy on 1000 points each, where they are installed."""

import importlib

import pytest
import torch
from scipy.spatial.transform import Rotation

from darboux.manifolds import SO, Grassmann, Stiefel, from_quaternion, to_quaternion
from tests.catalogue.manifolds import pairs

COUNT = 1000


def peer(name):
    """Return a module, or skip: peers may be there and not load beside this numpy."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))


def close(found, wanted, tolerance=1e-9):
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= tolerance * (1 + float(wanted.abs().max()))


def test_scipy_rotations():
    matrices = SO(3).random_point(COUNT, dtype=torch.float64)
    theirs = Rotation.from_matrix(matrices.numpy())
    close(to_quaternion(matrices), theirs.as_quat(canonical=True, scalar_first=True))
    close(from_quaternion(to_quaternion(matrices)), theirs.as_matrix())
    close(SO(3).vee(SO(3).logm(matrices)), theirs.as_rotvec())
    close(SO(3).dist(torch.eye(3, dtype=torch.float64), matrices), theirs.magnitude())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_geomstats_rotations():
    space = peer("geomstats.geometry.special_orthogonal").SpecialOrthogonal(3)
    x, y = pairs(SO(3), COUNT)
    v = SO(3).log(x, y)
    a, b, w = (z.numpy() for z in (x, y, v))
    close(v, space.metric.log(b, a), 1e-6)
    close(SO(3).exp(x, v), space.metric.exp(w, a))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_geomstats_stiefel_and_grassmann():
    theirs = peer("geomstats.geometry.stiefel").Stiefel(5, 2).metric
    manifold = Stiefel(5, 2, metric="canonical")
    x = manifold.random_point(COUNT, dtype=torch.float64)
    v = manifold.random_tangent(x)
    close(manifold.exp(x, v), theirs.exp(v.numpy(), x.numpy()))
    close(manifold.inner(x, v, v), theirs.inner_product(v.numpy(), v.numpy(), x.numpy()))
    planes = Grassmann(5, 2)
    x, y = pairs(planes, COUNT)
    theirs = peer("geomstats.geometry.grassmannian").Grassmannian(5, 2).metric
    projections = [(z @ z.mT).numpy() for z in (x, y)]
    # theirs is tr(u v) of projections, twice our metric
    close(planes.dist(x, y) * 2**0.5, theirs.dist(*projections), 1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("metric", ["euclidean", "canonical"])
def test_geoopt_stiefel(metric):
    geoopt = peer("geoopt")
    theirs = geoopt.EuclideanStiefel() if metric == "euclidean" else geoopt.CanonicalStiefel()
    manifold = Stiefel(5, 2, metric=metric, retraction="qr" if metric == "euclidean" else "cayley")
    x = manifold.random_point(COUNT, dtype=torch.float64)
    v, g = manifold.random_tangent(x), torch.randn_like(x)
    close(manifold.inner(x, v, v), theirs.inner(x, v, v, keepdim=False))
    close(manifold.gradient(x, g), theirs.egrad2rgrad(x, g))
    if metric == "euclidean":
        close(manifold.exp(x, v), theirs.expmap(x, v))
    else:  # their Cayley step has another velocity than v, unless that is orthogonal to x
        v = v - x @ (x.mT @ v)
    close(manifold.retract(x, v), theirs.retr(x, v))
