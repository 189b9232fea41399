"""Invertible residual layers: what licenses the inverse, how it is computed, what is refused."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import darboux as dx
from darboux.activations import ELU, GroupSort, LeakyReLU, LipSwish
from darboux.bijections import (
    Contraction,
    ContractiveNetwork,
    ExactLogDet,
    InvertibleResidual,
    MixedContractiveNetwork,
    RussianRoulette,
    TruncatedSeries,
)
from darboux.bijections._bijection import undo
from darboux.linear import Dense, Spectral
from darboux.solvers import ConvergenceError
from darboux.structure import (
    BiLipschitz,
    Claim,
    Claims,
    Invertible,
    Kind,
    Lipschitz,
    LogDeterminant,
)
from darboux.testing import check_undo


class Claimed(nn.Module):
    """A map that claims a Lipschitz constant."""

    def __init__(self, constant, kind):
        super().__init__()
        self.constant, self.kind = constant, kind

    def forward(self, x):
        return self.constant * x.roll(1, dims=1)

    def claims(self):
        return Claims((Claim(Lipschitz(self.constant), self.kind, "said so"),))


def steep(network, factor=50.0):
    """Return the network with large weights, as training may make them."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(factor * torch.randn_like(parameter))
    return network


NETWORKS = {
    "dense": lambda: ContractiveNetwork(4, [8, 8], constant=0.9),
    "spectral": lambda: ContractiveNetwork(4, [8, 8], constant=0.9, by="spectral"),
    "elu": lambda: ContractiveNetwork(4, [8], constant=0.9, activation=ELU),
    "sorted": lambda: ContractiveNetwork(4, [8], constant=0.9, activation=GroupSort),
    "steep slopes": lambda: ContractiveNetwork(
        4, [8, 8], constant=0.9, activation=lambda: LeakyReLU(slope=-3.0)
    ),
    "conv1d": lambda: ContractiveNetwork(4, [6], constant=0.9, dim=1),
    "conv2d": lambda: ContractiveNetwork(4, [6], constant=0.9, dim=2, padding_mode="circular"),
    "conv3d": lambda: ContractiveNetwork(4, [5], constant=0.9, dim=3, kernel_size=2),
}
SPACE = {"conv1d": (9,), "conv2d": (5, 4), "conv3d": (3, 3, 3)}


@pytest.mark.parametrize("factor", [0.0, 50.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_contract_whatever_their_parameters(name, factor):
    network = steep(NETWORKS[name](), factor).double()
    claim = network.claims().find(Lipschitz)
    assert claim.kind is Kind.CONSTRUCTION
    assert claim.structure.constant <= 0.9
    x = torch.randn(64, 4, *SPACE.get(name, ()), dtype=torch.float64)
    for scale in (1e-5, 1.0):
        y = x + scale * torch.randn_like(x)
        ratio = (network(x) - network(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
        assert ratio.max() <= 0.9 * (1 + 1e-9)


def test_small_weights_stay_as_they_are():
    network = ContractiveNetwork(3, [4], constant=0.9)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1e-3)
    for shrunk in network.maps:
        assert torch.equal(shrunk.stencil().weight, shrunk.map.weight)


@pytest.mark.parametrize("by", ["rows", "spectral"])
def test_the_constant_is_nearly_attained_after_training(by):
    network = ContractiveNetwork(2, [16], constant=0.9, by=by)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(300):
        x = torch.randn(64, 2)
        loss = (network(x) + 2 * x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: network(z[None])[0]))(x).detach()
    assert 0.75 < torch.linalg.matrix_norm(jacobian, 2).max() <= 0.9


@pytest.mark.parametrize("method", ["fixed-point", "anderson"])
@pytest.mark.parametrize("constant", [0.5, 0.9, 0.99])
def test_round_trip_to_rounding(constant, method):
    # f(x) = -c x + small: as slow as a contraction with this constant gets
    network = nn.Sequential(dx.linear.Scaled(Dense(3, 3), factor=-1.0))
    with torch.no_grad():
        network[0].map.weight.copy_(constant * (1 - 1e-3) * torch.eye(3))
    layer = InvertibleResidual(network, method=method).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    y = layer(x)
    back = layer.inverse(y)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)
    assert (layer.inverse_error(back, y) <= 1e-10).all()


ORDERS = {
    "sup": (math.inf,) * 4,
    "sum": (1.0,) * 4,
    "exact": (3.0, math.inf, math.inf, 3.0),
    "between": (1.5, 3.0, 2.0, 1.5),
    "euclidean": (2.0, 2.0, 2.0, 2.0),
}


@pytest.mark.parametrize("name", ORDERS)
def test_mixed_norms_license_the_inverse(name):
    network = steep(MixedContractiveNetwork(4, [8, 6], orders=ORDERS[name])).double()
    layer = InvertibleResidual(network)
    order = ORDERS[name][0]
    x, z = torch.randn(2, 200, 4, dtype=torch.float64)

    def norm(x):
        return torch.linalg.vector_norm(x, order, dim=1)

    assert (norm(network(x) - network(z)) <= 0.9 * norm(x - z)).all()
    y = layer(x)
    back = layer.inverse(y)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)
    assert (norm(z - x) <= layer.inverse_error(z, y) * (1 + 1e-12)).all()
    claims = layer.claims()
    assert claims.find(Invertible).kind is Kind.CONSTRUCTION
    assert (claims.find(BiLipschitz) is not None) == (order == 2)


