"""Discrete weights: the best values, recovery, schedules, states, refusals."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from darboux.control import DiscreteMSA

SETS = {"binary": (-1.0, 1.0), "ternary": (-1.0, 0.0, 1.0)}


@pytest.mark.parametrize("values", SETS)
@pytest.mark.parametrize("begin", ["inside", "anywhere"])
def test_weights_are_the_best_of_their_set(values, begin):
    old = torch.randn(500, dtype=torch.float64)
    if begin == "inside":
        old = torch.tensor(SETS[values], dtype=torch.float64)[
            torch.randint(len(SETS[values]), (500,))
        ]
    weight = nn.Parameter(old.clone())
    rho, penalty = 0.3, 0.2 if values == "ternary" else 0.0
    optimizer = DiscreteMSA([weight], values, lr=0.5, rho=rho, penalty=penalty)
    weight.grad = torch.randn(500, dtype=torch.float64)
    average = -0.5 * weight.grad
    r = rho * average.abs()[old != average.sign()].max()
    optimizer.step()
    tried = torch.tensor(SETS[values], dtype=torch.float64)[:, None]
    # after one step the average is half of one, and so is the penalty
    scores = average * tried - penalty / 2 * tried.abs() - r * (tried - old).square()
    assert torch.equal(weight.detach(), tried[scores.argmax(0), 0])
    assert len(weight.detach().unique()) == len(SETS[values])


@pytest.mark.parametrize("values", SETS)
def test_a_planted_network_is_found_exactly(values):
    planted = torch.tensor(SETS[values])[torch.randint(len(SETS[values]), (4, 12))]
    layer = nn.Linear(12, 4, bias=False)
    optimizer = DiscreteMSA(layer.parameters(), values, lr=0.1, rho=0.4, penalty=1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    for _ in range(300):
        x = torch.randn(64, 12)
        optimizer.zero_grad()
        mse_loss(layer(x), x @ planted.mT).backward()
        optimizer.step()
        schedule.step()
    assert torch.equal(layer.weight.detach(), planted)


def test_a_penalty_leaves_fewer_weights():
    def nonzero(penalty):
        torch.manual_seed(0)
        layer = nn.Linear(30, 1, bias=False)
        optimizer = DiscreteMSA(layer.parameters(), lr=0.2, penalty=penalty)
        x = torch.randn(200, 30)
        for _ in range(50):
            optimizer.zero_grad()
            mse_loss(layer(x), 0.3 * x.sum(1, keepdim=True)).backward()
            optimizer.step()
        return int(layer.weight.count_nonzero())

    assert nonzero(1.0) < nonzero(0.0)


def training(optimizer, layer, steps=5):
    """Train on the same data whoever asks; return the weights of each step."""
    generator = torch.Generator().manual_seed(1)
    seen = []
    for _ in range(steps):
        x = torch.randn(20, 6, generator=generator)
        optimizer.zero_grad()
        mse_loss(layer(x), x[:, :3]).backward()
        optimizer.step()
        seen.append(layer.weight.detach().clone())
    return torch.stack(seen)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copies_go_on_alike(again):
    layer = nn.Linear(6, 3)
    optimizer = DiscreteMSA([layer.weight], lr=0.3)
    training(optimizer, layer)
    twin, other = again((layer, optimizer))
    assert torch.equal(training(optimizer, layer), training(other, twin))


def test_a_saved_state_goes_on_alike():
    layer = nn.Linear(6, 3)
    optimizer = DiscreteMSA([layer.weight], "binary", lr=0.3)
    training(optimizer, layer)
    twin = copy.deepcopy(layer)
    other = DiscreteMSA([twin.weight])
    other.load_state_dict(optimizer.state_dict())
    assert torch.equal(training(optimizer, layer), training(other, twin))


def test_groups_have_options_of_their_own():
    first, second = nn.Parameter(torch.randn(50)), nn.Parameter(torch.randn(50))
    groups = [{"params": [first], "values": "binary"}, {"params": [second], "lr": 1.0}]
    optimizer = DiscreteMSA(groups, lr=0.5)
    for p in (first, second):
        p.grad = torch.randn(50)
    assert optimizer.step(lambda: 3.0) == 3.0
    assert first.detach().unique().tolist() == [-1, 1]
    assert second.detach().unique().tolist() == [-1, 0, 1]
    torch.testing.assert_close(optimizer.state[second]["average"], -second.grad)


def test_averages_of_short_formats_are_long():
    weight = nn.Parameter(torch.zeros(100, dtype=torch.bfloat16))
    optimizer = DiscreteMSA([weight], lr=1e-3)
    for _ in range(100):
        weight.grad = -torch.ones_like(weight)
        optimizer.step()
    average = optimizer.state[weight]["average"]
    torch.testing.assert_close(average, torch.full((100,), 1 - 0.999**100))


def test_what_has_no_gradient_stays():
    still, empty = nn.Parameter(torch.full((3,), 0.5)), nn.Parameter(torch.zeros(0))
    empty.grad = torch.zeros(0)
    DiscreteMSA([still, empty]).step()
    assert still.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (torch.tensor([1.0, math.nan]), FloatingPointError, "No weight was changed"),
        (torch.eye(2)[0].to_sparse(), RuntimeError, "expected dense gradients"),
    ],
)
def test_gradients_without_a_meaning_are_refused(gradient, error, message):
    good, bad = nn.Parameter(torch.full((2,), 0.5)), nn.Parameter(torch.full((2,), 0.5))
    optimizer = DiscreteMSA([good, bad])
    good.grad, bad.grad = torch.ones(2), gradient
    with pytest.raises(error, match=message):
        optimizer.step()
    assert good.tolist() == bad.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "option", [{"values": "quaternary"}, {"lr": 2.0}, {"rho": -1.0}, {"penalty": math.nan}]
)
def test_options_of_groups_without_a_meaning_are_refused(option):
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    optimizer = DiscreteMSA([{"params": [weight], **option}])
    with pytest.raises(ValueError, match="values 'binary' or 'ternary' and lr in"):
        optimizer.step()
