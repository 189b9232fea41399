"""Tracks of models: flows, blocks that overwrite, transformers; and what is refused."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import darboux as dx
from darboux.transport import tracks


class Tower(nn.Module):
    """A stem, blocks that are called one after the other, and a head."""

    def __init__(self, blocks, stem=None):
        super().__init__()
        self.stem = stem or nn.Identity()
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(4, 2)

    def forward(self, x, times=1):
        x = self.stem(x)
        for block in list(self.blocks) * times:
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x["out"] if isinstance(x, dict) else x
        return self.head(x)


class Returning(nn.Module):
    """A block whose tensor comes wrapped."""

    def __init__(self, wrap):
        super().__init__()
        self.inner, self.wrap = nn.Linear(4, 4), wrap

    def forward(self, x):
        return self.wrap(self.inner(x))


def test_of_a_flow_they_are_its_trajectory():
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh()) for _ in range(4)
    ]
    flow = dx.Flow(fields, dx.integrators.Euler())
    steps = nn.Sequential(*(step for _, step in flow.steps()))
    z = torch.randn(5, 3)
    assert_close(tracks(steps, steps, z), flow.trajectory(z))


def test_states_are_what_goes_in_and_what_comes_out():
    model = Tower([nn.Linear(4, 4) for _ in range(3)], stem=nn.Linear(7, 4))
    x = torch.randn(6, 7)
    found = tracks(model, model.blocks, x)
    z = [model.stem(x)]
    for block in model.blocks:
        z.append(block(z[-1]))
    assert_close(found, torch.stack(z))
    assert_close(tracks(model, model.blocks[1:], x), torch.stack(z[1:]))
    assert found.requires_grad
    with torch.no_grad():
        assert not tracks(model, model.blocks, x).requires_grad


def test_later_layers_that_overwrite_change_no_track():
    blocks = [nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4)) for _ in range(3)]
    model = Tower(blocks)
    x = torch.randn(5, 4)
    with torch.no_grad():
        found = tracks(model, model.blocks, x.clone())
    assert_close(found[0], x)
    assert float(found[1].min()) < 0


@pytest.mark.parametrize("wrap", [lambda y: (y, None), lambda y: {"out": y}], ids=["tuple", "dict"])
def test_wrapped_features_and_blocks_that_are_called_again(wrap):
    model = Tower([Returning(wrap) for _ in range(2)])
    assert tracks(model, model.blocks, torch.randn(3, 4), times=3).shape == (7, 3, 4)


def test_transformers_and_keyword_arguments():
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True, dropout=0.0)
    model = nn.TransformerEncoder(layer, num_layers=3, enable_nested_tensor=False).eval()
    x = torch.randn(4, 5, 8)
    with torch.no_grad():
        found = tracks(model, model.layers, src=x)
        assert_close(found[0], x)
        assert_close(found[-1], model(x))
    assert dx.transport.line_shape_score(found.flatten(1, 2)).shape == (20,)


def test_hooks_are_gone_afterwards_and_after_an_error():
    model = Tower([nn.Linear(4, 4) for _ in range(2)])
    tracks(model, model.blocks, torch.randn(3, 4))
    with pytest.raises(RuntimeError):
        tracks(model, model.blocks, torch.randn(3, 9))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_changing_shapes_are_refused_with_both():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 6), nn.Linear(6, 2))
    with pytest.raises(ValueError, match=r"\(3, 4\) before the blocks and \(3, 6\) after '1'"):
        tracks(model, model, torch.randn(3, 4))
    assert tracks(model, model[:1], torch.randn(3, 4)).shape == (2, 3, 4)


def test_bad_blocks():
    model = Tower([nn.Sequential(nn.Linear(4, 4)) for _ in range(2)])
    x = torch.randn(3, 4)
    for blocks in ("blocks", [], [torch.relu]):
        with pytest.raises(TypeError, match=r"expected blocks to be modules of the model; got"):
            tracks(model, blocks, x)
    with pytest.raises(TypeError, match=r"expected blocks to be an Iterable; got None"):
        tracks(model, None, x)
    with pytest.raises(TypeError, match=r"expected model to be a Module; got the function relu"):
        tracks(torch.relu, model.blocks, x)
    with pytest.raises(ValueError, match=r"got a Linear that is not one of its modules"):
        tracks(model, [nn.Linear(4, 4)], x)
    with pytest.raises(ValueError, match=r"got 'blocks.0.0' inside 'blocks.0'"):
        tracks(model, [*model.blocks, model.blocks[0][0]], x)
    model.extra = nn.Linear(4, 4)
    with pytest.raises(ValueError, match=r"got no call of 'extra'"):
        tracks(model, [*model.blocks, model.extra], x)


def test_blocks_of_indices_are_refused():
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4))
    with pytest.raises(TypeError, match=r"tracks: expected features as a tensor.*block '0'"):
        tracks(model, model, torch.tensor([[1, 2]]))
    assert tracks(model, model[1:], torch.tensor([[1, 2]])).shape == (2, 1, 2, 4)


def test_states_of_several_formats_come_in_the_coarsest():
    blocks = [nn.Linear(4, 4) for _ in range(5)]
    for block in blocks:
        nn.init.eye_(block.weight)
        nn.init.zeros_(block.bias)
    model = nn.Sequential(*blocks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = tracks(model, model, torch.randn(6, 4))
    assert found.dtype == torch.bfloat16
    assert dx.transport.line_shape_score(found).isnan().all()  # rounding alone is no step


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_refused():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    x, padding = torch.randn(5, 7, 8), torch.arange(7).expand(5, 7) >= 4
    model = nn.TransformerEncoder(layer, 2).eval()
    with torch.no_grad(), pytest.raises(ValueError, match="enable_nested_tensor=False"):
        tracks(model, model.layers, x, src_key_padding_mask=padding)
    dense = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    with torch.no_grad():
        found = tracks(dense, dense.layers, x, src_key_padding_mask=padding)
    assert found.shape == (3, 5, 7, 8)
