"""Couplings: shears, partitions, contexts, claims, and what is refused."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    Alternating,
    Chain,
    Channels,
    Checkerboard,
    Halves,
    SplineCoupling,
)
from darboux.bijections._bijection import undo
from darboux.gradients import gradients_of
from darboux.structure import BiLipschitz, Invertible, Kind, VolumePreserving, claims_of
from darboux.testing import check_log_det, check_round_trip, check_undo

DENSE = [Halves(), Alternating(), Channels([2, 0])]
PARTITIONS = [*DENSE, Checkerboard()]


class Kicked(dx.fields.SeparablePhaseField):
    """ż = 0, ṗ = f(z)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def drift(self, t, z, p):
        return torch.zeros_like(z)

    def kick(self, t, z, p):
        return self.network(z)


class Drifting(Kicked):
    """ż = f(p), ṗ = 0."""

    def drift(self, t, z, p):
        return self.network(p)

    def kick(self, t, z, p):
        return torch.zeros_like(p)


def network(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 6), nn.Tanh(), nn.Linear(6, outputs))


@pytest.mark.parametrize(("field", "swap"), [(Kicked, False), (Drifting, True)])
@pytest.mark.parametrize(
    "method",
    [dx.integrators.SymplecticEuler(), dx.integrators.Splitting(symmetric=False)],
)
def test_additive_couplings_are_steps_of_splitting_methods(field, swap, method):
    f, x = network(3, 3), torch.randn(5, 6)
    layer = AdditiveCoupling(f, swap=swap)
    after = method.step(field(f), 0.0, 1.0, x)
    assert torch.equal(layer(x), after)
    assert torch.equal(layer.inverse(after), method.step_back(field(f), 0.0, 1.0, after))


def test_the_second_half_moves_given_the_first():
    x = torch.tensor([[1.0, 2.0, 30.0, 40.0]])
    assert AdditiveCoupling(nn.Identity())(x).tolist() == [[1.0, 2.0, 31.0, 42.0]]
    assert AdditiveCoupling(nn.Identity(), swap=True)(x).tolist() == [[31.0, 42.0, 30.0, 40.0]]


@pytest.mark.parametrize("channels", [4, 5])
@pytest.mark.parametrize("partition", PARTITIONS)
def test_partitions_join_what_they_split(partition, channels):
    x = torch.randn(2, channels, 3, 4)
    parts = partition.split(x)
    assert tuple(part.shape[1] for part in parts) == partition.channels(channels)
    assert torch.equal(partition.join(*parts), x)
    ones = torch.ones_like(x)
    totals = [partition.total(part, first=k == 0) for k, part in enumerate(partition.split(ones))]
    assert torch.equal(sum(totals), torch.full((2,), 12.0 * channels))


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("first", [True, False])
def test_spread_is_the_adjoint_of_total(partition, first):
    values = torch.randn(3, 2, 3, 3, requires_grad=True)
    weights = torch.randn(3)
    (expected,) = gradients_of([partition.total(values, first=first)], [values], [weights])
    assert torch.equal(partition.spread(weights, values, first=first), expected)


def test_a_checkerboard_alternates_along_every_axis():
    first, _ = Checkerboard().split(torch.ones(1, 1, 2, 2, 2))
    assert first[0, 0].tolist() == [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_what_is_kept_decides_alone(dim):
    """With a checkerboard, the sub-network must not see the moved points."""
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dim]
    layer = AffineCoupling(conv(2, 4, 3, padding=1), partition=Checkerboard()).double()
    x = torch.randn(2, 2, *(3, 4, 2)[:dim], dtype=torch.float64)
    check_round_trip(layer, x)
    check_log_det(layer, x)
    check_undo(layer, x)


def test_zeros_give_the_identity():
    x = torch.randn(4, 3)
    for layer in (AffineCoupling(nn.Linear(1, 4)), SplineCoupling(nn.Linear(1, 46))):
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
        y, log_det = layer.forward_and_log_det(x)
        torch.testing.assert_close(y, x)
        torch.testing.assert_close(log_det, torch.zeros(4))


def test_scales_stay_within_the_bound():
    layer = AffineCoupling(nn.Linear(1, 2), bound=0.5)
    nn.init.constant_(layer.network.bias, 1e4)
    assert layer.forward_and_log_det(torch.randn(3, 2))[1].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5)])
