"""Particles that flow as measures: invariance, balance, masses, bad input."""

import copy
import io
import itertools
import math
import pickle
import re

import pytest
import torch
from torch import nn

import darboux as dx

ROLES = ("incoming", "incoming", "outgoing")


def neurons(width, *, dtype=torch.float64, balanced=True):
    """Return u = (a, b) and c of some neurons on the line."""
    a, b = torch.randn(width, 1, dtype=dtype), torch.randn(width, dtype=dtype)
    c = torch.randn(1, width, dtype=dtype)
    if balanced:
        c = c.sign() * torch.hypot(a[:, 0], b)
    return [nn.Parameter(x) for x in (a, b, c)]


def network(x, a, b, c, masses=None, activation=torch.relu):
    hidden = activation(x @ a.T + b)
    weights = torch.full_like(b, 1 / len(b)) if masses is None else masses
    return (hidden * weights) @ c.T


def loss_of(parameters, **options):
    # the data carry no random numbers, so that all see the same
    x = torch.linspace(-1, 1, 9, dtype=parameters[0].dtype)[:, None]
    return (network(x, *parameters, **options) - (3 * x).sin()).square().mean()


def flowed(parameters, *, steps, loss=loss_of, **options):
    options = {"roles": ROLES, **options}
    flow = dx.optim.WassersteinFlow(parameters, **options)
    for _ in range(steps):
        flow.zero_grad()
        loss(parameters).backward()
        flow.step()
    return [p.detach() for p in parameters]


def imbalance(a, b, c):
    return (a.square().sum(dim=1) + b.square() - c.square().sum(dim=0)).detach()


@pytest.mark.parametrize("balanced", [False, True])
def test_it_flows_measures_not_particles(balanced):
    few = neurons(6)
    many = [nn.Parameter(torch.cat([p, p], dim=-1 if p is few[2] else 0).detach()) for p in few]
    a = flowed(few, steps=20, lr=0.1, balanced=balanced)
    b = flowed(many, steps=20, lr=0.1, balanced=balanced)
    for x, y, axis in zip(a, b, (0, 0, 1), strict=True):
        torch.testing.assert_close(torch.cat([x, x], dim=axis), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("balanced", [False, True])
def test_masses_count_as_particles_do(balanced):
    a, b, c = neurons(3)
    where = torch.tensor([0, 1, 1, 2, 2, 2])
    many = [
        nn.Parameter(x.detach()[..., where] if x is c else x.detach()[where]) for x in (a, b, c)
    ]
    masses = nn.Parameter(torch.tensor([1.0, 2, 3], dtype=torch.float64) / 6)
    options = {"steps": 20, "lr": 0.1, "balanced": balanced}
    equal = flowed(many, **options)

    def loss(parameters):
        return loss_of(parameters[:3], masses=parameters[3])

    few = flowed([a, b, c, masses], loss=loss, roles=(*ROLES, "mass"), reaction=0.0, **options)
    for x, y in zip(few[:3], equal, strict=True):
        moved = x[..., where] if x.shape == c.shape else x[where]
        torch.testing.assert_close(moved, y, rtol=1e-12, atol=1e-12)


def test_rate_is_the_number_of_particles():
    ours, theirs = neurons(8), None
    theirs = copy.deepcopy(ours)
    flowed(ours, steps=5, lr=0.1)
    descent = torch.optim.SGD(theirs, lr=0.8)
    for _ in range(5):
        descent.zero_grad()
        loss_of(theirs).backward()
        descent.step()
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("balanced", [False, True], ids=["any start", "balanced start"])
def test_balance_is_kept_to_order_one_by_euler_steps_and_to_rounding_by_boosts(balanced):
    start = neurons(10, balanced=balanced)
    before, drifts = imbalance(*start), []
    for steps in (20, 40, 80):
        after = flowed(copy.deepcopy(start), steps=steps, lr=4 / steps)
        drifts.append(float((imbalance(*after) - before).abs().max()))
    kept = flowed(copy.deepcopy(start), steps=40, lr=0.1, balanced=True)
    orders = [math.log2(a / b) for a, b in itertools.pairwise(drifts)]
    assert orders == pytest.approx([1, 1], abs=0.2)
    assert (imbalance(*kept) - before).abs().max() < 1e-13


def test_balance_is_kept_of_layers_in_single_precision_at_any_step():
    first, last = nn.Linear(3, 16), nn.Linear(16, 2, bias=False)
    with torch.no_grad():
        size = (first.weight.square().sum(dim=1) + first.bias.square()).sqrt()
        last.weight.mul_(size / last.weight.norm(dim=0))
    parameters = [first.weight, first.bias, last.weight]
    flow = dx.optim.WassersteinFlow(parameters, lr=1.0, roles=ROLES, balanced=True)
    x, y = torch.randn(32, 3), torch.randn(32, 2)
    for _ in range(50):
        flow.zero_grad()
        (last(first(x).relu()) / 16 - y).square().mean().backward()
        flow.step()
    assert imbalance(*parameters).abs().max() < 1e-4 * last.weight.square().sum(dim=0).max()


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh], ids=["ReLU", "tanh"])
def test_boosts_are_steps_of_the_same_flow(activation):
    start = neurons(6, balanced=False)

    def loss(parameters):
        return loss_of(parameters, activation=activation)

    def gap(steps):
        options = {"steps": steps, "lr": 1 / steps, "loss": loss}
        plain = flowed(copy.deepcopy(start), **options)
        turned = flowed(copy.deepcopy(start), balanced=True, **options)
        return max(float((x - y).abs().max()) for x, y in zip(plain, turned, strict=True))

    assert gap(50) / gap(100) == pytest.approx(2, abs=0.3)
    assert gap(100) < 0.02


