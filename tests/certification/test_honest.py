"""Random and trained nonexpansive flows: no attack may exceed what a theorem allows."""

import pytest
import torch

import darboux.integrators as di
from darboux.activations import Clip, Identity, ReLU, Sigmoid, Softplus, Tanh
from darboux.certification import certify
from darboux.compose import Average, Lifted, Residual
from darboux.fields import AntisymmetricField, GradientField
from darboux.flow import ContractiveSteps, Flow
from darboux.linear import Conv, Dense, FiniteDifference, Lift, Scaled, Stacked

INTEGRATORS = [di.Euler, di.ImprovedEuler, di.Kutta3, di.Kutta4]
ACTIVATIONS = [ReLU, Tanh, Sigmoid, Softplus, Identity, Clip]
FRACTIONS = [0.5, 0.9, 1.0]


def space(seed, *, dense):
    """Return the number of spatial axes; norm bounds in two dimensions take their time."""
    return 0 if dense else 1 if metric(seed) == "norm" else 1 + seed % 2


def metric(seed):
    return ("rows", "norm")[seed // 6 % 2]


def field(seed, *, dense):
    """Return a random gradient field of 4 features and 5 units."""
    dim = space(seed, dense=dense)
    padding = ("circular", "zeros")[seed % 4 == 1]
    kernel = (3, 2, 5)[seed % 3]
    map = Dense(4, 5) if dense else Conv(4, 5, kernel_size=kernel, dim=dim, padding_mode=padding)
    activation = ACTIVATIONS[seed % 6]
    sigma = Clip(5, dim=dim) if activation is Clip else activation()
    made = GradientField(map, sigma, metric=metric(seed))
    with torch.no_grad():
        made.bias.normal_()
        map.weight.mul_(10 ** float(torch.empty(()).uniform_(-1, 1)))
    return made


def flow(seed, *, dense):
    fields = [field(seed + k, dense=dense) if dense else field(seed, dense=dense) for k in range(2)]
    steps = ContractiveSteps(fraction=FRACTIONS[seed % 3])
    return Flow(fields, INTEGRATORS[seed % 4](), steps=steps)


def conv():
    return Conv(4, 4, kernel_size=3, dim=2)


def shape(seed, *, dense):
    return (2, 4, *(7,) * space(seed, dense=dense))


# Activations and integrators meet in the first twelve, on dense maps. Nine of them have every
# kernel, padding and metric of convolutions; later ones mix them differently.
SEEDS = [
    pytest.param(k, dense, marks=() if k in often else pytest.mark.slow, id=f"{k}-{name}")
    for name, dense, often in (("dense", True, range(12)), ("conv", False, (*range(6), 7, 8, 9)))
    for k in range(25)
]


@pytest.mark.parametrize(("seed", "dense"), SEEDS)
def test_no_attack_exceeds_a_theorem(seed, dense):
    torch.manual_seed(seed)
    example = torch.randn(shape(seed, dense=dense))
    certificate = certify(flow(seed, dense=dense), example, effort="quick")
    assert certificate.holds, str(certificate)
    assert certificate.lipschitz == 1.0
    assert all(row.status == "not refuted" for row in certificate.rows), str(certificate)


@pytest.mark.parametrize("name", ["rows", "norm"])
def test_trained_flow(name):
    torch.manual_seed(0)
    net = Flow(
        [GradientField(Dense(4, 8), ReLU(), metric=name) for _ in range(2)],
        di.Euler(),
        steps=ContractiveSteps(fraction=0.99),
    )
    x = torch.randn(64, 4)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (net(x) - 0.3 * x.abs()).square().mean().backward()
        optimizer.step()
    certificate = certify(net, x[:4], effort="quick")
    assert certificate.holds, str(certificate)
    assert certificate.rows[0].measured <= 1 + certificate.rows[0].tolerance


def narrow(seed):
    """Return a flow of 4 features as a map of one channel."""
    return torch.nn.Sequential(
        Conv(1, 4, kernel_size=1, dim=2), flow(seed, dense=False), Conv(4, 1, kernel_size=1, dim=2)
    )


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (lambda: Lifted(Lift(1, 4, dim=2, shuffle=2), flow(1, dense=False)), 1),
        (lambda: Lifted(Lift(1, 4, dim=2, frame="tight"), flow(1, dense=False)), 1),
        (lambda: Average([flow(1, dense=False), flow(3, dense=False)]), 4),
        (lambda: Average([narrow(1), torch.nn.Identity()]), 1),
        (lambda: Residual(flow(1, dense=False), scale=0.5), 4),
        (lambda: Residual(narrow(1), scale=0.5), 1),
        (
            lambda: torch.nn.Sequential(
                flow(1, dense=False), torch.nn.ReLU(), flow(3, dense=False)
            ),
            4,
        ),
        (lambda: Flow(AntisymmetricField(conv(), Tanh()), di.Kutta4(), steps=3), 4),
        (
            lambda: Flow(
                GradientField(
                    Stacked(FiniteDifference(4, dim=2), Scaled(conv(), factor=0.5)),
                    Clip(12),
                ),
                di.Euler(),
                steps=ContractiveSteps(count=2),
            ),
            4,
        ),
    ],
    ids=[
        "shuffled lift",
        "tight lift",
        "average",
        "average of one channel",
        "residual",
        "residual of one channel",
        "sequential",
        "skew",
        "stacked",
    ],
)
def test_compositions(make, channels):
    torch.manual_seed(0)
    certificate = certify(make(), torch.randn(2, channels, 9, 9), effort="quick")
    assert certificate.holds, str(certificate)
    assert certificate.lipschitz is not None
    assert all(row.status == "not refuted" for row in certificate.rows), str(certificate)