def test_contexts_reach_every_point(shape):
    torch.manual_seed(0)
    layer = AdditiveCoupling(nn.Conv2d(4, 2, 1), context_features=3)
    x, context = torch.randn(2, 3, 4, 5), torch.randn(shape)
    wide = context if context.ndim == 4 else context[:, :, None, None].expand(2, 3, 4, 5)
    shift = layer.network(torch.cat((x[:, :1], wide), 1))
    assert torch.equal(layer(x, context), torch.cat((x[:, :1], x[:, 1:] + shift), 1))
    assert torch.equal(undo(layer, x, x, None, (), context)[0], layer.inverse(x, context))


def test_autocast_leaves_the_law_alone():
    layer, x = AffineCoupling(network(2, 4)), torch.randn(64, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, log_det = layer.forward_and_log_det(x)
        back = layer.inverse(y)
        assert layer.network(x[:, :2]).dtype == torch.bfloat16
        assert layer(x.bfloat16()).dtype == torch.float32
    assert y.dtype == log_det.dtype == torch.float32
    torch.testing.assert_close(back, x, rtol=1e-6, atol=1e-6)


def test_low_precision_follows_the_input():
    layer, x = AffineCoupling(network(2, 4)).bfloat16(), torch.randn(8, 4).bfloat16()
    y, log_det = layer.forward_and_log_det(x)
    assert y.dtype == log_det.dtype == torch.bfloat16


@pytest.mark.parametrize("partition", PARTITIONS)
def test_bounds_of_shears_hold_and_are_reached(partition):
    whole = isinstance(partition, Checkerboard)
    f = nn.Conv1d(4, 4, 3, padding=1) if whole else nn.Identity()
    layer = AdditiveCoupling(f, partition=partition).double()
    claims = claims_of(layer)
    bounds = claims.find(BiLipschitz).structure
    x = torch.randn(1, 4, 4, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda z: layer(z.view_as(x)).flatten())(x.flatten())
    singular = torch.linalg.svdvals(jacobian)
    assert claims.find(VolumePreserving) is not None
    assert bounds.lower <= singular[-1]
    assert singular[0] <= bounds.upper
    if not whole:  # L = 1: the golden ratio
        assert float(singular[0]) == pytest.approx(bounds.upper, rel=1e-12)
        assert bounds.upper == pytest.approx((1 + 5**0.5) / 2, rel=1e-12)


def test_claims_without_bounds_say_why():
    unknown = claims_of(AdditiveCoupling(nn.Bilinear(1, 1, 1)))
    assert unknown.find(Invertible).kind is Kind.CONSTRUCTION
    assert unknown.find(BiLipschitz) is None
    assert "without a Lipschitz constant" in unknown.gaps[0].reason
    for layer in (AffineCoupling(nn.Linear(1, 2)), SplineCoupling(nn.Linear(1, 23))):
        claims = claims_of(layer)
        assert claims.find(Invertible) is not None
        assert claims.find(VolumePreserving) is None
        assert claims.find(BiLipschitz) is None
        assert "varies with the kept part" in claims.gaps[0].reason


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (AdditiveCoupling(nn.Linear(2, 2)), torch.ones(3, 5), "return 3 channels"),
        (AffineCoupling(nn.Linear(2, 3)), torch.ones(3, 4), r"expected the sub-network.*\(3, 4\)"),
        (SplineCoupling(nn.Linear(2, 2)), torch.ones(3, 4), "46 channels, 23 for each of the 2"),
        (AdditiveCoupling(nn.Conv1d(1, 1, 3)), torch.ones(1, 2, 5), "keep the space"),
        (AdditiveCoupling(nn.Identity()), torch.ones(3, 1), "at least 2 channels"),
        (AdditiveCoupling(nn.Identity()), torch.ones(3), "at least 2 channels"),
        (
            AdditiveCoupling(nn.Identity(), partition=Checkerboard()),
            torch.ones(3, 4),
            "1 to 3 spatial axes",
        ),
        (
            AdditiveCoupling(nn.Identity(), partition=Channels([0, 4])),
            torch.ones(3, 4),
            "indices below",
        ),
        (
            AdditiveCoupling(nn.Identity(), partition=Channels([0, 1])),
            torch.ones(3, 2),
            "not all of them",
        ),
    ],
)
def test_shapes_that_do_not_fit(layer, x, message):
    with pytest.raises(ValueError, match=message):
        layer(x)


