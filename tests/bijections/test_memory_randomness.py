"""Dropout, normalisation, autocast and modes: the second evaluation is the first one again."""

import random
from contextlib import nullcontext

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Alternating,
    Chain,
    Checkerboard,
    Halves,
)
from darboux.bijections._bijection import bijective
from darboux.gradients import OpenLayerError
from tests.bijections.nets import additive, convolutional, gradients, mixed, network, relative

MODES = ["checkpoint", "constant"]


@pytest.mark.parametrize("memory", MODES)
def test_dropout_draws_the_same_numbers_again(memory):
    x = torch.randn(5, 6, dtype=torch.float64)
    plain, chain = (mixed(nn.Dropout(0.5), memory=m).double() for m in ("autograd", memory))
    torch.manual_seed(7)
    expected, after = gradients(plain, x), torch.rand(3)
    torch.manual_seed(7)
    gradients(chain, x)  # the first pass looks at each layer once more
    torch.manual_seed(7)
    found = gradients(chain, x)
    assert relative(found, expected) <= 1e-12
    assert torch.equal(torch.rand(3), after), "backward passes must not draw numbers"


def test_the_first_pass_draws_no_more_numbers():
    x = torch.randn(5, 6)
    plain, chain = (mixed(nn.Dropout(0.5), memory=m) for m in ("autograd", "constant"))
    torch.manual_seed(7)
    expected = plain(x)
    torch.manual_seed(7)
    assert torch.equal(chain(x), expected)


@pytest.mark.parametrize("memory", MODES)
def test_running_statistics_are_updated_once(memory):
    x = torch.randn(4, 4, 5, 5, dtype=torch.float64)
    plain, chain = (
        convolutional(4, norm=nn.BatchNorm2d, memory=m).double() for m in ("autograd", memory)
    )
    for _ in range(2):
        assert relative(gradients(chain, x), gradients(plain, x)) <= 1e-12
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(dict(chain.named_buffers())[name], buffer)
    assert int(chain.layers[0].network[1].num_batches_tracked) == 2


def test_buffers_that_matter_are_those_of_the_forward_pass():
    """Spectral normalisation moves its vectors on every call in training mode, and uses them."""

    def build(memory):
        torch.manual_seed(0)
        layers = []
        for k in range(4):
            linear = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
            layers.append(AdditiveCoupling(nn.Sequential(linear, nn.Tanh()), swap=k % 2 == 1))
        return Chain(layers, memory=memory).double()

    x = torch.randn(5, 6, dtype=torch.float64)
    plain, chain = build("autograd"), build("constant")
    for _ in range(3):
        assert relative(gradients(chain, x), gradients(plain, x)) <= 1e-12


def test_modes_of_the_forward_pass_hold():
    """Switching to eval() before backward() does not change what is differentiated."""
    x = torch.randn(4, 4, 5, 5, dtype=torch.float64)

    def trained(memory):
        chain = convolutional(4, norm=nn.BatchNorm2d, memory=memory).double()
        loss = (chain(x) ** 2).sum()
        chain.eval()
        loss.backward()
        assert not chain.layers[0].network.training
        return [p.grad for p in chain.parameters()]

    assert relative(trained("constant"), trained("autograd")) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
def test_autocast(memory):
    x = torch.randn(8, 32)

    def trained(mode):
        chain = additive(10, memory=mode)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = chain(x)
            loss = (y.float() ** 2).mean()
        loss.backward()
        return [p.grad for p in chain.parameters()]

    exact = [g / x.numel() for g in gradients(additive(10), x, log_det=False)[1:]]
    plain, found = relative(trained("autograd"), exact), relative(trained(memory), exact)
    assert 1e-4 < plain < 0.1  # what bfloat16 does to gradients anyway
    assert found <= 1.2 * plain


def test_autocast_needs_no_checkpoints():
    """Sub-networks that round coarsely are no reason to keep activations."""
    chain = additive(10, memory="constant")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = (chain(torch.randn(8, 32)) ** 2).mean()
    loss.backward()
    assert chain.drift_report().checkpoints == (0,)