def test_a_contraction_of_ones_own():
    class Halved(nn.Module):
        def forward(self, x):
            return x / 2

        def contraction(self):
            return Contraction(self.said, math.inf, self.kind, "said so")

    network = Halved()
    network.said, network.kind = 0.5, Kind.BOUND
    layer = InvertibleResidual(network, log_det=ExactLogDet())
    torch.testing.assert_close(layer.inverse(torch.full((1, 2), 3.0)), torch.full((1, 2), 2.0))
    network.kind = Kind.MEASURED
    with pytest.raises(ValueError, match="only measured"):
        layer.inverse(torch.ones(1, 2))


def test_the_error_bound_holds_and_is_of_the_right_size():
    layer = InvertibleResidual(steep(ContractiveNetwork(4, [8, 8]))).double()
    x = torch.randn(100, 4, dtype=torch.float64)
    y = layer(x)
    for scale in (1e-6, 1.0):
        guess = x + scale * torch.randn_like(x)
        error = (guess - x).norm(dim=1)
        bound = layer.inverse_error(guess, y)
        assert (error <= bound).all()
        assert (bound <= 1.9 / 0.1 * error * (1 + 1e-6)).all()


def test_derivatives_of_the_inverse():
    layer = InvertibleResidual(ContractiveNetwork(3, [6])).double()
    y = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.inverse, y)
    assert torch.autograd.gradcheck(layer.inverse_and_log_det, y)
    back = layer.inverse(y)
    found = torch.autograd.grad(back.square().sum(), [y, *layer.parameters()])
    # x + f(x) = y: through the forward map, the derivative of ½|φ⁻¹(φ(x))|² is x
    x = back.detach().requires_grad_()
    (slope,) = torch.autograd.grad((layer(x) * found[0]).sum(), x)
    torch.testing.assert_close(slope, 2 * x.detach())
    assert all(gradient.isfinite().all() for gradient in found)


def test_undo_in_training_mode_repeats_the_draws_of_the_forward_pass():
    layer = InvertibleResidual(ContractiveNetwork(3, [6]), log_det=RussianRoulette()).double()
    x = torch.randn(4, 3, dtype=torch.float64).requires_grad_()
    state = torch.get_rng_state()
    y, log_det = layer.forward_and_log_det(x)
    weight, gradient = torch.randn(2, 4, dtype=torch.float64)[0], torch.randn_like(y)
    wanted = list(layer.parameters())
    expected = torch.autograd.grad([y, log_det], [x, *wanted], [gradient, weight])
    torch.set_rng_state(state)
    back, slope, others = undo(layer, y.detach(), gradient, weight, wanted)
    torch.testing.assert_close(back, x.detach())
    torch.testing.assert_close((slope, *others), expected)


def test_contexts_of_every_shape():
    network = ContractiveNetwork(2, [5], dim=1, context_features=3)
    layer = InvertibleResidual(network, log_det=ExactLogDet(), context_features=3).double()
    x = torch.randn(4, 2, 5, dtype=torch.float64)
    short = torch.randn(4, 3, dtype=torch.float64)
    spread = short[:, :, None].expand(4, 3, 5).contiguous()
    torch.testing.assert_close(layer(x, short), layer(x, spread))
    check_undo(layer, x, spread)
    for wrong in (None, short[:2], short[:, :2], spread[:, :, :4]):
        with pytest.raises(ValueError, match=r"expected a context of shape \(4, 3\)"):
            layer(x, wrong)
        with pytest.raises(ValueError, match=r"expected a context of shape \(4, 3\)"):
            layer.inverse(x, wrong)