def test_fisher_and_rao_follow_the_replicator_equation():
    values = torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64)
    masses = nn.Parameter(torch.tensor([0.4, 0.1, 0.3, 0.2], dtype=torch.float64))
    exact = torch.softmax(masses.detach().log() - 1.5 * values, dim=0)
    place = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    flowed(
        [place, masses],
        steps=15,
        lr=0.1,
        loss=lambda p: (p[1] * (values + p[0])).sum(),
        roles=("incoming", "mass"),
        transport=0.0,
    )
    torch.testing.assert_close(masses.detach(), exact)  # whatever the step: V does not change
    assert (place == 0).all()


def test_loss_falls_at_the_rate_of_the_metric():
    a, b, c = neurons(5)
    masses = nn.Parameter(torch.softmax(torch.randn(5, dtype=torch.float64), dim=0))
    parameters = [a, b, c, masses]

    def loss(parameters):
        return loss_of(parameters[:3], masses=parameters[3])

    before = loss(parameters)
    slopes = torch.autograd.grad(before, parameters)
    moving = sum((g.reshape(5, -1).square().sum(1) / masses.detach()).sum() for g in slopes[:3])
    v, w = slopes[3], masses.detach()
    varying = (w * v.square()).sum() - (w * v).sum().square()
    flowed(
        parameters,
        steps=1,
        lr=1e-5,
        loss=loss,
        roles=(*ROLES, "mass"),
        transport=2.0,
        reaction=3.0,
    )
    rate = float(2 * moving + 3 * varying)
    assert float((before - loss(parameters)).detach()) / 1e-5 == pytest.approx(rate, rel=1e-3)
    assert masses.sum().item() == pytest.approx(1, abs=1e-15)
    assert (masses > 0).all()


def test_particles_without_mass_and_frozen_ones_rest():
    masses = nn.Parameter(torch.tensor([1.0, 0.0]))
    place, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
    flow = dx.optim.WassersteinFlow(
        [place, frozen, masses], lr=0.1, roles=("incoming", "incoming", "mass")
    )
    (masses * (place * frozen).square()).sum().backward()
    flow.step()
    torch.testing.assert_close(place.detach(), torch.tensor([0.8, 1.0]))
    assert masses.tolist() == [1.0, 0.0]
    assert (frozen == 1).all()


