"""The training loop is that of plain torch, and stops where training would go wrong."""

import math

import pytest
import torch
from torch import nn

from darboux.solvers import descend


def made(seed=0):
    """Return a network, its Adam, a schedule of five steps, and the loss of a batch of points."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    adam = torch.optim.AdamW(network.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 0.1, total_steps=5)
    return network, adam, schedule, lambda x: (network(x) - x.sum(1, keepdim=True)).square().mean()


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("clip", [math.inf, 0.1])
def test_is_that_of_plain_torch(clip):
    """Not one bit differs, and batches and dropout draw their random numbers in turns."""
    network, adam, schedule, loss = made()
    found = descend(adam, loss, (torch.randn(8, 3) for _ in range(5)), schedule=schedule, clip=clip)
    expected, by_hand, schedule, loss = made()
    losses = []
    for _ in range(5):
        value = loss(torch.randn(8, 3))
        by_hand.zero_grad()
        value.backward()
        if clip < math.inf:
            nn.utils.clip_grad_norm_(expected.parameters(), clip)
        by_hand.step()
        schedule.step()
        losses.append(value.item())
    assert found == losses
    assert torch.equal(weights(network), weights(expected))


def test_tells_how_far_it_is():
    network, adam, _, loss = made()
    seen = []
    descend(adam, loss, torch.randn(3, 8, 3), on_step=lambda n: seen.append((n, weights(network))))
    assert [n for n, _ in seen] == [1, 2, 3]
    assert torch.equal(seen[-1][1], weights(network))
    assert not torch.equal(seen[0][1], seen[1][1])


@pytest.mark.parametrize(
    ("what", "turn"),
    [
        ("loss", lambda x: x * math.nan),
        ("loss", lambda x: 1 / (0 * x)),
        ("gradient", lambda x: (x - x.detach()).abs().sqrt()),
    ],
)
def test_what_is_not_finite_stops_it_before_the_parameters(what, turn):
    network, adam, _, loss = made()
    seen = []

    def bad(x):
        seen.append(weights(network))
        return loss(x) if len(seen) < 3 else turn(loss(x))

    with pytest.raises(
        FloatingPointError, match=rf"finite {what}; got (nan|inf) at step 3\. .* lea"
    ):
        descend(adam, bad, torch.randn(9, 8, 3))
    assert torch.equal(weights(network), seen[2])
    assert not torch.equal(seen[1], seen[2])


def test_parameters_of_another_network_are_refused():
    _, _, _, loss = made()
    other, adam, _, _ = made(1)
    with pytest.raises(ValueError, match="depends on the parameters of the optimizer"):
        descend(adam, loss, torch.randn(1, 8, 3))
    assert torch.equal(weights(other), weights(made(1)[0]))


def test_a_loop_without_batches_is_refused():
    _, adam, _, loss = made()
    batches = (x for x in torch.randn(2, 8, 3))
    descend(adam, loss, batches)
    with pytest.raises(ValueError, match="at least one batch; got none"):
        descend(adam, loss, batches)
