"""Descent as a port-Hamiltonian system: its energy balance, its parts, its life."""

import copy
import pickle
import re

import pytest
import torch
from torch import nn

import darboux as dx

WEIGHTS = torch.tensor([1.0, 10, 100], dtype=torch.float64)


def quadratic(start=(3.0, -2.0, 1.0)):
    x = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    return x, lambda: 0.5 * (WEIGHTS * x * x).sum()


def rosenbrock():
    x = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    return x, lambda: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@pytest.mark.parametrize("gain", [0.0, 1.0])
@pytest.mark.parametrize("h", [1e-2, 0.5])
@pytest.mark.parametrize("problem", [quadratic, rosenbrock])
def test_energy_goes_into_friction_and_nowhere_else(problem, h, gain):
    x, loss = problem()
    descent = dx.optim.PortHamiltonianDescent([x], lr=h, gain=gain, friction=0.3, leak=0.5)
    start, spent = loss().item(), 0.0
    for _ in range(3):
        descent.step(loss)
        balance = descent.balance
        assert balance.change == pytest.approx(-balance.dissipated, abs=1e-12 * start)
        assert balance.dissipated > 0
        assert balance.supplied == pytest.approx(0, abs=1e-12 * start)
        spent += balance.dissipated
    state = descent.state[x]
    kinetic = 0.5 * float(state["momentum"].square().sum() + state["reservoir"].square())
    assert loss().item() + kinetic == pytest.approx(start - spent, abs=1e-11 * start)


def test_without_friction_energy_is_kept():
    x, loss = rosenbrock()
    descent = dx.optim.PortHamiltonianDescent([x], lr=0.02, friction=0.0, gain=0.0)
    for _ in range(3):
        descent.step(loss)
        assert descent.balance.change == pytest.approx(0, abs=1e-12)
        assert descent.balance.dissipated == 0


def test_a_reservoir_takes_from_the_motion_what_it_stores():
    x, loss = quadratic()
    descent = dx.optim.PortHamiltonianDescent([x], lr=0.05, friction=0.0, leak=0.0)
    before = loss().item()
    for _ in range(20):
        descent.step(loss)
    state = descent.state[x]
    stored = 0.5 * float(state["reservoir"]) ** 2
    moving = 0.5 * float(state["momentum"].square().sum())
    assert stored > 0.1 * before
    assert loss().item() + moving + stored == pytest.approx(before, rel=1e-12)


def test_another_loss_is_a_supply():
    x, loss = quadratic()
    descent = dx.optim.PortHamiltonianDescent([x], lr=0.1)
    descent.step(loss)
    descent.step(lambda: loss() + 7)
    assert descent.balance.supplied == pytest.approx(7)
    assert descent.balance.change == pytest.approx(-descent.balance.dissipated, abs=1e-10)


def test_a_small_step_follows_the_system():
    x, loss = quadratic()
    descent = dx.optim.PortHamiltonianDescent([x], lr=0.01, mass=2.0, friction=0.4, leak=0.7)
    z = torch.cat([x.detach(), torch.zeros(4, dtype=torch.float64)])

    def field(t, z):
        del t
        place, p, eta = z[:3], z[3:6], z[6]
        v = p / 2
        push = -WEIGHTS * place - (0.4 + eta) * v
        return torch.cat([v, push, (v @ v - 0.7 * eta)[None]])

    exact = dx.odeint(field, z, torch.tensor([0.0, 0.2]).double(), rtol=1e-9, atol=1e-9)[-1]
    for _ in range(20):
        descent.step(loss)
    assert (x - exact[:3]).abs().max() < 2e-3
    assert (descent.state[x]["momentum"] - exact[3:6]).abs().max() < 2e-2
    assert abs(float(descent.state[x]["reservoir"] - exact[6])) < 2e-2


def test_parts_have_numbers_and_reservoirs_of_their_own():
    pair = [nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2)]
    options = [{"friction": 0.1, "gain": 2.0}, {"friction": 3.0, "lr": 0.02, "mass": 5.0}]
    groups = [{"params": [p], **o} for p, o in zip(pair, options, strict=True)]
    both = dx.optim.PortHamiltonianDescent(groups, lr=0.1)
    for _ in range(5):
        both.step(lambda: pair[0].square().sum() + 3 * pair[1].square().sum())
    for p, o, weight in zip(pair, options, (1, 3), strict=True):
        q = nn.Parameter(torch.ones(1, dtype=torch.float64))
        alone = dx.optim.PortHamiltonianDescent([q], **{"lr": 0.1, **o})
        for _ in range(5):
            alone.step(lambda q=q, weight=weight: weight * q.square().sum())
        # a discrete gradient shares what it corrects among all parts: nothing for quadratics
        torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-9)