@pytest.mark.parametrize("context", [None, torch.ones(3, 2), torch.ones(2, 3), torch.ones(3, 3, 1)])
def test_wrong_contexts(context):
    layer = AdditiveCoupling(nn.Linear(5, 2), context_features=3)
    with pytest.raises(ValueError, match=r"context of shape \(3, 3\).*context_features=3"):
        layer(torch.ones(3, 4), context)


def test_sub_networks_must_not_edit_the_features():
    layer = AdditiveCoupling(nn.ReLU(inplace=True))
    with pytest.raises(RuntimeError, match="changed its input in place"):
        layer(torch.randn(3, 4))


@pytest.mark.parametrize("indices", [[], [0, 0]])
def test_wrong_indices(indices):
    with pytest.raises(ValueError, match="each once and counted from 0"):
        Channels(indices)


@pytest.mark.parametrize(
    ("index", "error"), [(-1, ValueError), (True, TypeError), (1.5, TypeError)]
)
def test_wrong_index(index, error):
    with pytest.raises(error, match=r"a sequence \(an integer of 0 or more, ...\); got"):
        Channels([index])


def test_wrong_arguments():
    with pytest.raises(TypeError, match="expected network to be a Module"):
        AdditiveCoupling(torch.tanh)
    with pytest.raises(TypeError, match="expected partition to be a Partition; got 'halves'"):
        AffineCoupling(nn.Identity(), partition="halves")
    with pytest.raises(TypeError, match=r"got the class Halves. Make one: Halves\(...\)"):
        AffineCoupling(nn.Identity(), partition=dx.bijections.Halves)
    with pytest.raises(ValueError, match=r"bound to be a positive finite number; got 0\.0"):
        AffineCoupling(nn.Identity(), bound=0.0)
    with pytest.raises(ValueError, match="context_features to be a positive integer"):
        SplineCoupling(nn.Identity(), context_features=0)


@pytest.mark.parametrize("memory", ["autograd", "checkpoint", "constant"])
def test_a_layer_may_come_twice_in_a_chain(memory):
    layer, mixed = AffineCoupling(network(2, 4)), dx.bijections.LULinear(4)
    chain = dx.bijections.Chain([layer, mixed, layer, mixed], memory=memory).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    y = mixed(layer(mixed(layer(x))))
    torch.testing.assert_close(chain(x), y)
    torch.testing.assert_close(chain.inverse(y), x)
    wanted = list(chain.parameters())
    expected = torch.autograd.grad(y.square().sum(), wanted)
    torch.testing.assert_close(torch.autograd.grad(chain(x).square().sum(), wanted), expected)


def one_by_one(layers, x):
    total = 0
    for layer in layers:
        x, part = layer.forward_and_log_det(x)
        total = total + part
    return x, total


def in_turn(partition, count=5):
    return [
        AffineCoupling(nn.Linear(3, 6), swap=k % 2 == 1, partition=partition) for k in range(count)
    ]


@pytest.mark.parametrize("partition", [Halves(), Alternating()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_chain_cuts_and_joins_once(partition, dtype):
    layers, x = in_turn(partition), torch.randn(4, 6)
    chain = Chain(layers).to(dtype)
    y, log_det = chain.forward_and_log_det(x.to(dtype))
    expected, total = one_by_one(layers, x.to(dtype))
    assert torch.equal(y, expected)
    assert torch.equal(chain(x.to(dtype)), expected)
    torch.testing.assert_close(log_det, total)
    back = y
    for layer in reversed(layers):
        back = layer.inverse(back)
    assert torch.equal(chain.inverse(y), back)


def test_couplings_of_a_run_are_hooked_and_replaced_as_others_are():
    class Reported(AdditiveCoupling):
        def forward(self, x, context=None):
            calls.append("forward")
            return super().forward(x, context)

        def claims(self):
            return super().claims()

    calls, x = [], torch.randn(4, 6)
    layers = [AdditiveCoupling(nn.Linear(3, 3)) for _ in range(3)]
    chain = Chain([*layers, Reported(nn.Linear(3, 3))])
    expected = chain(x)
    layers[1].register_forward_hook(lambda *given: calls.append("hook"))
    assert torch.equal(chain(x), expected)
    assert calls == ["forward", "hook", "forward"]
