"""Stiefel and Grassmann manifolds beyond the identities: logarithms, retractions, sizes."""

import dataclasses

import pytest
import torch

from darboux.manifolds import Grassmann, Stiefel

METRICS = ("euclidean", "canonical")
RETRACTIONS = ("cayley", "exp", "polar", "qr")


def _at(manifold, fraction, count=6):
    x = manifold.random_point(count, dtype=torch.float64)
    v = manifold.random_tangent(x)
    return x, fraction * manifold.injectivity * v / manifold.norm(x, v)[:, None, None]


@pytest.mark.parametrize("metric", METRICS)
def test_geodesics_accelerate_along_the_normal(metric):
    manifold = Stiefel(4, 2, metric=metric)
    x, v = _at(manifold, 0.5, count=2)

    def velocity(t):
        return torch.func.jvp(lambda t: manifold.exp(x, t * v), (t,), (torch.ones_like(t),))[1]

    t = torch.tensor(0.3, dtype=torch.float64)
    point = manifold.exp(x, t * v)
    speed, bend = torch.func.jvp(velocity, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(manifold.norm(point, speed), manifold.norm(x, v))
    if metric == "euclidean":
        tangential = manifold.project(point, bend)
        torch.testing.assert_close(tangential, torch.zeros_like(x), rtol=0, atol=1e-12)
    else:  # of all curves of the rotations that move x, the shortest, and so of constant rate
        torch.testing.assert_close(manifold.generator(point, speed), manifold.generator(x, v))


@pytest.mark.parametrize("manifold", [Stiefel(5, 2), Grassmann(5, 2)], ids=str)
@pytest.mark.parametrize("retraction", RETRACTIONS)
def test_retractions(manifold, retraction):
    manifold = dataclasses.replace(manifold, retraction=retraction)
    x, v = _at(manifold, 0.5)
    assert manifold.check(manifold.retract(x, v))[0]
    close = manifold.retract(x, 1e-5 * v) - x - 1e-5 * v
    assert close.abs().max() < 1e-9


def test_polar_retraction_is_the_nearest_point():
    manifold = Stiefel(5, 2, retraction="polar")
    x, v = _at(manifold, 0.5)
    left, _, right = torch.linalg.svd(x + v, full_matrices=False)
    torch.testing.assert_close(manifold.retract(x, v), left @ right)


@pytest.mark.parametrize(
    ("metric", "fraction"),
    [
        ("canonical", 0.0),
        ("canonical", 0.5),
        pytest.param("euclidean", 0.0, marks=pytest.mark.slow),
        pytest.param("euclidean", 0.5, marks=pytest.mark.slow),
    ],
)
def test_logarithm_has_two_derivatives(metric, fraction):
    manifold = Stiefel(3, 2, metric=metric)
    x, v = _at(manifold, fraction, count=1)
    y = manifold.exp(x, v)

    def log(u):  # of points of the manifold
        return manifold.log(x, manifold.exp(y, manifold.project(y, u)))

    u = torch.zeros_like(x, requires_grad=True)
    assert torch.autograd.gradcheck(log, u)
    assert torch.autograd.gradgradcheck(log, u)


@pytest.mark.parametrize(
    "manifold", [Stiefel(3, 3), Stiefel(12, 3), Stiefel(4, 3, field="complex")], ids=str
)
def test_logarithm_of_other_sizes(manifold):
    x, v = _at(manifold, 0.9)
    torch.testing.assert_close(manifold.log(x, manifold.exp(x, v)), v)
    with pytest.raises(ValueError, match="expected no points far from each other"):
        Stiefel(3, 3).log(torch.eye(3), torch.diag(torch.tensor([1.0, 1.0, -1.0])))


def test_grassmann_knows_subspaces_only():
    manifold = Grassmann(5, 2)
    x, v = _at(manifold, 0.9)
    y = manifold.exp(x, v)
    basis = torch.linalg.qr(torch.randn(6, 2, 2, dtype=torch.float64))[0]
    torch.testing.assert_close(manifold.dist(x @ basis, y), manifold.dist(x, y))
    torch.testing.assert_close(manifold.log(x, y @ basis), v)
    moved = manifold.transport(x, y @ basis, v)
    torch.testing.assert_close(moved, -manifold.log(y @ basis, x))
    cosines = torch.linalg.svdvals(x.mT @ y).clamp(max=1)
    torch.testing.assert_close(manifold.dist(x, y), cosines.acos().square().sum(1).sqrt())


@pytest.mark.parametrize("metric", METRICS)
def test_tall_matrices_need_no_square_ones(metric):
    manifold = Stiefel(100_000, 2, metric=metric)
    x = manifold.random_point()
    v = manifold.random_tangent(x).requires_grad_()
    for step in (manifold.exp, manifold.retract, manifold.along):
        point = step(x, v)
        assert float(manifold.defect(manifold.polish(point).double()).detach()) <= 1e-6
        assert torch.autograd.grad(point.sum(), v)[0].isfinite().all()


@pytest.mark.parametrize("cls", [Stiefel, Grassmann])
def test_more_columns_than_rows_are_refused(cls):
    with pytest.raises(ValueError, match=r"expected p <= n, .* got n=2, p=3. Use .*\(3, 2\)"):
        cls(2, 3)
