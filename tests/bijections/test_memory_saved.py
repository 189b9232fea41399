"""What stays in memory between forward and backward pass, counted by hooks."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from darboux.bijections import AdditiveCoupling, Chain
from tests.bijections.nets import additive, convolutional, mixed


def saved(chain, x, *, log_det=False):
    """The tensors that autograd saves, parameters and their transposes left out."""
    owned = {p.untyped_storage().data_ptr() for p in chain.parameters()}
    found = []

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in owned:
            found.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = chain.forward_and_log_det(x) if log_det else chain(x)
    del output
    return found


def size(tensors):
    return sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize("depth", [1, 8, 64])
def test_only_the_last_activation(depth):
    """With on_drift="raise" nothing but the output is kept, however deep the chain is."""
    x = torch.randn(4, 32)
    found = saved(additive(depth, memory="constant", on_drift="raise"), x)
    assert [tuple(t.shape) for t in found] == [(4, 32)]


@pytest.mark.parametrize("depth", [1, 8, 64])
def test_only_the_two_ends(depth):
    """With the default the input is kept, too: there the fallback begins."""
    x = torch.randn(4, 32)
    assert size(saved(additive(depth, memory="constant"), x)) == 2 * x.numel()


def test_log_determinants_keep_nothing_more():
    x = torch.randn(4, 6)
    assert size(saved(mixed(memory="constant"), x, log_det=True)) == 2 * x.numel()


def test_checkpoints_grow_with_the_root_of_the_depth():
    x = torch.randn(4, 32)
    few, many = (size(saved(additive(d, memory="checkpoint"), x)) / x.numel() for d in (8, 128))
    assert few <= 6
    assert many <= 4 * few


def test_plain_backpropagation_keeps_everything():
    """The measurement itself: autograd's own mode grows with the depth."""
    x = torch.randn(2, 4, 8, 8)
    few, many = (size(saved(convolutional(depth), x)) for depth in (4, 16))
    assert many > 3.5 * few
    assert size(saved(convolutional(16, memory="constant"), x)) == 2 * x.numel()


@pytest.mark.parametrize("memory", ["checkpoint", "constant"])
def test_activations_inside_are_gone_after_the_forward_pass(memory):
    """What the first pass looks at is freed as well: no cycle keeps it."""
    seen = []

    class Rectified(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            y = torch.relu(self.linear(x))
            seen.append(weakref.ref(y))
            return 2 * y

    chain = Chain([AdditiveCoupling(Rectified()) for _ in range(4)], memory=memory)
    for _ in range(2):
        loss = chain(torch.randn(3, 4)).sum()
        gc.collect()
        assert len(seen) >= 4
        assert all(ref() is None for ref in seen)
        loss.backward()
        gc.collect()
        assert all(ref() is None for ref in seen)


def test_nothing_is_in_memory_twice_while_layers_are_undone():
    """The input, one state and its gradient, and what one sub-network needs."""
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)) for _ in range(8)]
    layers = [AdditiveCoupling(network, swap=k % 2 == 1) for k, network in enumerate(networks)]
    chain, x = Chain(layers, memory="constant"), torch.randn(4096, 128, requires_grad=True)
    for _ in range(3):
        chain(1 * x).square().mean().backward()
    for _ in range(2):  # a pass without calibration, and one with
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
            chain(1 * x).square().mean().backward()
        events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
        level = peak = 0
        for event in sorted(events, key=lambda e: e.start_ns()):
            level += event.nbytes()
            peak = max(peak, level)
        assert peak <= 6.5 * x.nbytes