def test_a_run_that_was_saved_goes_on_as_it_would_have():
    start = neurons(4)

    def begin(parameters):
        flow = dx.optim.WassersteinFlow(parameters, lr=0.2, roles=ROLES, balanced=True)
        return flow, torch.optim.lr_scheduler.ExponentialLR(flow, 0.9)

    def train(parameters, flow, schedule):
        for _ in range(5):
            flow.zero_grad()
            loss_of(parameters).backward()
            flow.step()
            schedule.step()

    flow, schedule = begin(start)
    train(start, flow, schedule)
    saved = io.BytesIO()
    torch.save([p.detach() for p in start], saved)
    state = copy.deepcopy((flow.state_dict(), schedule.state_dict()))
    twin = pickle.loads(pickle.dumps(flow))
    train(start, flow, schedule)

    saved.seek(0)
    other = [nn.Parameter(p) for p in torch.load(saved)]
    again, schedule_again = begin(other)
    again.load_state_dict(state[0])
    schedule_again.load_state_dict(state[1])
    train(other, again, schedule_again)
    assert all(torch.equal(x, y) for x, y in zip(start, other, strict=True))
    copied = twin.param_groups[0]["params"]
    train(copied, twin, torch.optim.lr_scheduler.ExponentialLR(twin, 0.9))
    assert all(torch.equal(x, y) for x, y in zip(start, copied, strict=True))


def built(*shapes, **options):
    parameters = [nn.Parameter(torch.ones(shape)) for shape in shapes]
    return dx.optim.WassersteinFlow(parameters, **{"lr": 0.1, **options})


def stepped(change):
    flow = built((3, 2))
    (parameter,) = flow.param_groups[0]["params"]
    change(flow, parameter)
    flow.step()


def sparse(flow, parameter):
    nn.functional.embedding(torch.tensor([0]), parameter, sparse=True).sum().backward()


def infinite(flow, parameter):
    parameter.grad = torch.full((3, 2), torch.inf)


def backwards(flow, parameter):
    flow.param_groups[0]["lr"] = -1.0


def repelled(flow, parameter):
    flow.param_groups[0]["transport"] = -1.0


CALLS = {
    "a negative step": (lambda: built((3,), lr=-1.0), ValueError, "lr to be a finite number"),
    "an unknown role": (lambda: built((3,), roles=("bias",)), ValueError, "got ('bias',)"),
    "a role missing": (lambda: built((3,), (3,), roles=("mass",)), ValueError, "for each of 2"),
    "other numbers": (lambda: built((3, 2), (4,)), ValueError, "[(3, 2), (4,)]"),
    "one number": (lambda: built(()), ValueError, "equally many particles"),
    "complex numbers": (
        lambda: dx.optim.WassersteinFlow([nn.Parameter(torch.ones(2) * 1j)], 0.1),
        *(ValueError, "expected real parameters; got [torch.complex64]"),
    ),
    "masses of pairs": (lambda: built((3, 2), roles=("mass",)), ValueError, "masses, (J,)"),
    "half a balance": (lambda: built((3, 2), balanced=True), ValueError, "in a balance"),
    "negative masses": (
        lambda: dx.optim.WassersteinFlow([nn.Parameter(-torch.ones(2))], 0.1, roles=("mass",)),
        *(ValueError, "masses of 0 or more; got -1"),
    ),
    "sparse gradients": (lambda: stepped(sparse), RuntimeError, "expected dense gradients"),
    "infinite gradients": (lambda: stepped(infinite), FloatingPointError, "finite gradients"),
    "a negative step of a schedule": (lambda: stepped(backwards), ValueError, "got -1.0"),
    "a negative rate": (lambda: stepped(repelled), ValueError, "Expected transport to be"),
}


@pytest.mark.parametrize("name", CALLS)
def test_answers(name):
    call, error, answer = CALLS[name]
    with pytest.raises(error, match=re.escape(answer)):
        call()


def test_nothing_changes_where_a_gradient_is_not_finite():
    good, bad = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    flow = dx.optim.WassersteinFlow([{"params": [good]}, {"params": [bad]}], lr=0.1)
    good.grad, bad.grad = torch.ones(2), torch.full((2,), torch.nan)
    with pytest.raises(FloatingPointError):
        flow.step()
    assert (good == 1).all()
    assert len(flow.param_groups) == 2
