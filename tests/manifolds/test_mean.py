"""Fréchet means: where the gradient vanishes, differentiable, and told where there is none."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from darboux.manifolds import (
    SO,
    SPD,
    Circle,
    Grassmann,
    Power,
    Product,
    Sphere,
    Torus,
    frechet_mean,
    sym_expm,
    sym_logm,
)
from darboux.solvers import ConvergenceError
from tests.catalogue.manifolds import CASES, ROUND_TRIP_ONLY

NAMES = [name for name in CASES if name not in ROUND_TRIP_ONLY and "stiefel" not in name]


def around(manifold, count=5, size=0.3):
    """Return points near one point, (count, 2, *shape), that point and tangent vectors."""
    torch.manual_seed(0)
    center = manifold.random_point(2, dtype=torch.float64)
    v = torch.stack([manifold.random_tangent(center) for _ in range(count)])
    length = manifold.norm(center, v).reshape(count, 2, *[1] * len(manifold.shape))
    v = size * v / (1 + length)
    return manifold.exp(center, v), center, v


@pytest.mark.parametrize("name", NAMES)
def test_gradient_vanishes(name):
    manifold = CASES[name]()
    x, _, _ = around(manifold)
    weights = torch.rand(5, 2, dtype=torch.float64)
    mean = frechet_mean(manifold, x, weights)
    assert manifold.check(mean)[0], manifold.check(mean)[1]
    wide = weights.reshape(5, 2, *[1] * len(manifold.shape))
    assert float((wide * manifold.log(mean, x)).sum(0).abs().max()) < 1e-10
    other = frechet_mean(manifold, x.movedim(0, 1), weights.T, dim=1)
    assert float(manifold.dist(mean, other).max()) < 1e-10


MORE = (
    Circle(),
    Grassmann(3, 1),
    SPD(2),
    SO(3),
    SPD(2, metric="bures"),
    SPD(2, metric="log-euclidean"),
)


@pytest.mark.parametrize(
    "manifold",
    [
        Sphere(3),
        *(pytest.param(manifold, marks=pytest.mark.slow) for manifold in MORE),
    ],
    ids=str,
)
def test_derivatives(manifold):
    _, center, v = around(manifold, count=3)
    w = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    v = v[:, :1].detach().requires_grad_()

    def mean(v, w):
        return frechet_mean(manifold, manifold.exp(center[:1], manifold.project(center[:1], v)), w)

    assert gradcheck(mean, (v, w), atol=1e-6)
    if manifold == SPD(2):
        assert gradgradcheck(mean, (v, w), atol=1e-5)


def test_mean_of_phases_wraps():
    x = torch.tensor([[3.0, -3.0], [0.1, 0.3]], dtype=torch.float64)
    mean = frechet_mean(Circle(), x, dim=-1)
    wanted = torch.tensor([math.pi, 0.2], dtype=torch.float64)
    assert float(Circle().dist(mean, wanted).max()) < 1e-12
    assert torch.equal(frechet_mean(Torus(2), x[:1]), x[0])


def test_mean_of_images_is_that_of_each_pixel():
    x, _, _ = around(Power(SPD(2), 2, 3))
    whole = frechet_mean(Power(SPD(2), 2, 3), x, torch.arange(1.0, 6.0).double())
    pixels = frechet_mean(SPD(2), x[:, :, 1, 2], torch.arange(1.0, 6.0).double())
    torch.testing.assert_close(whole[:, 1, 2], pixels, rtol=1e-10, atol=1e-10)


def test_closed_form_of_flat_metrics():
    x, _, _ = around(SPD(3, metric="log-euclidean"), size=5.0)
    wanted = sym_expm(sym_logm(x).mean(0))
    found = frechet_mean(SPD(3, metric="log-euclidean"), x)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_refusals():
    sphere = Sphere(3)
    x = torch.eye(3, dtype=torch.float64)
    with pytest.raises(ValueError, match="opposite"):
        frechet_mean(sphere, torch.stack([x[0], -x[0]]))
    spread = SPD(2).random_point(20, dtype=torch.float64)
    with pytest.raises(ConvergenceError, match="frechet_mean"):
        frechet_mean(SPD(2), spread, max_iter=1)
    with pytest.raises(ValueError, match=r"expected points \(\*batch, \(3,\)\).*got shape"):
        frechet_mean(sphere, x[0])
    with pytest.raises(ValueError, match=r"expected weights of shape .* got \(2,\)"):
        frechet_mean(sphere, x, torch.ones(2))
    with pytest.raises(ValueError, match="expected weights of 0 or more"):
        frechet_mean(sphere, x, torch.tensor([1.0, -1.0, 1.0]))


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e6, 1e12])
@pytest.mark.parametrize("metric", ["affine", "bures"])
def test_units_of_points_do_not_matter(metric, scale):
    """Also where another part of a product is of another size."""
    spd = SPD(3, metric=metric)
    x = SPD(3).random_point(5, dtype=torch.float64)
    wanted = frechet_mean(spd, x)
    torch.testing.assert_close(frechet_mean(spd, scale * x) / scale, wanted, rtol=1e-9, atol=0)
    pair, phases = Product(spd, Circle()), torch.linspace(0, 1, 5, dtype=torch.float64)
    first, second = pair.unpack(frechet_mean(pair, pair.pack([scale * x, phases])))
    torch.testing.assert_close(first / scale, wanted, rtol=1e-9, atol=0)
    torch.testing.assert_close(second, phases.mean())


@pytest.mark.parametrize("name", ["sphere-3", "spd-affine-3", "spd-log-euclidean-4", "circle"])
def test_weights_of_another_dtype_and_points_of_half_precision(name):
    manifold = CASES[name]()
    x = around(manifold)[0]
    share = torch.tensor([1, 2, 4, 2, 1])
    wanted = frechet_mean(manifold, x, share.double())
    assert torch.equal(frechet_mean(manifold, x, share), wanted)
    narrow = frechet_mean(manifold, x.float(), share.double())
    torch.testing.assert_close(narrow, wanted.float(), rtol=1e-4, atol=1e-4)
    half = frechet_mean(manifold, x.bfloat16(), share.bfloat16())
    torch.testing.assert_close(half, wanted.bfloat16(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("size", [math.inf, 1.7e308])
@pytest.mark.parametrize("manifold", [Sphere(3), Torus(3), SPD(1, metric="log-cholesky")], ids=str)
def test_weights_without_a_finite_sum(manifold, size):
    x = manifold.random_point(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="a positive, finite sum"):
        frechet_mean(manifold, x, torch.full((2,), size, dtype=torch.float64))
