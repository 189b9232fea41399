"""Networks whose Jacobian is known layer by layer: against autograd, and where it is not known."""

import pytest
import torch

from darboux.activations import ELU, Clip, GroupSort, LipSwish, Tanh
from darboux.activations._swish import Swish
from darboux.bijections import ContractiveNetwork, ExactLogDet, InvertibleResidual
from darboux.bijections._contractive_network import constant_of, contraction_of
from darboux.bijections._jacobian_products import products

NETWORKS = {
    "swish": (lambda: ContractiveNetwork(4, [8, 6]), ()),
    "tanh": (lambda: ContractiveNetwork(4, [8], activation=Tanh), ()),
    "elu": (lambda: ContractiveNetwork(4, [8], activation=ELU), ()),
    "spectral": (lambda: ContractiveNetwork(4, [8], by="spectral"), ()),
    "sorted": (lambda: ContractiveNetwork(4, [8], activation=GroupSort), ()),
    "zeros": (lambda: ContractiveNetwork(4, [5], dim=2, kernel_size=2), (5, 4)),
    "circular": (lambda: ContractiveNetwork(4, [5], dim=1, padding_mode="circular"), (7,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_products_are_those_of_autograd(name):
    build, space = NETWORKS[name]
    network = build().double()
    x = torch.randn(3, 4, *space, dtype=torch.float64, requires_grad=True)
    v, w = torch.randn(2, *x.shape, dtype=torch.float64)
    f, given = network.prepare(), [x, *network.parameters()]
    found = []
    for way in (f, lambda x: f(x)):
        value, product = products(way, x)
        slope = product(v, graph=True)
        loss = (slope.sin() * w).sum() + value.square().sum()
        first = torch.autograd.grad(loss, given, create_graph=True)
        second = torch.autograd.grad(first[0].square().sum(), x, retain_graph=True)
        found.append((value, slope, product(v, graph=False), *first, *second))
        assert not found[-1][2].requires_grad
    torch.testing.assert_close(*found)


def test_a_context_is_no_part_of_the_jacobian():
    network = ContractiveNetwork(4, [8], context_features=2).double()
    x, c = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    f, v = network.prepare(), torch.randn(3, 4, dtype=torch.float64)
    found = [products(way, x) for way in (f.at(c), lambda x: f(torch.cat([x, c], dim=1)))]
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(*(product(v, graph=True) for _, product in found))


def test_the_slope_of_the_swish_is_differentiable_twice():
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    s = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    given = (x, s)
    value = LipSwish(beta=0.3).double()
    sharpness = torch.nn.functional.softplus(value.beta)
    torch.testing.assert_close(Swish.apply(x, sharpness)[0], value(x))
    assert torch.autograd.gradcheck(Swish.apply, given, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(Swish.apply, given)
    for part in (0, 1):
        assert torch.autograd.gradcheck(lambda *given, k=part: Swish.apply(*given)[k], given)


def test_a_hook_that_mixes_entries_is_differentiated():
    network = ContractiveNetwork(2, [3], constant=0.5).double()
    network.activations[0].register_forward_hook(lambda module, args, y: y.roll(1, dims=1))
    x = torch.randn(4, 2, dtype=torch.float64)
    found = ExactLogDet().evaluate(network.prepare(), x)[1]
    slopes = torch.stack([torch.func.jacrev(network)(one[None])[0, :, 0] for one in x])
    torch.testing.assert_close(found, torch.linalg.slogdet(torch.eye(2) + slopes)[1])


@pytest.mark.parametrize("activation", [LipSwish, Tanh, ELU, GroupSort, Clip])
def test_the_constant_is_the_proved_one(activation):
    network = ContractiveNetwork(3, [4, 5], constant=0.8, activation=activation)
    assert constant_of(network) == contraction_of(network).constant
    network.maps[0].norm *= 1.1
    assert constant_of(network) == contraction_of(network).constant


def test_no_norm_is_negative():
    network = ContractiveNetwork(3, [4], constant=0.8)
    network.maps[0].norm = -2.0
    with pytest.raises(ValueError, match="0 or more"):
        constant_of(network)


@pytest.mark.parametrize("part", ["maps", "activations"])
def test_nothing_is_proved_any_more_below_a_hook(part):
    layer = InvertibleResidual(ContractiveNetwork(2, [3], constant=0.9))
    getattr(layer.network, part)[0].register_forward_hook(lambda module, args, y: 50 * y)
    with pytest.raises(ValueError, match="hooks"):
        layer.inverse(torch.ones(1, 2))
