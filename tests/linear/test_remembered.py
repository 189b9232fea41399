"""Bounds that are kept between calls without gradients, and never stale."""

import copy
import pickle

import pytest
import torch
from torch.nn.utils import parametrize

import darboux as dx
from darboux.linear import _remembered


def in_place(map):
    with torch.no_grad():
        map.weight.mul_(3)


def through_data(map):
    map.weight.data.mul_(3)


def through_memory(map):
    map.weight.detach().numpy()[0, 0] += 3  # no version counts this


def optimiser_step(map):
    with torch.enable_grad():
        map(torch.ones(1, map.in_features, *(5,) * map.dim)).square().sum().backward()
    torch.optim.SGD(map.parameters(), lr=0.5).step()


def loaded(map):
    map.load_state_dict({"weight": map.weight.detach() * 3})


def replaced(map):
    map.weight = torch.nn.Parameter(map.weight.detach() * 3)


def constrained(map):
    parametrize.register_parametrization(map, "weight", torch.nn.Tanh())


CHANGES = [in_place, through_data, through_memory, optimiser_step, loaded, replaced, constrained]

MAPS = {
    "dense": lambda: dx.linear.Dense(3, 4),
    "conv": lambda: dx.linear.Conv(3, 4, kernel_size=3, dim=2),
}


def fresh(map):
    """Return what a map of the same weights says that has kept nothing."""
    return bounds(copy.deepcopy(map))


def bounds(map):
    scale = torch.arange(1.0, map.out_features + 1)
    y = torch.ones(1, map.out_features, *(5,) * map.dim)
    return [map.norm_bound(), map.row_bound(), map.scaled_adjoint(y.to(map._like()), scale)]


@pytest.mark.parametrize("name", MAPS)
def test_freed_memory_is_refused(name):
    map = MAPS[name]()
    with torch.no_grad():
        map.norm_bound()
        map.weight.untyped_storage().resize_(0)
        with pytest.raises(RuntimeError, match="memory was freed"):
            map.norm_bound()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", MAPS)
def test_no_change_of_a_weight_is_missed(name, change):
    map = MAPS[name]()
    with torch.no_grad():
        before = bounds(map)
        change(map)
        after = bounds(map)
        for new, old, expected in zip(after, before, fresh(map), strict=True):
            assert not torch.equal(new, old)
            assert torch.equal(new, expected)


def test_a_dtype_is_a_change():
    map = MAPS["conv"]()
    with torch.no_grad():
        bounds(map)
        assert bounds(map.double())[2].dtype == torch.float64


def test_a_bound_is_computed_once(monkeypatch):
    calls = []

    def counted(map, stencil):
        del map
        calls.append(stencil)
        return stencil.weight.sum()

    monkeypatch.setattr(_remembered.kept_norm_bound, "function", counted)
    map = MAPS["conv"]()
    with torch.no_grad():
        first, second = map.norm_bound(), map.norm_bound()
    assert len(calls) == 1
    assert torch.equal(first, second)
    map.norm_bound().backward()  # with gradients it is computed every time
    assert len(calls) == 2
    assert map.weight.grad is not None


def test_what_was_returned_may_be_written_into():
    map = MAPS["dense"]()
    with torch.no_grad():
        expected = map.norm_bound().clone(), map.row_bound().clone()
        map.norm_bound().zero_()
        map.row_bound().zero_()
        assert torch.equal(map.norm_bound(), expected[0])
        assert torch.equal(map.row_bound(), expected[1])


def test_inference_mode_leaves_nothing_that_autograd_refuses():
    field = dx.fields.GradientField(MAPS["conv"](), dx.activations.ReLU()).requires_grad_(
        requires_grad=False
    )
    z = torch.ones(1, 3, 5, 5)
    with torch.inference_mode():
        field(0.0, z)
    z.requires_grad_()
    field(0.0, z).sum().backward()
    assert z.grad is not None


def test_weights_of_transforms_are_no_constants():
    map = MAPS["dense"]()
    weights = torch.stack([map.weight.detach(), 2 * map.weight.detach()])

    def bound(weight):
        return torch.func.functional_call(_Bound(map), {"map.weight": weight}, ())

    with torch.no_grad():
        map.norm_bound()
        found = torch.vmap(bound)(weights)
        slope = torch.func.jvp(bound, (weights[0],), (weights[0],))[1]
    torch.testing.assert_close(found[1], 2 * found[0])
    torch.testing.assert_close(slope, found[0])


class _Bound(torch.nn.Module):
    def __init__(self, map):
        super().__init__()
        self.map = map

    def forward(self):
        return self.map.norm_bound()


def test_what_is_kept_is_not_part_of_the_state():
    map = MAPS["conv"]()
    small = len(pickle.dumps(map))
    with torch.no_grad():
        expected = bounds(map)
        assert list(map.state_dict()) == ["weight"]
        assert len(pickle.dumps(map)) == small
        for other in (copy.deepcopy(map), pickle.loads(pickle.dumps(map))):
            assert vars(other).keys() == vars(MAPS["conv"]()).keys()
            in_place(other)
            assert not torch.equal(bounds(other)[0], expected[0])
            assert torch.equal(bounds(map)[0], expected[0])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("sizes", [(3, 4), (4, 3)])
def test_shrunk_maps_keep_their_rows(monkeypatch, sizes, change):
    calls = []

    def counted(map, stencil):
        calls.append(map)
        return kept(map, stencil)

    kept = _remembered.kept_row_bound.function
    monkeypatch.setattr(_remembered.kept_row_bound, "function", counted)
    shrunk = dx.linear.Shrunk(dx.linear.Dense(*sizes), norm=0.1)
    x = torch.ones(2, sizes[0])
    with torch.no_grad():
        shrunk(x), shrunk.prepare(None)(x)
        assert len(calls) == 1
        change(shrunk.map)
        assert torch.equal(shrunk(x), copy.deepcopy(shrunk)(x))
        assert torch.equal(shrunk.prepare(None)(x), copy.deepcopy(shrunk)(x))


def test_a_prepared_map_follows_its_options_and_keeps_what_it_shrank_to_itself():
    shrunk, x = dx.linear.Shrunk(dx.linear.Dense(3, 4), norm=0.1), torch.ones(2, 3)
    with torch.no_grad():
        first = shrunk.prepare(None)(x)
        shrunk.stencil().weight.zero_()
        assert torch.equal(shrunk.prepare(None)(x), first)
        shrunk.norm = 0.05
        assert torch.equal(shrunk.prepare(None)(x), copy.deepcopy(shrunk)(x))
        shrunk.by = "spectral"
        assert torch.equal(shrunk.prepare(None)(x), copy.deepcopy(shrunk)(x))
