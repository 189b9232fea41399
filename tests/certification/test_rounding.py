"""Rounding: what it may do is a property of the map, never learned from what it does."""

import copy

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.bijections import Chain, SplineCoupling
from darboux.certification._rounding import error_bounds
from darboux.linear import Conv, Dense
from tests.certification.small import Returns, net, quick

FLOAT32 = torch.finfo(torch.float32).eps


def splines(seed=0):
    torch.manual_seed(seed)
    knots = [nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 46)) for _ in range(4)]
    return Chain([SplineCoupling(net, swap=k % 2 == 1) for k, net in enumerate(knots)])


MAPS = {
    "network": lambda: (net(), torch.randn(8, 4)),
    "long sums": lambda: (nn.Linear(4096, 4), torch.randn(8, 4096)),
    "long sums of one sign": lambda: (nn.Linear(4096, 4), torch.rand(8, 4096) + 5),
    "cancellation": lambda: (nn.LayerNorm(16), torch.randn(8, 16) + 100),
    "convolutions": lambda: (
        nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 4, 3)),
        torch.randn(4, 4, 16, 16),
    ),
    "splines": lambda: (splines(), torch.randn(8, 4)),
    "masks and counts": lambda: (
        Returns(lambda x: x.gather(1, (x > 0).to(x).sum(dim=1, keepdim=True).long() % 4)),
        torch.randn(8, 4),
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_bounds_hold_and_are_no_excuse(name):
    module, x = MAPS[name]()
    exact = copy.deepcopy(module).double()
    with torch.no_grad():
        apart = (module(x).double() - exact(x.double())).flatten(1).norm(dim=1)
        size = exact(x.double()).flatten(1).norm(dim=1)
    bounds = error_bounds(exact, x.double(), eps=FLOAT32, generator=torch.Generator())
    assert (apart <= bounds + FLOAT32 * size).all()
    assert bounds.max() <= 300 * (apart.max() + FLOAT32 * size.max())


def test_an_iteration_that_stops_at_rounding_has_bounds():
    field = dx.fields.ResidualField(Dense(4, 4), dx.activations.Tanh())
    flow = dx.Flow(field, dx.integrators.ImplicitMidpoint(), horizon=1.0, steps=2).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    bounds = error_bounds(flow, x, eps=FLOAT32, generator=torch.Generator())
    assert (bounds > FLOAT32 * x.norm(dim=1)).all()
    assert (bounds < 1e-3 * x.norm(dim=1)).all()


def test_a_fault_of_one_precision_is_refuted():
    claims = [dx.Lipschitz(1.0)]
    tripled = Returns(lambda x: 3 * x if x.dtype == torch.float32 else x)
    certificate = quick(tripled, torch.randn(3, 4), claims=claims)
    assert certificate.verdict == "refuted"
    assert [row.dtype for row in certificate.refuted] == ["float32"]


@pytest.mark.parametrize("error", [3e-5, 1e-2, 1.4])
def test_precisions_that_disagree_leave_nothing_decided(error):
    # a smaller map in float32: no constant is exceeded, and yet it is another map
    shrunk = Returns(lambda x: x * (1 - error) if x.dtype == torch.float32 else x)
    certificate = quick(shrunk, torch.randn(3, 4), claims=[dx.Lipschitz(2.0)])
    assert certificate.verdict == "undecided"
    assert "float32 and float64 disagree" in certificate.missing[0]


def test_where_rounding_explains_everything_nothing_is_decided():
    lost = Returns(lambda x: (x + 1e7) - 1e7)
    certificate = quick(lost, torch.randn(3, 4), claims=[dx.Lipschitz(1.0)])
    assert certificate.verdict == "undecided"
    assert "rounding in float32" in certificate.missing[0]


@pytest.mark.parametrize("seed", range(4))
def test_splines_come_back(seed):
    certificate = quick(splines(seed), torch.randn(3, 4), claims=[dx.Invertible()])
    assert certificate.verdict == "holds", str(certificate)


SHARP = {
    "one by one": lambda: (Conv(1, 1, kernel_size=1, dim=1), (2, 1, 9)),
    "two to four": lambda: (Dense(2, 4), (2, 2)),
}


@pytest.mark.parametrize("name", SHARP)
def test_sharp_bounds_of_tiny_maps_stand(name):
    for _ in range(12):
        map, shape = SHARP[name]()
        certificate = quick(map, torch.randn(shape))
        assert certificate.verdict == "holds", str(certificate)


def test_what_sums_over_the_batch_is_no_rounding():
    summed = Returns(lambda x: x + 10 * x.sum(dim=0))
    certificate = quick(summed, torch.randn(3, 4), claims=[dx.Lipschitz(30.0)])
    assert certificate.verdict == "refuted"  # 31 with three samples, 11 with one
    assert "influence one another" in certificate.refuted[0].note


def heavy_ball(z):
    """Return a step p' = 0.9 p - ∇E(q), q' = q + 0.01 p' with a function E of degree 6."""
    q, p = z.chunk(2, dim=1)
    x, y = q.unbind(dim=1)
    p = 0.9 * p - torch.stack([4 * x - 4.2 * x**3 + x**5 + y, x + 2 * y], dim=1)
    return torch.cat([q + 0.01 * p, p], dim=1)


@pytest.mark.parametrize("seed", range(3))
def test_short_images_of_steep_maps_round_like_long_ones(seed):
    """DᵀJD - cJ at vectors that D makes short, where the slopes of E are 10⁹."""
    torch.manual_seed(seed)
    x = torch.randn(4, 4, dtype=torch.float64)
    for factor, refuted in ((0.9, False), (0.9001, True)):
        claims = [dx.ConformalSymplectic(factor)]
        assert bool(dx.certify(Returns(heavy_ball), x, claims=claims).refuted) == refuted