def test_autocast_keeps_features_in_float32():
    chain = additive(4, memory="constant")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert chain(torch.randn(8, 32, dtype=torch.bfloat16)).dtype == torch.float32
        assert chain.inverse(torch.randn(8, 32)).dtype == torch.float32


def test_weights_used_again_keep_their_gradients_under_autocast():
    """What is cast where nothing is recorded must not be found in the cache afterwards."""
    chain = additive(2, memory="constant")
    linear = chain.layers[0].network[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = linear(chain(torch.randn(4, 32))[:, :16]).float().sum()
    loss.backward()
    assert linear.weight.grad.abs().sum() > 0
    alone = torch.autograd.grad(chain(torch.randn(4, 32)).sum(), linear.weight)[0]
    assert not torch.equal(linear.weight.grad, alone)


def test_a_layer_must_stay_in_its_number_format():
    class Narrow(dx.bijections.Bijection):
        def forward_and_log_det(self, x, context=None):
            return x.bfloat16(), x.new_zeros(len(x))

        def inverse_and_log_det(self, y, context=None):
            return y.float(), y.new_zeros(len(y))

        def claims(self):
            return bijective("it does not")

    chain = Chain([Narrow(), AdditiveCoupling(network(2, 3))], memory="constant")
    with pytest.raises(TypeError, match=r"features that stay torch\.float32; got torch\.bfl"):
        chain(torch.randn(2, 4, requires_grad=True))


def test_a_layer_must_not_use_what_is_not_its_own():
    outside = torch.ones(2, requires_grad=True)

    class Reaching(nn.Module):
        def forward(self, x):
            return x * outside

    chain = Chain([AdditiveCoupling(Reaching())], memory="constant")
    with pytest.raises(OpenLayerError, match=r"tensor of shape \(2,\) that requires a gradient"):
        chain(torch.randn(3, 4, requires_grad=True))
    plain = Chain([AdditiveCoupling(Reaching())])
    plain(torch.randn(3, 4)).sum().backward()
    assert outside.grad is not None


def test_a_layer_must_give_the_same_again():
    class Fickle(nn.Module):
        def forward(self, x):
            return x * random.random()

    layers = [AdditiveCoupling(Fickle(), swap=k % 2 == 1) for k in range(4)]
    for memory in MODES:
        chain = Chain(layers, memory=memory)
        loss = chain(torch.randn(3, 4, requires_grad=True)).sum()
        said = pytest.warns(Warning, match="magnify") if memory == "constant" else nullcontext()
        with (
            said,
            pytest.raises(RuntimeError, match="gave another result when it was evaluated again"),
        ):
            loss.backward()


def test_weights_must_not_change_before_the_backward_pass():
    chain = mixed(memory="constant")
    loss = (chain(torch.randn(3, 6)) ** 2).sum()
    with torch.no_grad():
        chain.layers[0].network[0].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_dropout_draws_the_same_wherever_networks_put_channels():
    """The order of numbers in memory is that of what a sub-network returns, not of its input."""
    networks = [nn.Sequential(nn.Dropout(0.5), nn.Conv2d(2, 4, 3, padding=1)) for _ in range(4)]
    layers = [AffineCoupling(network, swap=k % 2 == 1) for k, network in enumerate(networks)]
    chain = Chain(layers, memory="constant").to(memory_format=torch.channels_last)
    chain(torch.randn(3, 4, 5, 5)).square().sum().backward()
    assert chain.drift_report().checkpoints == (0,)


@pytest.mark.parametrize("partition", [Halves(), Alternating(), Checkerboard()])
def test_dropout_draws_the_same_in_volumes(partition):
    """Where a coupling stands alone, or its parts are no views."""
    width = partition.channels(4)[0]
    parts = [nn.Dropout(0.5), nn.Conv3d(width, width, 3, padding=1)]
    layers = [AdditiveCoupling(nn.Sequential(*parts), partition=partition), ActNorm(4)]
    chain = Chain([*layers, *layers], memory="constant")
    chain(torch.randn(3, 4, 5, 5, 5)).square().sum().backward()
    assert chain.drift_report().checkpoints == (0,)