def test_auto_is_exact_where_it_is_affordable():
    small, large = (InvertibleResidual(ContractiveNetwork(n, [8])) for n in (16, 17))
    assert small.estimator == small.eval().estimator == ExactLogDet()
    assert large.estimator == RussianRoulette()
    assert large.eval().estimator == TruncatedSeries(20, probes=4, seed=0)
    x = torch.randn(2, 17)
    state = torch.get_rng_state()
    first, second = (large.forward_and_log_det(x)[1] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(*(large.train().forward_and_log_det(x)[1] for _ in range(2)))


def test_claims_of_both_modes():
    layer = InvertibleResidual(ContractiveNetwork(20, [8], constant=0.8))
    claims = layer.claims()
    found = claims.find(Invertible)
    assert found.kind is Kind.CONSTRUCTION
    assert found.premises
    bounds = claims.find(BiLipschitz).structure
    assert 0.2 <= bounds.lower < 0.201
    assert 1.799 < bounds.upper <= 1.8
    assert claims.find(LogDeterminant) is None
    assert "unbiased estimate" in claims.gaps[0].reason
    exact = InvertibleResidual(ContractiveNetwork(20, [8]), log_det=ExactLogDet())
    assert exact.claims().find(LogDeterminant) is not None


def test_certified():
    layer = InvertibleResidual(steep(ContractiveNetwork(3, [6])))
    assert dx.certify(layer, torch.randn(2, 3), effort="quick").holds


def test_a_measured_constant_licenses_nothing():
    with pytest.raises(ValueError, match=r"got 0\.5, which was only measured"):
        InvertibleResidual(Claimed(0.5, Kind.MEASURED))
    assert InvertibleResidual(Claimed(0.5, Kind.BOUND)).claims().find(Invertible)


@pytest.mark.parametrize("constant", [1.0, 1.5, math.inf])
def test_constants_from_1_on_are_refused(constant):
    with pytest.raises(ValueError, match=rf"got {constant:g} \(said so\). Use ContractiveNetwork"):
        InvertibleResidual(Claimed(constant, Kind.CONSTRUCTION))


def test_networks_without_a_constant_are_refused():
    with pytest.raises(ValueError, match=r"got none \(1: no claims are known for Bilinear"):
        InvertibleResidual(nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 2)))
    with pytest.raises(ValueError, match="dropout is random in training mode"):
        InvertibleResidual(nn.Sequential(nn.Linear(2, 2), nn.Dropout()))


def test_a_bound_is_proved_again_after_training():
    network = nn.Sequential(Dense(3, 3), nn.Tanh())
    with torch.no_grad():
        network[0].weight.mul_(0.3)
    layer = InvertibleResidual(network, log_det=ExactLogDet())
    x = torch.randn(2, 3)
    layer.inverse_and_log_det(x)
    assert layer.claims().find(Invertible).kind is Kind.BOUND
    with torch.no_grad():
        network[0].weight.mul_(10 / torch.linalg.matrix_norm(network[0].weight, 2))
    for call in (layer.inverse, layer.forward_and_log_det, layer.inverse_and_log_det):
        with pytest.raises(ValueError, match=r"expected a proved Lipschitz constant < 1; got 10"):
            call(x)
    with pytest.raises(ValueError, match="expected a proved Lipschitz constant"):
        layer.inverse_error(x, x)
    assert layer.claims().find(Invertible) is None
    assert "got 10" in layer.claims().gaps[0].reason


def test_spectral_parametrisations_hold_for_all_parameters():
    network = nn.Sequential(Dense(3, 5), LipSwish(), Dense(5, 3))
    for k in (0, 2):
        parametrize.register_parametrization(network[k], "weight", Spectral(norm=0.9))
    layer = InvertibleResidual(steep(network)).double()
    assert layer.claims().find(Invertible).kind is Kind.CONSTRUCTION
    x = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(layer.inverse(layer(x)), x)


def test_too_few_iterations_are_an_error():
    layer = InvertibleResidual(Claimed(0.9, Kind.BOUND), method="fixed-point", max_iter=3)
    with pytest.raises(ConvergenceError, match=r"InvertibleResidual.inverse: .* 3 iterations"):
        layer.inverse(torch.randn(2, 3))


def test_weights_that_are_not_finite_are_an_error():
    layer = InvertibleResidual(ContractiveNetwork(2, [4]))
    with torch.no_grad():
        layer.network.biases[0][0] = torch.nan
    with pytest.raises(ConvergenceError, match="not finite"):
        layer.inverse(torch.randn(2, 2))


