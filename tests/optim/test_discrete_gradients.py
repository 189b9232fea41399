"""Descent by discrete gradients: the loss falls at any step, by what the equation says."""

import copy
import pickle
import re

import pytest
import torch
from torch import nn

import darboux as dx

METHODS = ["gonzalez", "mean-value", "itoh-abe"]
STEPS = [1e-3, 1.0, 1e6]


def quadratic(dtype):
    x = nn.Parameter(torch.tensor([3.0, -2, 1], dtype=dtype))
    return [x], lambda: 0.5 * (torch.tensor([1.0, 10, 1000], dtype=dtype) * x * x).sum()


def rosenbrock(dtype):
    x = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=dtype))
    return [x], lambda: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def kinks(dtype):
    x = nn.Parameter(torch.tensor([1.3, -0.4, 0.0], dtype=dtype))
    return [x], lambda: (torch.tensor([1.0, 3, 2], dtype=dtype) * x.abs()).sum()


def network(dtype):
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)).to(dtype)
    x = torch.linspace(-1, 1, 9, dtype=dtype)[:, None]
    return list(model.parameters()), lambda: (model(x) - (3 * x).sin()).square().mean()


PROBLEMS = {
    f"{method}-{problem.__name__}": (method, problem)
    for method in METHODS
    for problem in (quadratic, rosenbrock, kinks, network)
    if problem is not kinks or method == "itoh-abe"
}


