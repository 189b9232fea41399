"""Invertible classifiers and their ordinary twin: sizes, inverses, learning, refusals."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.structure import Invertible, Kind, claims_of
from darboux.testing import LIFECYCLE

SMALL = {
    dx.models.coupling_classifier: {"channels": 4, "depth": (2, 2), "hidden": 8},
    dx.models.residual_classifier: {"channels": 4, "depth": (1, 1), "hidden": 4},
    dx.models.plain_resnet_classifier: {"widths": (4, 8), "depth": (1, 1)},
}
INVERTIBLE = [dx.models.coupling_classifier, dx.models.residual_classifier]


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_the_three_have_as_many_parameters_to_5_percent():
    counts = [count(build(1, 10)) for build in SMALL]
    assert max(counts) <= 1.05 * min(counts)


@pytest.mark.parametrize("build", SMALL)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_any_size(build, dim):
    settings = {**SMALL[build]}
    if dim == 3 and build in INVERTIBLE:
        settings |= {"channels": 8}
    network = build(1, 3, dim=dim, **settings)
    assert network(torch.rand(2, 1, *(9, 6, 7)[:dim])).shape == (2, 3)


@pytest.mark.parametrize("build", INVERTIBLE)
def test_nothing_is_lost_before_the_head(build):
    torch.manual_seed(0)
    network = build(1, 10, **SMALL[build])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    network = network.double().eval()
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    z = network.chain(network.lift(x))
    back = network.lift[1].restore(network.chain.inverse(z), size=(8, 8))
    torch.testing.assert_close(back, x, rtol=0, atol=1e-8)
    assert claims_of(network.chain).find(Invertible).kind in (Kind.CONSTRUCTION, Kind.BOUND)


@pytest.mark.parametrize("build", INVERTIBLE)
@pytest.mark.parametrize("memory", ["checkpoint", "constant"])
def test_memory_modes_give_the_same_gradients(build, memory):
    torch.manual_seed(0)
    plain = build(1, 3, **SMALL[build]).double()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    saving = build(1, 3, memory=memory, **SMALL[build]).double()
    saving.load_state_dict(plain.state_dict())
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    for network in (plain, saving):
        nn.functional.cross_entropy(network(x), torch.tensor([0, 1, 2])).backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-6, atol=1e-8)
    for one, other in zip(plain.buffers(), saving.buffers(), strict=True):
        torch.testing.assert_close(other, one)


@pytest.mark.parametrize("build", SMALL)
def test_learns_stripes(build):
    torch.manual_seed(0)
    network = build(1, 2, **SMALL[build])
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    labels = torch.arange(32) % 2
    stripes = (torch.arange(8) // 2 % 2).float()
    x = torch.where(labels[:, None, None] == 1, stripes[:, None], stripes[None, :])
    x = x.unsqueeze(1) + 0.2 * torch.randn(32, 1, 8, 8)
    losses = []
    for _ in range(25):
        loss = nn.functional.cross_entropy(network(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("check", ["state_dict", "deepcopy", "pickle"])
@pytest.mark.parametrize("build", SMALL)
def test_lifecycle(build, check):
    LIFECYCLE[check](lambda: build(1, 3, **SMALL[build]).eval(), torch.rand(2, 1, 7, 6))


@pytest.mark.parametrize("build", SMALL)
def test_no_stages_are_refused(build):
    with pytest.raises(ValueError, match=r"a number of blocks for each stage; got depth=\(\)"):
        build(1, 3, depth=())
    with pytest.raises(ValueError, match="dim to be 1, 2 or 3 spatial axes; got 4"):
        build(1, 3, dim=4)


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"even number of channels.*got 5\. Use 6"):
        dx.models.coupling_classifier(1, 3, channels=5)
    with pytest.raises(ValueError, match=r"in_channels · shuffle\^dim = 12"):
        dx.models.residual_classifier(3, 3, channels=8)
    with pytest.raises(ValueError, match="constant to be a number strictly between 0 and 1; got 1"):
        dx.models.residual_classifier(1, 3, constant=1.0)
    with pytest.raises(ValueError, match="a width for each of the 3 stages"):
        dx.models.plain_resnet_classifier(1, 3, widths=(4,))
    with pytest.raises(ValueError, match=r"expected \(batch, 1, \*space\)"):
        dx.models.coupling_classifier(1, 3)(torch.rand(1, 2, 8, 8))
