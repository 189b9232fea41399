"""What a gradient field keeps between evaluations without gradients is never stale."""

import copy
import pickle

import pytest
import torch

import darboux as dx
from darboux.fields import _gradient
from tests.catalogue import symmetry


def in_place(field):
    field.map.weight.mul_(3)


def through_data(field):
    field.map.weight.data.mul_(3)


def through_memory(field):
    field.map.weight.detach().numpy()[0, 0] += 3  # no version counts this


def other_memory(field):
    """Bits are the same, and what the field looked into changes."""
    old = [p.data for p in (field.map.weight, field.bias)]
    for parameter in (field.map.weight, field.bias):
        parameter.data = parameter.data.clone()
    for memory in old:
        memory.mul_(3)


def replaced(field):
    field.map.weight = torch.nn.Parameter(field.map.weight * 3)


def other_map(field):
    field.map = copy.deepcopy(field.map)
    field.map.weight.mul_(3)


def biased(field):
    field.bias.add_(0.1)


def other_bias(field):
    field.bias = torch.nn.Parameter(field.bias + 0.1)


def thresholds(field):
    field.activation.log_threshold.data.sub_(6)


def other_activation(field):
    field.activation = dx.activations.Tanh()


def steeper(field):
    field.activation = dx.activations.LeakyReLU(slope=0.1)
    field.prepare()
    field.activation.slope = 1.5


def hooked(field):
    field.activation.register_forward_hook(lambda module, inputs, output: 2 * output)


def own_forward(field):
    field.activation.forward = torch.zeros_like


def other_stride(field):
    """The bias begins where it did, and takes every second number."""
    memory = torch.arange(8.0).reshape(8, *field.bias.shape[1:])
    field.bias.data = memory[:4]
    field.prepare()
    field.bias.data = memory[::2]


def negated(field):
    field.prepare()
    field.bias.data = torch._neg_view(field.bias.data)


def metric(field):
    field.metric = "entries"


def own_bound(field):
    field.map.row_bound = lambda: torch.full((field.map.out_features,), 9.0).double()
    field.map.norm_bound = lambda: torch.full((), 9.0).double()


def dtype(field):
    field.double()


def unchanged(field):
    field.map.weight.data = field.map.weight.data.clone()


CHANGES = [
    *(in_place, through_data, through_memory, other_memory, replaced, other_map, biased),
    *(
        other_bias,
        thresholds,
        other_activation,
        steeper,
        hooked,
        own_forward,
        other_stride,
        negated,
        metric,
        own_bound,
        dtype,
        unchanged,
    ),
]
MAPS = {
    "dense": lambda: dx.linear.Dense(3, 4),
    "conv": lambda: dx.linear.Conv(3, 4, kernel_size=3, dim=2, padding_mode="zeros"),
}


def flow_of(name, metric):
    map = MAPS[name]()
    clip = dx.activations.Clip(4, dim=map.dim, threshold=2.0)
    field = dx.fields.GradientField(map, clip, metric=metric)
    with torch.no_grad():
        field.bias.normal_(std=0.1)
    return dx.Flow([field], dx.integrators.Kutta4(), steps=dx.ContractiveSteps()), field


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("metric", ["rows", "norm"])
@pytest.mark.parametrize("name", MAPS)
@torch.no_grad()
def test_no_change_is_missed(name, metric, change):
    flow, field = flow_of(name, metric)
    z = torch.randn(2, 3, *(5,) * field.map.dim)
    before = flow(z)
    torch.testing.assert_close(flow(z), before, rtol=0, atol=0)
    change(field)
    after = flow(z.to(field.bias.dtype))
    torch.testing.assert_close(after, copy.deepcopy(flow)(z.to(after.dtype)), rtol=0, atol=0)
    assert (change in (unchanged, other_memory)) == torch.equal(after, before)


@pytest.mark.parametrize("metric", ["rows", "entries", "norm"])
@pytest.mark.parametrize("name", MAPS)
def test_evaluation_is_that_of_training(name, metric):
    flow, field = flow_of(name, metric)
    z = torch.randn(2, 3, *(5,) * field.map.dim)
    with torch.no_grad():
        found = flow(z), flow(z)
    torch.testing.assert_close(found[1], flow(z), rtol=1e-5, atol=1e-6)
    assert torch.equal(*found)


def test_a_field_is_prepared_once_and_anew_for_gradients(monkeypatch):
    made = []
    init = _gradient.PreparedGradientField.__init__
    monkeypatch.setattr(
        _gradient.PreparedGradientField,
        "__init__",
        lambda self, *args: made.append(init(self, *args)),
    )
    flow, field = flow_of("conv", "norm")
    z = torch.randn(2, 3, 5, 5)
    with torch.no_grad():
        flow(z), flow(z)
        assert len(made) == 1
    flow(z).sum().backward()
    assert len(made) == 2
    assert field.map.weight.grad is not None


def test_inference_mode_leaves_nothing_that_autograd_refuses():
    flow, _ = flow_of("conv", "norm")
    flow.requires_grad_(requires_grad=False)
    z = torch.ones(1, 3, 5, 5)
    with torch.inference_mode():
        flow(z)
    z.requires_grad_()
    flow(z).sum().backward()
    assert z.grad is not None


def test_what_is_kept_is_not_copied():
    flow, field = flow_of("conv", "rows")
    small, names = len(pickle.dumps(field)), vars(field).keys() | set()
    with torch.no_grad():
        flow(torch.ones(1, 3, 5, 5))
    assert len(pickle.dumps(field)) == small
    assert vars(copy.deepcopy(field)).keys() == names < vars(field).keys()


@torch.no_grad()
def test_a_preparation_that_someone_holds_keeps_no_later_norm():
    _, field = flow_of("dense", "norm")
    held, weight = field.prepare(), field.map.weight.clone()
    field.map.weight.mul_(2)
    held.cocoercivity()
    field.map.weight.copy_(weight)
    assert float(held.cocoercivity()) == float(field.cocoercivity())


@pytest.mark.parametrize("name", ["dense-c4", "conv-c4", "stacked-convs"])
def test_preparations_of_maps_with_fewer_biases_than_outputs(name):
    map = symmetry.MAPS[name]()
    field = dx.fields.GradientField(map, dx.activations.ReLU(), metric="norm")
    z = torch.randn(2, map.in_features, *(6,) * map.dim, dtype=field.bias.dtype)
    torch.testing.assert_close(field.prepare()(0.0, z), field(0.0, z))