def row(parameters):
    return torch.cat([p.detach().reshape(-1).clone() for p in parameters])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("h", STEPS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_loss_never_rises_and_falls_by_the_square_of_the_step(name, h, dtype):
    method, problem = PROBLEMS[name]
    parameters, loss = problem(dtype)
    descent = dx.optim.DiscreteGradientDescent(
        parameters, lr=h, method=method, max_eval=10_000 if method == "itoh-abe" else 300
    )
    for _ in range(2):
        old, before = row(parameters), loss().item()
        try:
            assert descent.step(loss).item() == before
        except dx.solvers.ConvergenceError:
            assert torch.equal(row(parameters), old)  # refused
            assert problem in (rosenbrock, network)
            assert method != "itoh-abe"
            assert h >= 0.1
            return
        after = loss().item()
        assert after <= before
        due = float((row(parameters) - old).double().square().sum()) / h
        if dtype == torch.float64:
            assert before - after == pytest.approx(due, abs=1e-9 * before)
        elif h <= 10:
            assert before - after == pytest.approx(due, abs=1e-5 * before)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_the_step_of_the_integrator(method):
    integrator = {
        "gonzalez": dx.integrators.GonzalezGradient(),
        "mean-value": dx.integrators.MeanValueGradient(),
        "itoh-abe": dx.integrators.ItohAbeGradient(),
    }[method]

    def energy(z):
        return 100 * (z[:, 1] - z[:, 0] ** 2) ** 2 + (1 - z[:, 0]) ** 2

    def slope(z):
        a, b = z.unbind(dim=1)
        return torch.stack([-400 * a * (b - a**2) - 2 * (1 - a), 200 * (b - a**2)], dim=1)

    class Flow:
        passive = True
        energy = staticmethod(lambda t, z: energy(z))
        gradient = staticmethod(lambda t, z: slope(z))
        steer = staticmethod(lambda t, z, g: -g)

    parameters, loss = rosenbrock(torch.float64)
    there = integrator.step(Flow(), 0.0, 1e-3, row(parameters)[None])
    dx.optim.DiscreteGradientDescent(parameters, lr=1e-3, method=method).step(loss)
    torch.testing.assert_close(row(parameters)[None], there, rtol=1e-9, atol=1e-9)


def test_kinks_do_not_stop_it():
    parameters, loss = kinks(torch.float64)
    before = loss().item()
    descent = dx.optim.DiscreteGradientDescent(parameters, lr=0.3, method="itoh-abe")
    for _ in range(30):
        descent.step(loss)
    assert loss().item() < 0.02 * before


@pytest.mark.parametrize("method", METHODS)
def test_groups_have_steps_of_their_own(method):
    def pair():
        return [nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2)]

    together, (first, second) = pair(), pair()
    groups = [{"params": [p], "lr": lr} for p, lr in zip(together, (0.1, 2.0), strict=True)]
    descent = dx.optim.DiscreteGradientDescent(groups, lr=1.0, method=method)
    descent.step(lambda: sum(p.square().sum() for p in together))
    for p, lr in ((first, 0.1), (second, 2.0)):
        alone = dx.optim.DiscreteGradientDescent([p], lr=lr, method=method)
        alone.step(lambda p=p: p.square().sum())
    for p, q in zip(together, (first, second), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_closure_may_call_backward_and_clear_gradients(method):
    plain, other = network(torch.float64), None
    model = copy.deepcopy(plain[0])
    other = [nn.Parameter(p.detach().clone()) for p in model]
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    descents = [
        dx.optim.DiscreteGradientDescent(p, lr=0.05, method=method) for p in (plain[0], other)
    ]

    def usual():
        descents[1].zero_grad()
        a, b, c, d = other
        z = nn.functional.linear(nn.functional.linear(x, a, b).tanh(), c, d)
        loss = (z - (3 * x).sin()).square().mean()
        loss.backward()
        return loss

    descents[0].step(plain[1])
    descents[1].step(usual)
    torch.testing.assert_close(row(plain[0]), row(other), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_saved_goes_on_as_it_would_have(method):
    parameters, loss = quadratic(torch.float64)

    def begin(parameters):
        descent = dx.optim.DiscreteGradientDescent(parameters, lr=0.05, method=method)
        return descent, torch.optim.lr_scheduler.ExponentialLR(descent, 0.9)

    def train(loss, descent, schedule):
        for _ in range(3):
            descent.step(loss)
            schedule.step()

    descent, schedule = begin(parameters)
    train(loss, descent, schedule)
    state = copy.deepcopy((descent.state_dict(), schedule.state_dict()))
    other, other_loss = quadratic(torch.float64)
    other[0].data.copy_(parameters[0].data)
    again, schedule_again = begin(other)
    again.load_state_dict(state[0])
    schedule_again.load_state_dict(state[1])
    twin = pickle.loads(pickle.dumps(descent))
    train(loss, descent, schedule)
    train(other_loss, again, schedule_again)
    assert torch.equal(parameters[0], other[0])
    (copied,) = twin.param_groups[0]["params"]
    weights = torch.tensor([1.0, 10, 1000], dtype=torch.float64)
    schedule = torch.optim.lr_scheduler.ExponentialLR(twin, 0.9)
    train(lambda: 0.5 * (weights * copied * copied).sum(), twin, schedule)
    assert torch.equal(parameters[0], copied)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_0_goes_nowhere(method):
    parameters, loss = quadratic(torch.float64)
    before = row(parameters)
    descent = dx.optim.DiscreteGradientDescent(parameters, lr=1.0, method=method)
    descent.param_groups[0]["lr"] = 0.0  # as a schedule may
    descent.step(loss)
    assert torch.equal(row(parameters), before)


def begun(*, lr=0.1, **options):
    x = nn.Parameter(torch.ones(2))
    return x, dx.optim.DiscreteGradientDescent([x], lr, **options)


def stepped(loss, **options):
    x, descent = begun(**options)
    try:
        descent.step(lambda: loss(x))
    finally:
        assert (x == 1).all()


class Cube(torch.autograd.Function):
    """What torch calls without asking whether someone else wants to answer."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, slope):
        return 3 * ctx.saved_tensors[0] ** 2 * slope


def mixed():
    parameters = [nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1).double())]
    descent = dx.optim.DiscreteGradientDescent(parameters, 0.1)
    descent.step(lambda: parameters[0].square().sum())


CALLS = {
    "no closure": (lambda: begun()[1].step(), TypeError, "expected a closure"),
    "a step of 0": (lambda: begun(lr=0.0), ValueError, "lr to be a positive finite number"),
    "an unknown method": (lambda: begun(method="euler"), ValueError, "got 'euler'"),
    "no loss": (lambda: stepped(lambda x: None), TypeError, "got None. End it with `return loss`"),
    "two losses": (lambda: stepped(lambda x: x), TypeError, "got shape (2,)"),
    "a loss that is NaN": (
        lambda: stepped(lambda x: (x - 2).log().sum()),
        *(FloatingPointError, "expected a finite loss; got nan. Nothing was changed"),
    ),
    "parameters that are read elsewhere": (
        lambda: stepped(lambda x: Cube.apply(x).sum()),
        *(RuntimeError, "expected a loss that reaches parameters by torch's functions"),
    ),
    "sparse gradients": (
        lambda: stepped(
            lambda x: nn.functional.embedding(torch.tensor([0]), x[:, None], sparse=True).sum()
        ),
        *(RuntimeError, "expected dense gradients"),
    ),
    "two dtypes": (mixed, ValueError, "all of one dtype and device"),
    "too many evaluations": (
        lambda: stepped(lambda x: x.square().sum(), max_eval=1),
        *(dx.solvers.ConvergenceError, "at most 1 evaluations"),
    ),
    "a loss without a bound": (
        lambda: stepped(lambda x: -x.exp().sum(), method="itoh-abe", lr=10.0),
        *(dx.solvers.ConvergenceError, "Nothing was changed"),
    ),
}


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(RuntimeError, match="expected one process; got 2"):
        stepped(lambda x: x.square().sum())


@pytest.mark.parametrize("name", CALLS)
def test_answers(name):
    call, error, answer = CALLS[name]
    with pytest.raises(error, match=re.escape(answer)):
        call()


@pytest.mark.parametrize("build", ["gonzalez", "mean-value", "parts"])
def test_losses_without_derivatives_are_refused_where_they_are_needed(build):
    x = nn.Parameter(torch.ones(2))
    descent = (
        dx.optim.PortHamiltonianDescent([x], lr=0.1)
        if build == "parts"
        else dx.optim.DiscreteGradientDescent([x], lr=0.1, method=build)
    )
    with pytest.raises(RuntimeError, match="expected a loss with derivatives in the parameters"):
        descent.step(torch.no_grad()(lambda: x.square().sum()))