def test_autocast_does_not_reach_the_layer():
    layer = InvertibleResidual(steep(ContractiveNetwork(4, [8])))
    x = torch.randn(3, 4)
    expected = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        back = layer.inverse(y.bfloat16())
    assert torch.equal(y, expected)
    assert back.dtype == torch.float32
    torch.testing.assert_close(layer(back), y.bfloat16().float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("estimator", [ExactLogDet(), TruncatedSeries(9, probes=1, seed=0)])
def test_inference_mode_gives_the_same_numbers(estimator):
    layer = InvertibleResidual(
        ContractiveNetwork(3, [8], context_features=1), log_det=estimator, context_features=1
    ).double()
    x, context = torch.randn(4, 3).double(), torch.randn(4, 1).double()
    expected = layer.forward_and_log_det(x, context)
    with torch.inference_mode():
        found = layer.forward_and_log_det(x, context)
        back = layer.inverse_and_log_det(found[0], context)
        with pytest.raises(RuntimeError, match="every derivative would be zero"):
            estimator.evaluate(torch.sin, x)
    torch.testing.assert_close(found, tuple(part.detach() for part in expected))
    torch.testing.assert_close(back, (x, -found[1]))


def test_vmap_over_the_inverse_is_refused():
    layer = InvertibleResidual(ContractiveNetwork(2, [4]))
    with pytest.raises(RuntimeError, match="expected a batch on the first axis"):
        torch.func.vmap(lambda y: layer.inverse(y[None]))(torch.randn(3, 2))


def test_refusals():
    network = ContractiveNetwork(2, [4])
    with pytest.raises(ValueError, match="method to be 'fixed-point' or 'anderson'; got 'n"):
        InvertibleResidual(network, method="newton")
    with pytest.raises(ValueError, match="log_det to be a LogDetEstimator or 'auto'; got 'e"):
        InvertibleResidual(network, log_det="exact")
    with pytest.raises(ValueError, match="constant to be a positive finite number; got -1"):
        ContractiveNetwork(2, [4], constant=-1)
    with pytest.raises(ValueError, match="expected activations with a Lipschitz constant"):
        ContractiveNetwork(2, [4], activation=lambda: nn.LogSoftmax(dim=1))
    with pytest.raises(ValueError, match="by to be 'rows' or 'spectral'; got 'power'"):
        ContractiveNetwork(2, [4], by="power")
    with pytest.raises(ValueError, match="expected 3 orders from 1 to ∞, the last one equal"):
        MixedContractiveNetwork(2, [4], orders=(1.0, 2.0, 2.0))
    with pytest.raises(ValueError, match="expected activations of one real variable"):
        MixedContractiveNetwork(2, [4], orders=(1.0,) * 3, activation=GroupSort)


class Louder(ContractiveNetwork):
    """A subclass with a constant of 2.7."""

    def prepare(self):
        prepared = ContractiveNetwork.prepare(self)
        return lambda x: 3 * prepared(x)


class LouderInMixedNorms(MixedContractiveNetwork):
    def forward(self, x):
        return 3 * MixedContractiveNetwork.forward(self, x)


class Steep(ContractiveNetwork):
    def __init__(self):
        super().__init__(2, [4], constant=1.3)


SUBCLASSES = {
    "another prepare": (lambda: Louder(2, [4]), "has a prepare"),
    "another forward": (
        lambda: LouderInMixedNorms(2, [4], orders=(2.0, math.inf, 2.0)),
        "has a forward",
    ),
    "another constant": (Steep, r"got 1\.3"),
}


@pytest.mark.parametrize("name", SUBCLASSES)
def test_subclasses_with_a_constant_from_1_on_are_refused(name):
    build, message = SUBCLASSES[name]
    with pytest.raises(ValueError, match=rf"expected a proved Lipschitz constant < 1; .*{message}"):
        InvertibleResidual(build())


def test_a_bound_is_proved_after_the_meta_device():
    def build():
        return InvertibleResidual(nn.Sequential(nn.Linear(2, 2)), log_det=ExactLogDet())

    with torch.device("meta"):
        layer = build()
    layer.to_empty(device="cpu")
    nn.init.eye_(layer.network[0].weight)
    with pytest.raises(ValueError, match="expected a proved Lipschitz constant < 1; got 1"):
        layer.inverse(torch.zeros(1, 2))
    nn.init.zeros_(layer.network[0].weight)
    nn.init.ones_(layer.network[0].bias)
    torch.testing.assert_close(layer.inverse(torch.ones(1, 2)), torch.zeros(1, 2))


def test_half_precision_is_undone():
    layer = InvertibleResidual(ContractiveNetwork(4, [8])).bfloat16()
    x = torch.randn(3, 4, dtype=torch.bfloat16)
    y, log_det = layer.forward_and_log_det(x)
    assert y.dtype == log_det.dtype == torch.bfloat16
    torch.testing.assert_close(layer.inverse(y), x, rtol=0.0, atol=0.05)
