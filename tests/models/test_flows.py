"""Ready-made normalising flows: densities, inverses, initialisation, learning, refusals."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.testing import check_log_det, check_round_trip

VECTORS = {
    "spline": lambda **more: dx.models.coupling_flow(3, layers=2, hidden=(8,), **more),
    "affine": lambda **more: dx.models.coupling_flow(
        3, layers=3, hidden=(8,), law="affine", mixing="permutation", **more
    ),
    "additive": lambda **more: dx.models.coupling_flow(
        3, layers=2, hidden=(8,), law="additive", mixing="reverse", normalize=True, **more
    ),
    "residual": lambda **more: dx.models.residual_flow(
        3, blocks=2, hidden=(8,), normalize=True, **more
    ),
}


def shaken(model):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("context", [None, 2])
@pytest.mark.parametrize("name", VECTORS)
def test_vectors_come_back_with_the_right_log_determinant(name, context):
    flow = shaken(VECTORS[name](context=context)).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    c = None if context is None else torch.randn(4, context, dtype=torch.float64)
    check_round_trip(flow.bijection, x, c)
    check_log_det(flow.bijection, x, c)
    if c is not None:
        assert float((flow.bijection(x, c) - flow.bijection(x, c + 1)).detach().abs().max()) > 1e-4


@pytest.mark.parametrize("law", ["affine", "spline", "additive"])
def test_images_come_back_with_the_right_log_determinant(law):
    flow = shaken(dx.models.image_flow((1, 4, 8), steps=2, hidden=4, law=law)).double()
    x = torch.rand(2, 1, 4, 8, dtype=torch.float64)
    check_log_det(flow.bijection, x)
    z = flow.bijection(x)
    assert z.shape == (2, 32)
    torch.testing.assert_close(flow.bijection.inverse(z), x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 8), (2, 4, 4), (1, 4, 4, 8)])
def test_images_of_one_to_three_dimensions(shape):
    flow = dx.models.image_flow(shape, steps=1, hidden=4, alpha=None)
    assert flow().log_prob(torch.randn(3, *shape)).shape == (3,)
    assert flow().sample((2,)).shape == (2, *shape)


def test_conditional_images():
    flow = shaken(dx.models.image_flow((1, 4, 4), context=2, steps=1, hidden=4))
    x, c = torch.rand(3, 1, 4, 4), torch.randn(3, 2)
    assert not torch.allclose(flow(c).log_prob(x), flow(c + 1).log_prob(x))


def test_a_flow_begins_at_the_identity_but_for_its_mixing():
    flow = dx.models.coupling_flow(2, layers=2, mixing="reverse", hidden=(8,))
    x = torch.randn(5, 2)
    torch.testing.assert_close(flow.bijection(x), x, rtol=0, atol=1e-5)
    expected = -0.5 * x.square().sum(dim=1) - math.log(2 * math.pi)
    torch.testing.assert_close(flow().log_prob(x), expected, rtol=0, atol=1e-4)


def test_permutations_come_from_the_generator():
    def order(seed):
        generator = torch.Generator().manual_seed(seed)
        flow = dx.models.coupling_flow(6, mixing="permutation", generator=generator)
        layers = flow.bijection.layers
        return [m.indices.tolist() for m in layers if isinstance(m, dx.bijections.Permutation)]

    assert order(0) == order(0) != order(1)


@pytest.mark.parametrize(
    "build",
    [
        lambda: dx.models.coupling_flow(2, layers=3, normalize=True, hidden=(8,)),
        lambda: dx.models.residual_flow(2, blocks=3, normalize=True, hidden=(8,)),
    ],
)
def test_initialise_normalises_after_every_normalisation(build):
    flow, x = shaken(build()), 5 + 3 * torch.randn(200, 2)
    before = copy.deepcopy(flow.state_dict())
    dx.models.initialise(flow, x)
    seen = 0
    for layer in flow.bijection.layers:
        x = layer(x).detach()
        if isinstance(layer, dx.bijections.ActNorm):
            seen += 1
            torch.testing.assert_close(x.mean(dim=0), torch.zeros(2), rtol=0, atol=1e-4)
            torch.testing.assert_close(x.std(dim=0, correction=0), torch.ones(2), rtol=0, atol=1e-4)
    assert seen == 3
    changed = {k for k, v in flow.state_dict().items() if not torch.equal(v, before[k])}
    norms = {n for n, m in flow.named_modules() if isinstance(m, dx.bijections.ActNorm)}
    assert {k.rpartition(".")[0] for k in changed} == norms


def test_initialise_of_a_multi_scale_flow():
    flow, x = dx.models.image_flow((1, 8, 8), steps=2, hidden=4), torch.rand(20, 1, 8, 8)
    dx.models.initialise(flow, x)
    norms = [m for m in flow.modules() if isinstance(m, dx.bijections.ActNorm)]
    assert len(norms) == 4
    assert all(float(m.log_scale.detach().abs().max()) > 0.01 for m in norms)
    torch.testing.assert_close(flow.bijection.inverse(flow.bijection(x)), x, rtol=0, atol=1e-4)


def test_initialise_of_one_layer_and_of_a_hidden_one():
    norm, x = dx.bijections.ActNorm(2), 3 + torch.randn(50, 2)
    dx.models.initialise(norm, x)
    assert float(norm(x).detach().mean().abs()) < 1e-5
    hidden = dx.bijections.Chain([dx.bijections.Inverse(dx.bijections.ActNorm(2))])
    with pytest.raises(ValueError, match="1 of them are inside other layers"):
        dx.models.initialise(hidden, x)


@pytest.mark.parametrize("name", VECTORS)
def test_learns_a_bent_cloud(name):
    torch.manual_seed(0)
    x = torch.randn(200, 3) * torch.tensor([1.0, 0.3, 0.3])
    x[:, 1:] += x[:, :1] ** 2
    flow = VECTORS[name]()
    dx.models.initialise(flow, x)
    optimiser = torch.optim.Adam(flow.parameters(), lr=3e-2)
    losses = []
    for _ in range(25):
        loss = -flow().log_prob(x).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize("memory", ["checkpoint", "constant"])
def test_memory_modes_give_the_same_gradients(memory):
    plain = shaken(dx.models.image_flow((1, 8, 8), steps=2, hidden=4)).double()
    saving = dx.models.image_flow((1, 8, 8), steps=2, hidden=4, memory=memory).double()
    saving.load_state_dict(plain.state_dict())
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    for flow in (plain, saving):
        (-flow().log_prob(x).mean()).backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", VECTORS)
def test_copies(name):
    flow, x = shaken(VECTORS[name]()), torch.randn(4, 3)
    expected = flow().log_prob(x).detach()
    for twin in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        torch.testing.assert_close(twin().log_prob(x).detach(), expected)


def test_options_reach_the_couplings():
    flow = dx.models.coupling_flow(2, bins=4, tail=5.0, hidden=(8,))
    last = [m for m in flow.bijection.modules() if isinstance(m, nn.Linear) and m.in_features == 8]
    assert {m.out_features for m in last} == {11}
    with pytest.raises(TypeError, match="bins"):
        dx.models.coupling_flow(2, law="affine", bins=4)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="law to be 'spline' or 'affine' or 'additive'"):
        dx.models.coupling_flow(2, law="cubic")
    with pytest.raises(ValueError, match="mixing to be 'lu' or"):
        dx.models.coupling_flow(2, mixing="none")
    with pytest.raises(ValueError, match="features to be an integer from 2 to 32768; got 1"):
        dx.models.coupling_flow(1)
    with pytest.raises(ValueError, match="layers to be an integer from 1 to 10000; got 0"):
        dx.models.coupling_flow(2, layers=0)
    with pytest.raises(ValueError, match="constant to be a number strictly between 0 and 1"):
        dx.models.residual_flow(2, constant=1.0)
    with pytest.raises(ValueError, match="Use fewer levels, or pad the images"):
        dx.models.image_flow((1, 6, 8))
