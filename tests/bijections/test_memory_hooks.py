"""Hooks see what plain backpropagation gives them, and as often, in every memory mode."""

import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import darboux as dx
from darboux.bijections import AdditiveCoupling, Chain, HouseholderLinear, SplineCoupling
from darboux.gradients import OpenLayerError
from tests.bijections.nets import hamiltonian, mixed, network, relative

MODES = ["checkpoint", "constant"]


class Idle(nn.Module):
    """A network with a layer that it does not use."""

    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.used(x).tanh()


class Sometimes(Idle):
    """The same, but large inputs are for the other layer."""

    def forward(self, x):
        return (self.used if x.abs().max() < 100 else self.idle)(x).tanh()


class Recurrent(nn.Module):
    """A network of a recurrent layer, whose weights stand in a list as well."""

    def __init__(self):
        super().__init__()
        self.cells = nn.GRU(3, 3, batch_first=True)

    def forward(self, x):
        return self.cells(x.unsqueeze(1))[0].squeeze(1)


class Holding(nn.Module):
    """A network that takes its weight from a list."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))
        self.weights = [self.weight]

    def forward(self, x):
        return (x @ self.weights[0]).tanh()


def couplings(*networks):
    return [AdditiveCoupling(net, swap=k % 2 == 1) for k, net in enumerate(networks)]


def tied():
    one, other = network(3, 8), network(3, 8)
    other[0].weight = one[0].weight
    return couplings(one, other, network(3, 8))


def twice():
    first, *others = couplings(network(3, 8), network(3, 8))
    return [first, *others, first]


def parametrised():
    return couplings(
        nn.Sequential(parametrizations.orthogonal(nn.Linear(3, 3)), nn.Tanh()),
        nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 3)), nn.Tanh()),
    )


def splines():
    nets = [nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3 * 11)) for _ in range(2)]
    return [SplineCoupling(net, bins=4, swap=k == 1) for k, net in enumerate(nets)]


LAYERS = {
    "couplings": lambda: list(mixed().layers),
    "tied": tied,
    "one layer twice": twice,
    "parametrised": parametrised,
    "idle": lambda: couplings(Idle(), Idle()),
    "idle at times": lambda: couplings(Sometimes(), Sometimes()),
    "recurrent": lambda: couplings(Recurrent(), Recurrent()),
    "linear": lambda: [HouseholderLinear(6), *couplings(network(3, 8))],
    "flow": lambda: [hamiltonian()],
    "leapfrog": lambda: [
        dx.Flow(
            dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh()),
            dx.integrators.LeapfrogMidpoint(),
            steps=3,
        )
        .doubled()
        .as_bijection()
    ],
    "splines": splines,
}


def chain_of(case, memory):
    torch.manual_seed(0)
    return Chain(LAYERS[case](), memory=memory).double()


def watched(module, *tensors):
    """Hooks on everything: gradients flipped and halved, and all that was seen."""
    seen = {}

    def watch(name, tensor):
        def hook(gradient):
            seen.setdefault(name, []).append(gradient.detach().clone())
            return -0.5 * gradient

        def after(leaf):
            seen.setdefault(f"{name}.grad", []).append(leaf.grad.detach().clone())

        tensor.register_hook(hook)
        tensor.register_post_accumulate_grad_hook(after)

    for name, parameter in module.named_parameters():
        watch(name, parameter)
    for k, tensor in enumerate(tensors):
        watch(f"input {k}", tensor)
    return seen


def assert_same(found, expected):
    assert {name: len(calls) for name, calls in found.items()} == {
        name: len(calls) for name, calls in expected.items()
    }
    for name, calls in expected.items():
        torch.testing.assert_close(found[name], calls, rtol=1e-9, atol=1e-12, msg=name)


def trained(chain, start, loss, steps=2):
    """What hooks saw, and all gradients, in some backward passes."""
    x = start.clone().requires_grad_()
    seen = watched(chain, x)
    for _ in range(steps):  # the first ones are calibrated
        loss(chain, x)
    return seen, {n: p.grad for n, p in chain.named_parameters()} | {"x": x.grad}


def first_order(chain, x):
    chain(x).square().sum().backward()


def second_order(chain, x):
    (slope,) = torch.autograd.grad(chain(x).square().sum(), x, create_graph=True)
    (slope.square().sum() + chain(x).sum()).backward()


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("loss", [first_order, second_order])
@pytest.mark.parametrize("case", LAYERS)
def test_hooks_see_what_plain_backpropagation_gives(case, loss, memory):
    x = torch.randn(5, 6, dtype=torch.float64)
    expected = trained(chain_of(case, "autograd"), x, loss)
    found = trained(chain_of(case, memory), x, loss)
    assert_same(found[0], expected[0])
    assert found[1].keys() == expected[1].keys()
    torch.testing.assert_close(found[1], expected[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("memory", MODES)
def test_a_layer_that_is_used_at_times(memory):
    """Its hooks are called in the passes in which it has a gradient."""
    x, calls, counts = torch.randn(5, 6, dtype=torch.float64), [], []
    chain = chain_of("idle at times", memory)
    chain.layers[0].network.idle.weight.register_hook(lambda gradient: calls.append(gradient + 0))
    for scale in (1.0, 1000.0, 1.0):
        first_order(chain, scale * x)
        counts.append(len(calls))
    assert counts == [0, 1, 1]


@pytest.mark.parametrize("memory", MODES)
def test_gradients_of_some_tensors_call_no_other_hooks(memory):
    chain = chain_of("couplings", memory)
    seen = watched(chain)
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    torch.autograd.grad(chain(x).square().sum(), x)
    assert not seen


@pytest.mark.parametrize("memory", MODES)
def test_hooks_of_a_context(memory):
    x, given = torch.randn(5, 6, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    found = {}
    for mode in ("autograd", memory):
        context = given.clone().requires_grad_()
        found[mode] = watched(nn.Identity(), context)
        y, volume = mixed(context=2, memory=mode).double().forward_and_log_det(x, context)
        (y.square().sum() + volume.sum()).backward()
    assert_same(found[memory], found["autograd"])


@pytest.mark.parametrize("memory", MODES)
def test_weights_given_by_functional_call_keep_their_own(memory):
    x = torch.randn(5, 6, dtype=torch.float64)
    found = {}
    for mode in ("autograd", memory):
        chain = chain_of("couplings", mode)
        named = {n: 0.5 * p for n, p in chain.named_parameters()}
        calls = []
        for tensor in named.values():
            tensor.retain_grad()
            tensor.register_hook(calls.append)
        torch.func.functional_call(chain, named, (x,)).square().sum().backward()
        found[mode] = [len(calls)], [tensor.grad for tensor in named.values()]
    assert found[memory][0] == found["autograd"][0]
    assert relative(found[memory][1], found["autograd"][1]) <= 1e-12


def test_iunet_by_default():
    x, found = torch.randn(1, 1, 8, 8), {}
    for memory in ("autograd", "constant"):
        torch.manual_seed(0)
        net = dx.models.iunet(1, 1, channels=8, depth=(1, 1), memory=memory).double()
        seen = watched(net)
        net(x.double()).square().sum().backward()
        found[memory] = seen
    assert_same(found["constant"], found["autograd"])


def test_series_of_log_determinants_call_no_hooks_on_the_way():
    """The forward pass of a residual flow differentiates, and is not asked for gradients of x."""
    calls = []
    x = torch.randn(4, 3, requires_grad=True)
    x.register_hook(lambda gradient: calls.append(gradient.clone()))
    layer = dx.bijections.InvertibleResidual(dx.bijections.ContractiveNetwork(3, [8]))
    y, volume = layer.forward_and_log_det(x)
    assert not calls
    (y.sum() + volume.sum()).backward()
    assert len(calls) == 1
    torch.testing.assert_close(calls[0], x.grad)


@pytest.mark.parametrize("memory", MODES)
def test_an_error_leaves_the_module_as_it_was(memory):
    chain = chain_of("couplings", memory)
    weight = chain.layers[0].network[0].weight
    weight.register_hook(lambda gradient: gradient)
    before = dict(chain.named_parameters())
    y = chain(torch.randn(5, 6, dtype=torch.float64)).square().sum()

    def stop(module, inputs):
        raise KeyError("stop")

    chain.layers[0].network.register_forward_pre_hook(stop)
    with pytest.raises(KeyError, match="stop"):
        y.backward()
    after = dict(chain.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is parameter for name, parameter in before.items())


@pytest.mark.parametrize("memory", MODES)
def test_threads_do_not_see_each_others_stand_ins(memory):
    """The sum of what many threads accumulate is right, and parameters stay what they are."""
    chain, x = chain_of("couplings", memory), torch.randn(5, 6, dtype=torch.float64)
    before = list(chain.parameters())
    for parameter in before:
        parameter.register_hook(lambda gradient: 2 * gradient)
    expected = torch.autograd.grad(chain(x).square().sum(), before)  # twice as much, by the hooks
    errors = []

    def run():
        try:
            for _ in range(3):
                first_order(chain, x)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(a is b for a, b in zip(chain.parameters(), before, strict=True))
    assert relative([p.grad for p in before], [24 * g for g in expected]) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("loss", [first_order, second_order])
def test_weights_under_another_name(loss, memory):
    """They work; a hook is refused, since it would be called twice."""
    x = torch.randn(5, 6, dtype=torch.float64)

    def run(memory, *hooks):
        torch.manual_seed(0)
        chain = Chain(couplings(Holding(), Holding()), memory=memory).double()
        for hook in hooks:
            chain.layers[0].network.weight.register_hook(hook)
        loss(chain, x.clone().requires_grad_())
        return [p.grad for p in chain.parameters()]

    assert relative(run(memory), run("autograd")) <= 1e-9
    with pytest.raises(OpenLayerError, match="under another name"):
        run(memory, lambda gradient: gradient)


def test_an_open_layer_is_refused_every_time():
    stranger = torch.randn(3, requires_grad=True)

    class Open(nn.Module):
        def forward(self, x):
            return x * stranger

    chain = Chain(couplings(Open(), network(3, 8)), memory="constant")
    for _ in range(2):
        with pytest.raises(OpenLayerError, match="its own"):
            chain(torch.randn(5, 6))
