"""Networks on manifolds: in flat coordinates, and by means of neighbours."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.compose import FrechetConv, InCoordinates, TangentConv
from darboux.manifolds import SE, SPD, Circle, Euclidean, Product, Sphere, Stiefel
from darboux.structure import Kind
from darboux.testing import LIFECYCLE

FLAT = [SPD(2, metric="log-euclidean"), SPD(2, metric="log-cholesky")]
flat = pytest.mark.parametrize("manifold", FLAT, ids=repr)


def contractive(dim, channels=3):
    kind = (
        dx.linear.Conv(channels, 5, kernel_size=3, dim=dim) if dim else dx.linear.Dense(channels, 5)
    )
    field = dx.fields.GradientField(kind, dx.activations.ReLU())
    return dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))


@pytest.mark.parametrize(
    "manifold", [*FLAT, SPD(3, metric="log-euclidean"), Euclidean(3)], ids=repr
)
def test_coordinates_are_isometric(manifold):
    x, y = manifold.random_point(2, 50, dtype=torch.float64)
    a, b = manifold.coordinates(x), manifold.coordinates(y)
    assert a.shape == (50, manifold.dim)
    torch.testing.assert_close((a - b).norm(dim=1), manifold.dist(x, y))
    torch.testing.assert_close(manifold.from_coordinates(a), x)


def test_curved_metrics_have_no_coordinates():
    with pytest.raises(TypeError, match="flat metric"):
        SPD(2).coordinates(torch.eye(2))
    with pytest.raises(TypeError, match=r"flat coordinates; got SPD.*log-cholesky"):
        InCoordinates(SPD(2), nn.Identity())


@flat
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_nonexpansive_in_the_metric_of_the_manifold(manifold, dim):
    network = InCoordinates(manifold, contractive(dim))
    x, y = manifold.random_point(2, 3, *(5, 4)[:dim], dtype=torch.float64)
    claims = network.claims()
    assert claims.find(dx.LipschitzOn).structure == dx.LipschitzOn(manifold, 1.0)
    assert claims.find(dx.LipschitzOn).kind is Kind.CONSTRUCTION
    network = network.double()
    before = manifold.dist(x, y).flatten(1 if dim else 0)
    after = manifold.dist(network(x), network(y)).flatten(1 if dim else 0)
    if dim:
        before, after = before.norm(dim=1), after.norm(dim=1)
    assert (after <= before * (1 + 1e-12)).all()
    assert manifold.check(network(x))[0]


@flat
def test_certificates(manifold):
    images = manifold.random_point(2, 4, 4)
    certificate = dx.certify(InCoordinates(manifold, contractive(2)), images, effort="quick")
    assert certificate.verdict == "holds", str(certificate)
    twice = nn.Sequential(*[InCoordinates(manifold, contractive(2)) for _ in range(2)])
    assert dx.structure.claims_of(twice).find(dx.LipschitzOn).structure.constant == 1.0


def test_a_network_that_stretches_says_how_far():
    manifold = FLAT[0]
    network = InCoordinates(manifold, nn.Linear(3, 3))
    constant = network.claims().find(dx.LipschitzOn).structure.constant
    norm = torch.linalg.matrix_norm(network.inner.weight.double(), 2)
    assert constant == pytest.approx(float(norm.detach()), rel=1e-5)
    false = [dx.LipschitzOn(manifold, 0.9 * constant)]
    assert dx.certify(network, manifold.random_point(3), claims=false, effort="quick").refuted


def test_unknown_networks_keep_points_alone():
    network = InCoordinates(FLAT[0], nn.Bilinear(3, 3, 3))
    assert network.claims().find(dx.LipschitzOn) is None
    assert network.claims().find(dx.OnManifold) is not None


@pytest.mark.parametrize("manifold", [SPD(2), *FLAT, Sphere(3), Circle()], ids=repr)
@pytest.mark.parametrize("dim", [1, 2])
def test_means_of_neighbours_commute_with_shifts_and_keep_constants(manifold, dim):
    layer = FrechetConv(manifold, kernel_size=3, dim=dim).double()
    with torch.no_grad():
        layer.logits.normal_()
    near = manifold.random_point(dtype=torch.float64)
    way = manifold.project(near, torch.randn(2, *(6, 5)[:dim], *manifold.shape).double())
    x = manifold.retract(near.expand_as(way), 0.2 * way)
    assert manifold.check(layer(x))[0]
    torch.testing.assert_close(layer(x.roll(2, 1)), layer(x).roll(2, 1), rtol=1e-6, atol=1e-6)
    same = near.expand_as(way)
    torch.testing.assert_close(layer(same), same, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("manifold", "left"),
    [
        (SPD(2), [[2.0, 1.0], [0.0, 0.5]]),  # any matrix
        (FLAT[0], [[0.6, -0.8], [0.8, 0.6]]),  # rotations
        (FLAT[1], [[2.0, 0.0], [0.0, 0.5]]),  # diagonal ones
    ],
    ids=repr,
)
def test_means_of_neighbours_commute_with_isometries(manifold, left):
    layer = FrechetConv(manifold, kernel_size=3, dim=1).double()
    with torch.no_grad():
        layer.logits.normal_()
    a = torch.tensor(left, dtype=torch.float64)
    x = manifold.random_point(2, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(a @ x @ a.T), a @ layer(x) @ a.T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("manifold", [SPD(2), *FLAT], ids=repr)
def test_means_of_neighbours_are_nonexpansive(manifold):
    layer = FrechetConv(manifold, kernel_size=3, dim=1)
    assert layer.claims().find(dx.LipschitzOn).structure.constant == 1.0
    assert dx.certify(layer, manifold.random_point(2, 6), effort="quick").verdict == "holds"


def lively(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return layer


@pytest.mark.parametrize("kind", [FrechetConv, TangentConv])
@pytest.mark.parametrize(
    "manifold",
    [SPD(2), *FLAT, Sphere(3), Circle(), Stiefel(4, 2), SE(2), Product(Sphere(2), SPD(2))],
    ids=repr,
)
def test_convolutions_move_along(kind, manifold):
    layer = lively(kind(manifold, kernel_size=3, dim=1))
    near = manifold.random_point(dtype=torch.float64)
    way = manifold.project(near, 0.2 * torch.randn(2, 5, *manifold.shape).to(near))
    x = manifold.retract(near, way).float()
    certificate = dx.certify(layer, x, effort="quick")
    assert certificate.require(dx.EquivariantOn(manifold)), str(certificate)
    assert not certificate.refuted, str(certificate)


@torch.no_grad()
def test_steps_towards_neighbours_spare_edges_and_keep_constant_images():
    layer = TangentConv(Euclidean(1), kernel_size=3, dim=1).double()
    edge = torch.tensor([0.0, 0, 0, 0, 100, 100, 100, 100]).double().reshape(1, 8, 1)
    assert float((layer(edge) - edge).abs().max()) < 0.01
    noisy = edge + 0.1 * torch.tensor([1.0, -1] * 4).reshape(1, 8, 1)
    assert float((layer(noisy) - edge).abs().max()) < 0.06
    constant = torch.ones(1, 4, 1).double()
    torch.testing.assert_close(layer(constant), constant)


def test_curved_spaces_promise_points_alone():
    assert FrechetConv(Sphere(3), kernel_size=3).claims().find(dx.LipschitzOn) is None
    assert FrechetConv(SPD(2, metric="bures"), kernel_size=3).claims().find(dx.LipschitzOn) is None


@pytest.mark.parametrize("kind", [FrechetConv, TangentConv])
def test_bad_arguments(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__}: expected an odd kernel_size; got 4"):
        kind(Circle(), kernel_size=4)
    with pytest.raises(ValueError, match="dim to be 1 or 2 or 3"):
        kind(Circle(), kernel_size=3, dim=4)


MODULES = {
    "in_coordinates": (lambda: InCoordinates(FLAT[1], contractive(1)), FLAT[1]),
    "frechet_conv": (lambda: FrechetConv(FLAT[1], kernel_size=3, dim=1), FLAT[1]),
    "tangent_conv": (lambda: TangentConv(FLAT[1], kernel_size=3, dim=1), FLAT[1]),
}


@pytest.mark.parametrize("check", LIFECYCLE)
@pytest.mark.parametrize("name", MODULES)
def test_lifecycle(name, check):
    build, manifold = MODULES[name]
    LIFECYCLE[check](build, manifold.random_point(3, 5))
