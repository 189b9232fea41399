"""Manifolds as data, and their methods in the surroundings that torch has."""

import copy
import pickle

import pytest
import torch

from darboux.manifolds import SPD, Circle, Power, Product, Sphere, Torus, U
from tests.catalogue.manifolds import CASES, METRICS

OURS = ("spd", "sphere", "circle", "torus", "power")

GROUPS = ("so-", "se-", "gl-", "affine-", "sp-", "grassmann-4", "grassmann-5")

OWN = [name for name in CASES if name.startswith(OURS + GROUPS)]


@pytest.mark.parametrize("name", CASES)
def test_manifolds_are_data(name):
    manifold = CASES[name]()
    for other in (CASES[name](), copy.deepcopy(manifold), pickle.loads(pickle.dumps(manifold))):
        assert other == manifold
        assert hash(other) == hash(manifold)
    assert manifold not in (Sphere(17), Power(Sphere(17), 2))
    generator = torch.Generator().manual_seed(0)
    one = manifold.random_point(2, generator=generator)
    again = manifold.random_point(2, generator=generator.manual_seed(0))
    assert torch.equal(one, again)


def test_arguments_are_checked():
    for wrong in (
        *(lambda: Sphere(1), lambda: SPD(0), lambda: Torus(-1)),
        *(lambda: SPD(3, metric="airm"), lambda: Product(), lambda: Power(Circle())),
    ):
        with pytest.raises(ValueError, match=r"expected .*; got"):
            wrong()
    for wrong in (lambda: Sphere(2.5), lambda: Product(3), lambda: Power(Circle(), 1.5)):
        with pytest.raises(TypeError, match=r"expected .*; got"):
            wrong()
    with pytest.raises(ValueError, match=r"Product: expected \(\*batch, 4\); got \(2, 3\)"):
        Product(Sphere(3), Circle()).unpack(torch.ones(2, 3))


@pytest.mark.parametrize("metric", METRICS)
def test_not_positive_definite(metric):
    spd = SPD(2, metric=metric)
    x, bad = torch.eye(2), torch.diag(torch.tensor([1.0, -0.5]))
    ok, reason = spd.check(bad)
    assert not ok
    assert "defect of 1.5" in reason
    for call in (lambda: spd.log(x, bad), lambda: spd.log(bad, x), lambda: spd.exp(bad, x)):
        with pytest.raises(ValueError, match=r"positive definite.*(-0.5|-1)"):
            call()
    mapped = torch.func.vmap(spd.log)(torch.stack([x, x]), torch.stack([bad, 2 * x]))
    assert mapped[0].isnan().any()
    assert mapped[1].isfinite().all()
    assert spd.check(spd.nearest(bad))[0]


def test_bures_geodesics_end():
    spd = SPD(2, metric="bures")
    x = torch.eye(2)
    assert spd.check(spd.exp(x, -1.9 * x))[0]
    with pytest.raises(ValueError, match="the geodesic leaves the cone before time 1"):
        spd.exp(x, -2.1 * x)
    assert torch.func.vmap(spd.exp)(x[None], -2.1 * x[None]).isnan().all()
    assert spd.check(spd.retract(x, -2.1 * x))[0]


@pytest.mark.parametrize("name", OWN)
def test_autocast(name):
    """Results are those without it, up to the dtype of what is mixed."""
    manifold = CASES[name]()
    torch.manual_seed(0)
    x = manifold.random_point(3)
    y = manifold.retract(x, manifold.random_tangent(x) / 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        v, d = manifold.log(x, y), manifold.dist(x, y)
    assert v.dtype == d.dtype == torch.float32
    assert torch.equal(v, manifold.log(x, y))
    assert torch.equal(d, manifold.dist(x, y))
    half = manifold.exp(x.bfloat16(), v.bfloat16())
    assert half.dtype == torch.bfloat16
    assert float((half - y).abs().max()) < 0.1 * float(1 + y.abs().max())


@pytest.mark.parametrize("name", OWN)
def test_transforms_and_meta(name):
    manifold = CASES[name]()
    torch.manual_seed(0)
    x = manifold.random_point(4, dtype=torch.float64)
    y = manifold.retract(x, manifold.random_tangent(x) / 9)
    for method in (manifold.log, manifold.dist, manifold.transport):
        more = (manifold.random_tangent(x),) if method == manifold.transport else ()
        mapped = torch.func.vmap(method)(x, y, *more)
        torch.testing.assert_close(mapped, method(x, y, *more), rtol=1e-9, atol=1e-9)
        meta = method(*(t.to("meta") for t in (x, y, *more)))
        assert meta.shape == mapped.shape
    hessian = torch.func.vmap(torch.func.hessian(manifold.dist2))(x, y)
    assert hessian.isfinite().all()


# the compiler looks at what it breaks its graphs at
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["circle", "sphere-3", "spd-affine-3", "spd-bures-4", "product", "so-4", "grassmann-5-2"],
)
def test_compile(name):
    torch.compiler.reset()  # all methods are wrapped by one function, of which it keeps a few
    manifold = CASES[name]()
    torch.manual_seed(0)
    x = manifold.random_point(4)
    y = manifold.retract(x, manifold.random_tangent(x) / 9)

    def f(x, y):
        return manifold.exp(x, manifold.log(x, y) / 2)

    whole = "spd" not in name and name not in ("product", "so-4")
    compiled = torch.compile(f, backend="aot_eager", fullgraph=whole)
    torch.testing.assert_close(compiled(x, y), f(x, y))
    x.requires_grad_()
    slopes = [torch.autograd.grad(g(x, y).square().sum(), x)[0] for g in (compiled, f)]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-4)


def test_transport_between_opposite_points_is_refused():
    x = torch.eye(3)
    with pytest.raises(ValueError, match="expected no opposite points"):
        Sphere(3).transport(x[0], -x[0], x[1])
    mapped = torch.func.vmap(Sphere(3).transport)(x[:1], -x[:1], x[1:2])
    assert mapped.isnan().all()


def test_real_and_complex_parts_are_no_tensor():
    with pytest.raises(TypeError, match="all real, or all complex"):
        Product(U(2), Circle()).random_point()
