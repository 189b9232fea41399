"""The invertible U-Net: sizes, round trips, memory modes, refusals, learning, life cycle."""

import copy
import pickle

import pytest
import torch

import darboux as dx
from darboux.structure import Invertible, claims_of, maps_of
from darboux.testing import LIFECYCLE
from tests.models.checks import CHECKS

SMALL = {"channels": 8, "depth": (2, 1, 1)}
SIZES = {1: (21,), 2: (9, 14), 3: (5, 8, 7)}


def shaken(model, seed=0):
    """Leave the identity, where the blocks begin."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("build", [dx.models.iunet, dx.models.plain_unet])
def test_any_size_in_one_to_three_dimensions(build, dim):
    network = build(2, 3, spatial_dims=dim, **SMALL)
    for size in (SIZES[dim], (8,) * dim):
        assert network(torch.rand(2, 2, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("resampling", ["learned", "haar", "pixel-shuffle"])
def test_the_chain_comes_back(dim, resampling):
    network = dx.models.iunet(1, 1, spatial_dims=dim, resampling=resampling, **SMALL)
    network = shaken(network).double()
    z = network.lift(torch.rand(2, 1, *SIZES[dim], dtype=torch.float64)).detach()
    y = network.chain(z)
    assert y.shape == z.shape
    assert float((y - z).detach().abs().max()) > 0.1
    torch.testing.assert_close(network.chain.inverse(y), z, rtol=0, atol=1e-10)


def test_the_chain_claims_its_inverse_and_the_network_does_not():
    network = dx.models.iunet(1, 1, **SMALL)
    assert claims_of(network.chain).find(Invertible) is not None
    assert claims_of(network).find(Invertible) is None
    assert [name for name, _ in maps_of(network)] == ["lift", "chain", "head"]


def test_parts_compose_to_the_network():
    network, x = shaken(dx.models.iunet(1, 1, **SMALL)), torch.rand(1, 1, 8, 12)
    y = x
    for _, part in maps_of(network):
        y = part(y)
    torch.testing.assert_close(y, network(x))


def test_channels_double_where_there_is_more_than_one_axis():
    for dim in (2, 3):
        network = dx.models.iunet(1, 1, spatial_dims=dim, **SMALL)
        z = network.lift(torch.rand(1, 1, *(8,) * dim))
        widths = {z.shape[1]}
        for link in network.chain.links():
            stack = link.apply((z,) if not isinstance(z, tuple) else z, None, log_det=False)[0]
            z = stack
            widths.add(stack[0].shape[1])
        assert max(widths) == 32


def test_a_split_of_each_level():
    network = dx.models.iunet(1, 1, channels=16, depth=(1, 1, 1), split=(0.75, 0.5))
    downs = [m.keep for m in network.chain.layers if isinstance(m, dx.bijections.Split)]
    assert downs == [4, 8]


@pytest.mark.parametrize("normalization", ["instance", "batch", None])
@pytest.mark.parametrize("memory", ["checkpoint", "constant"])
def test_memory_modes_give_the_same_gradients(memory, normalization):
    settings = {**SMALL, "normalization": normalization, "dropout": 0.3}
    plain = shaken(dx.models.iunet(1, 2, memory="autograd", **settings)).double()
    saving = dx.models.iunet(1, 2, memory=memory, **settings).double()
    saving.load_state_dict(plain.state_dict())
    x = torch.rand(2, 1, 9, 10, dtype=torch.float64)
    found = []
    for network in (plain, saving):
        start = x.clone().requires_grad_()
        torch.manual_seed(3)
        network(start).square().sum().backward()
        found.append([start.grad, *(p.grad for p in network.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-7, atol=1e-9)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(saving.get_buffer(name), buffer, rtol=1e-9, atol=1e-12)


def test_constant_memory_saves_no_activations_of_the_body():
    def saved(depth):
        network = dx.models.iunet(1, 1, channels=8, depth=(depth, depth))
        own = {p.data_ptr() for p in network.parameters()}
        sizes = []

        def pack(t):
            sizes.append(0 if t.data_ptr() in own else t.numel())
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            network(torch.rand(1, 1, 32, 32))
        return sum(sizes)

    assert saved(8) <= 1.05 * saved(2)


@pytest.mark.parametrize("build", [dx.models.iunet, dx.models.plain_unet])
def test_learns_to_find_the_edges(build):
    torch.manual_seed(0)
    network = build(1, 1, channels=8, depth=(1, 1))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    x = torch.rand(8, 1, 12, 12)
    target = x - x.roll(1, dims=-1)
    losses = []
    for _ in range(40):
        loss = (network(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("memory", ["autograd", "checkpoint", "constant"])
def test_half_precision_under_autocast(memory):
    network, x = dx.models.iunet(1, 1, memory=memory, **SMALL), torch.rand(2, 1, 9, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        state = network.lift(x)
        y = network(x)
    assert state.dtype == torch.float32
    torch.testing.assert_close(y.float(), network(x), rtol=0.05, atol=0.05)
    y.float().square().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("check", CHECKS)
def test_lifecycle(check):
    def build():
        return dx.models.iunet(1, 2, channels=4, depth=(1, 1), memory="autograd")

    LIFECYCLE[check](build, torch.rand(2, 1, 6, 7))


def test_copies_of_the_memory_saving_network():
    network, x = shaken(dx.models.iunet(1, 1, **SMALL)), torch.rand(1, 1, 8, 8)
    expected = network(x)
    expected.sum().backward()
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        torch.testing.assert_close(twin(x), expected)


@pytest.mark.parametrize("build", [dx.models.iunet, dx.models.plain_unet])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spatial_dims": 4}, "expected spatial_dims to be 1, 2 or 3 spatial axes; got 4"),
        ({"depth": ()}, "number of blocks for each stage"),
        ({"depth": (2, 0)}, r"depth to be a sequence \(an integer from 1 to 10000, ...\)"),
        ({"channels": 5}, "expected an even number of channels.*got 5. Use 6"),
        ({"channels": 10, "split": 0.75}, "which lets 2.5 go"),
        ({"channels": 4, "split": 1.0}, "split to be a number strictly between 0 and 1"),
        ({"split": (0.5,)}, "one for each of the 2 levels"),
        ({"channels": 0}, "channels to be an integer from 1 to 32768; got 0"),
        ({"normalization": "layer"}, "normalization to be 'instance' or 'batch' or None"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(build, settings, message):
    with pytest.raises(ValueError, match=message):
        build(1, 1, **{**SMALL, **settings})


def test_unknown_options_of_the_invertible_one_are_refused():
    with pytest.raises(ValueError, match="resampling to be 'learned' or 'haar'"):
        dx.models.iunet(1, 1, resampling="bilinear")
    with pytest.raises(ValueError, match="memory"):
        dx.models.iunet(1, 1, memory="none")


@pytest.mark.parametrize("build", [dx.models.iunet, dx.models.plain_unet])
def test_images_that_do_not_fit_are_refused(build):
    network = build(1, 1, **SMALL)
    with pytest.raises(ValueError, match=r"expected \(batch, 1, \*space\) with 2 spatial axes"):
        network(torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"got shape \(2, 1, 8\)"):
        network(torch.rand(2, 1, 8))
    with pytest.raises(ValueError, match=r"at least 2 blocks of 4 pixels.*got size \(4, 3\)"):
        network(torch.rand(2, 1, 4, 3))
    assert build(1, 1, normalization=None, **SMALL)(torch.rand(2, 1, 4, 3)).shape[2:] == (4, 3)