def test_friction_of_their_own_serves_a_slow_and_a_fast_part():
    def loss_after(**options):
        slow, fast = (nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2))
        descent = dx.optim.PortHamiltonianDescent([slow, fast], lr=0.1, **options)
        for _ in range(60):
            descent.step(lambda: 0.5 * (slow.square() + 400 * fast.square()).sum())
        return descent.step(lambda: 0.5 * (slow.square() + 400 * fast.square()).sum()).item()

    best = loss_after(friction=3.0, gain=0.0)  # of 1, 2, 3, 5, 10 and 20
    assert loss_after(friction=1.0, gain=30.0) < 0.02 * best


def test_a_run_that_was_saved_goes_on_as_it_would_have():
    x, loss = quadratic()

    def begin(x):
        descent = dx.optim.PortHamiltonianDescent([x], lr=0.05)
        return descent, torch.optim.lr_scheduler.ExponentialLR(descent, 0.9)

    def train(loss, descent, schedule):
        for _ in range(3):
            descent.step(loss)
            schedule.step()

    descent, schedule = begin(x)
    train(loss, descent, schedule)
    state = copy.deepcopy((descent.state_dict(), schedule.state_dict()))
    twin = pickle.loads(pickle.dumps(descent))
    y, loss_of_y = quadratic(x.tolist())
    again, schedule_again = begin(y)
    again.load_state_dict(state[0])
    schedule_again.load_state_dict(state[1])
    train(loss, descent, schedule)
    train(loss_of_y, again, schedule_again)
    assert torch.equal(x, y)
    (copied,) = twin.param_groups[0]["params"]
    schedule = torch.optim.lr_scheduler.ExponentialLR(twin, 0.9)
    train(lambda: 0.5 * (WEIGHTS * copied * copied).sum(), twin, schedule)
    assert torch.equal(x, copied)


def stepped(loss, **options):
    x = nn.Parameter(torch.ones(2))
    descent = dx.optim.PortHamiltonianDescent([x], **{"lr": 0.1, **options})
    try:
        descent.step(None if loss is None else lambda: loss(x))
    finally:
        assert (x == 1).all()
        assert not descent.state[x]
        assert descent.balance is None


def grouped(**options):
    x, y = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    groups = [{"params": [x]}, {"params": [y], **options}]
    dx.optim.PortHamiltonianDescent(groups, lr=0.1).step(lambda: (x + y).square().sum())


CALLS = {
    "no closure": (lambda: stepped(None), TypeError, "expected a closure"),
    "negative friction": (
        lambda: stepped(None, friction=-1.0),
        *(ValueError, "friction to be a finite number of 0 or more"),
    ),
    "negative friction of a group": (
        lambda: grouped(friction=-1.0),
        *(ValueError, "expected friction to be a finite number of 0 or more; got -1.0"),
    ),
    "a group without mass": (lambda: grouped(mass=0.0), ValueError, "expected mass to be a pos"),
    "two limits": (
        lambda: grouped(max_eval=3),
        *(ValueError, "expected one max_eval for all groups"),
    ),
    "no mass": (lambda: stepped(None, mass=0.0), ValueError, "mass to be a positive"),
    "a loss that is infinite": (
        lambda: stepped(lambda x: (x - 1).log().sum()),
        *(FloatingPointError, "expected a finite loss; got -inf"),
    ),
    "too many evaluations": (
        lambda: stepped(lambda x: x.square().sum(), max_eval=4),
        *(dx.solvers.ConvergenceError, "at most 4 evaluations"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_answers(name):
    call, error, answer = CALLS[name]
    with pytest.raises(error, match=re.escape(answer)):
        call()


def test_a_loaded_state_is_supplied_nothing():
    """The loss before it was loaded is another system's."""
    x, loss = quadratic()
    descent = dx.optim.PortHamiltonianDescent([x], lr=0.1)
    state = copy.deepcopy(descent.state_dict())
    descent.step(lambda: 100 * loss())
    descent.load_state_dict(state)
    assert descent.balance is None
    descent.step(loss)
    assert descent.balance.supplied == 0
