"""Solutions of equations, and cotangent bundles: nearest points, projections, derivatives."""

import pytest
import torch

from darboux.manifolds import SO, CotangentBundle, LevelSet, Sphere, Stiefel
from tests.catalogue.fields.on_manifolds import oval

OVAL = LevelSet(oval, (3,))


def length(x):
    return (x.square().sum(dim=1, keepdim=True) - 1) / 2


def test_a_sphere_by_its_equation():
    sphere, level = Sphere(3), LevelSet(length, (3,))
    x, u = torch.randn(2, 5, 3, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * 1.1
    torch.testing.assert_close(level.nearest(x), sphere.nearest(x))
    y = sphere.nearest(x)
    torch.testing.assert_close(level.project(y, u), sphere.project(y, u))
    torch.testing.assert_close(level.defect(x), torch.full((5,), 0.105 / 1.1 / 1.1).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_points_are_found_and_stay(dtype):
    x = OVAL.nearest(torch.randn(3, 4, 3, dtype=dtype))
    assert OVAL.check(x)[0]
    torch.testing.assert_close(OVAL.nearest(x), x)
    assert OVAL.check(1.1 * x)[0] is False
    assert OVAL.nearest(x[:, :0]).shape == (3, 0, 3)


@pytest.mark.parametrize("at", ["points", "elsewhere"])
def test_derivatives_are_those_of_the_iteration(at):
    """At a point the derivative is the projection onto the tangent space."""
    x = torch.randn(3, 3, dtype=torch.float64)
    x = OVAL.nearest(x) if at == "points" else OVAL.nearest(x) * 1.05
    assert torch.autograd.gradcheck(OVAL.nearest, x.requires_grad_())
    if at == "points":
        u = torch.randn_like(x)
        _, pushed = torch.func.jvp(OVAL.nearest, (x.detach(),), (u,))
        torch.testing.assert_close(pushed, OVAL.project(x.detach(), u))


def test_transforms():
    x = OVAL.nearest(torch.randn(4, 3, dtype=torch.float64)) * 1.02
    torch.testing.assert_close(torch.func.vmap(OVAL.nearest)(x), OVAL.nearest(x))
    assert not OVAL.nearest(x).requires_grad


def test_where_there_is_no_point():
    empty = LevelSet(lambda x: x.square().sum(dim=1, keepdim=True) + 1, (2,))
    with pytest.raises(ValueError, match="finds none in 30 steps"):
        empty.nearest(torch.ones(1, 2))


@pytest.mark.parametrize(
    "bundle",
    [
        CotangentBundle(Sphere(3)),
        CotangentBundle(SO(3), (0.5, 1.0, 2.0)),
        CotangentBundle(Stiefel(4, 2)),
        CotangentBundle(OVAL, 2.0),
    ],
    ids=repr,
)
def test_pairs(bundle):
    x = bundle.nearest(torch.randn(3, *bundle.shape, dtype=torch.float64))
    assert bundle.check(x)[0]
    torch.testing.assert_close(bundle.nearest(x), x)
    q, p = bundle.halves(x)
    torch.testing.assert_close(bundle.join(q, p), x)
    assert not bundle.check(bundle.join(q, p + q))[0]
    assert not bundle.check(bundle.join(1.01 * q, p))[0]
