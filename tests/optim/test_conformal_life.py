"""Conformal optimisers as optimisers of torch: parity, state, schedules, scaling, bad input."""

import copy
import io
import math
import pickle
import re

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.optim import (
    ConformalHamiltonian,
    HamiltonianDescent,
    HeavyBall,
    Nesterov,
    PowerKinetic,
    QuadraticKinetic,
    RelativisticGradientDescent,
    RelativisticKinetic,
)
from darboux.solvers import ConvergenceError

SPHERE = dx.manifolds.Sphere(3)
BUILDS = {
    "heavy ball": lambda p, **o: HeavyBall(p, 0.05, **o),
    "Nesterov": lambda p, **o: Nesterov(p, 0.05, **o),
    "relativistic": lambda p, **o: RelativisticGradientDescent(p, 0.05, **o),
    "relativistic, order 1": lambda p, **o: RelativisticGradientDescent(p, 0.05, order=1, **o),
    "relativistic, α": lambda p, **o: RelativisticGradientDescent(p, 0.05, alpha=0.5, **o),
    "system": lambda p, **o: ConformalHamiltonian(p, 0.1, kinetic=RelativisticKinetic(2, 1), **o),
    "descent": lambda p, **o: HamiltonianDescent(p, 0.1, kinetic=PowerKinetic(1.5, 1), **o),
    "implicit": lambda p, **o: HamiltonianDescent(p, 0.1, method="implicit", **o),
}
every_build = pytest.mark.parametrize("build", BUILDS)
explicit = pytest.mark.parametrize("build", [name for name in BUILDS if name != "implicit"])


def network(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(9, 2)).to(dtype)


def closure_of(model, optimizer):
    x = torch.linspace(-1, 1, 40).reshape(4, 2, 5).to(model[0].weight)

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - 0.3).square().sum()
        loss.backward()
        return loss

    return closure


def trained(build, steps=10, dtype=torch.float32, **options):
    model = network(dtype)
    optimizer = build(model.parameters(), **options)
    closure = closure_of(model, optimizer)
    losses = [float(optimizer.step(closure).detach()) for _ in range(steps)]
    return [p.detach() for p in model.parameters()], losses


@every_build
def test_it_descends_and_foreach_is_as_one_by_one(build):
    steps = 12 if build == "implicit" else 30
    each, losses = trained(BUILDS[build], foreach=False, steps=steps)
    assert losses[-1] < losses[0] / 3
    for foreach in (True, None):
        together, _ = trained(BUILDS[build], foreach=foreach, steps=steps)
        torch.testing.assert_close(each, together)


@pytest.mark.parametrize(("ours", "nesterov"), [(HeavyBall, False), (Nesterov, True)])
@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "maximize": True}], ids=str)
def test_steps_of_torch(ours, nesterov, foreach, options):
    options = {"lr": 0.01, "momentum": 0.8, "foreach": foreach, "dtype": torch.float64, **options}
    found, _ = trained(ours, **options)
    expected, _ = trained(torch.optim.SGD, nesterov=nesterov, **options)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_state_of_torch_loads():
    options = {"lr": 0.05, "momentum": 0.8}
    models = network(), network()
    theirs = torch.optim.SGD(models[0].parameters(), **options)
    for _ in range(3):
        theirs.step(closure_of(models[0], theirs))
    models[1].load_state_dict(models[0].state_dict())
    ours = HeavyBall(models[1].parameters())
    ours.load_state_dict(theirs.state_dict())
    for model, optimizer in zip(models, (theirs, ours), strict=True):
        optimizer.step(closure_of(model, optimizer))
    torch.testing.assert_close(*(list(m.parameters()) for m in models))


@pytest.mark.parametrize("way", ["state_dict", "torch.save", "deepcopy", "pickle"])
@every_build
def test_saved_and_loaded_it_goes_on(build, way):
    model = network(torch.float64)
    optimizer = BUILDS[build](model.parameters())
    for _ in range(3):
        optimizer.step(closure_of(model, optimizer))
    if way in ("deepcopy", "pickle"):
        both = model, optimizer
        other, again = (
            copy.deepcopy(both) if way == "deepcopy" else pickle.loads(pickle.dumps(both))
        )
    else:
        other = copy.deepcopy(model)
        again, state = BUILDS[build](other.parameters()), optimizer.state_dict()
        if way == "torch.save":
            file = io.BytesIO()
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
        again.load_state_dict(state)
    for _ in range(3):
        optimizer.step(closure_of(model, optimizer))
        again.step(closure_of(other, again))
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)


def test_the_state_of_another_kinetic_energy_is_refused():
    model = network()
    one = ConformalHamiltonian(model.parameters(), kinetic=QuadraticKinetic(2.0))
    other = ConformalHamiltonian(model.parameters())
    words = "group 0 with QuadraticKinetic(mass=1.0); got one with QuadraticKinetic(mass=2.0)"
    with pytest.raises(ValueError, match=re.escape(words)):
        other.load_state_dict(one.state_dict())


def test_schedules_and_clipping():
    """Of learning rate and momentum; a momentum that leaves its range is refused."""
    model = network()
    optimizer = RelativisticGradientDescent(model.parameters(), 0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    seen = set()
    for _ in range(9):
        closure_of(model, optimizer)()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        before = [p.detach().clone() for p in model.parameters()]
        optimizer.step()
        schedule.step()
        seen.add(optimizer.param_groups[0]["momentum"])
        pairs = zip(model.parameters(), before, strict=True)
        moved = sum((p.detach() - q).square().sum() for p, q in pairs)
        assert 0 < float(moved) <= 4
    assert len(seen) == 9
    optimizer.param_groups[0]["momentum"] = 1.01
    with pytest.raises(ValueError, match="Expected momentum to be a number from 0 to 1; got 1"):
        optimizer.step()


@explicit
def test_gradients_are_scaled_back(build):
    models = network(), network()
    pair = [BUILDS[build](model.parameters()) for model in models]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    x = torch.randn(4, 2, 5)
    for _ in range(3):
        for model, optimizer in zip(models, pair, strict=True):
            optimizer.zero_grad()
            loss = model(x).square().sum()
            (scaler.scale(loss) if optimizer is pair[0] else loss).backward()
        scaler.step(pair[0])
        scaler.update()
        pair[1].step()
    torch.testing.assert_close(*(list(m.parameters()) for m in models))
    before = [p.detach().clone() for p in models[0].parameters()]
    scaler.scale(models[0](x).sum() * torch.inf).backward()
    scaler.step(pair[0])  # left out
    scaler.update()
    assert all(map(torch.equal, models[0].parameters(), before))


@every_build
def test_closures_and_gradient_scalers(build):
    """Nobody would scale their gradients back."""
    model = network()
    optimizer = BUILDS[build](model.parameters())
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(model(torch.randn(4, 2, 5)).sum()).backward()
    with pytest.raises(RuntimeError, match=r"expected no closure with torch\.amp\.GradScaler"):
        scaler.step(optimizer, closure_of(model, optimizer))
    if build == "implicit":
        with pytest.raises(TypeError, match=r"expected a closure.*torch\.amp\.GradScaler"):
            scaler.step(optimizer)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@every_build
def test_gradients_that_are_not_finite_change_nothing(build, bad):
    w, v = (nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = BUILDS[build]([{"params": [w]}, {"params": [v]}])

    def closure():
        optimizer.zero_grad()
        loss = (w.square() + v.square()).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    before = copy.deepcopy((w.detach(), v.detach(), optimizer.state_dict()["state"]))

    def broken():
        loss = closure()
        v.grad[1] = bad
        return loss

    with pytest.raises(FloatingPointError, match="Expected finite gradients; got NaN or ∞"):
        optimizer.step(broken)
    after = w.detach(), v.detach(), optimizer.state_dict()["state"]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_large_finite_gradients_are_fine():
    """Whose squares are not; a relativistic step is as long as it may be."""
    for build, length in (
        (lambda p: HeavyBall(p, 1e-25), 3**0.5),
        (lambda p: RelativisticGradientDescent(p, 1e-3, delta=4.0), 1.0),
    ):
        w = nn.Parameter(torch.zeros(3))
        w.grad = torch.full((3,), 1e25)
        build([w]).step()
        assert w.detach().norm().item() == pytest.approx(length)
        assert w.max().item() < 0


@every_build
def test_sparse_gradients_are_refused(build):
    layer = nn.Embedding(5, 4, sparse=True)
    optimizer = BUILDS[build](layer.parameters())

    def closure():
        optimizer.zero_grad()
        loss = layer(torch.tensor([1, 2])).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="expected dense gradients; got sparse ones"):
        optimizer.step(closure)


@explicit
def test_missing_gradients_rest_and_groups_can_be_added(build):
    w, v, late = (nn.Parameter(torch.ones(2, 3)) for _ in range(3))
    optimizer = BUILDS[build]([w, v])
    optimizer.add_param_group({"params": [late], "lr": 0.01})
    w.grad, late.grad = torch.ones(2, 3), torch.ones(2, 3)
    optimizer.step()
    assert torch.equal(v, torch.ones(2, 3))
    assert w.mean().item() < late.mean().item() < 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64])
@explicit
def test_other_numbers(build, dtype):
    w = nn.Parameter(torch.ones(4, dtype=dtype))
    optimizer = BUILDS[build]([w])
    for _ in range(5):
        optimizer.zero_grad()
        w.abs().square().sum().backward()
        optimizer.step()
    assert w.dtype == dtype
    assert float(w.detach().abs().max()) < 1


@explicit
def test_empty_and_strange_parameters(build):
    """Without entries, without axes, and not contiguous."""
    strange = torch.ones(3, 4).T
    parameters = [nn.Parameter(x) for x in (torch.empty(0, 3), torch.tensor(1.0), strange)]
    optimizer = BUILDS[build](parameters)
    sum(p.square().sum() for p in parameters).backward()
    optimizer.step()
    assert parameters[2].stride() == strange.stride()
    assert parameters[2].max().item() == pytest.approx(parameters[1].item())
    large = nn.Parameter(torch.ones(70_001))  # several pieces
    optimizer = BUILDS[build]([large], foreach=False)
    large.square().sum().backward()
    optimizer.step()
    assert large.unique().numel() == 1


def test_a_point_without_a_gradient_of_its_own():
    """Parameters of a Euclidean space that know it are stepped as others."""
    w = dx.optim.ManifoldParameter(torch.ones(3), dx.manifolds.Euclidean(3))
    optimizer = HeavyBall([w], 0.1)
    w.square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(w.detach().as_subclass(torch.Tensor), torch.full((3,), 0.8))


W = nn.Parameter(torch.zeros(3))


def on_sphere(build):
    return build([{"params": [nn.Parameter(torch.eye(3)[0])], "manifold": SPHERE}])


CALLS = {
    "negative friction": (
        lambda: ConformalHamiltonian([W], friction=-0.1),
        (ValueError, "expected friction to be a finite number of 0 or more; got -0.1"),
    ),
    "negative friction as momentum": (
        lambda: HeavyBall([W], momentum=1.1),
        (ValueError, "expected momentum to be a number from 0 to 1; got 1.1"),
    ),
    "negative friction in a group": (
        lambda: HamiltonianDescent([{"params": [W], "friction": -1.0}]),
        (ValueError, "expected friction to be a finite number of 0 or more; got -1.0"),
    ),
    "negative decay in a group": (
        lambda: HeavyBall([{"params": [W], "weight_decay": -1.0}]),
        (ValueError, "expected weight_decay to be a finite number of 0 or more; got -1.0"),
    ),
    "no order of a group": (
        lambda: ConformalHamiltonian([{"params": [W], "order": 3}]),
        (ValueError, "expected order to be 1 or 2; got 3"),
    ),
    "no method of a group": (
        lambda: HamiltonianDescent([{"params": [W], "method": "explicit"}]),
        (ValueError, "expected method to be 'explicit-1' or"),
    ),
    "no bound of a group": (
        lambda: RelativisticGradientDescent([{"params": [W], "delta": math.nan}]),
        (ValueError, "expected delta to be a finite number of 0 or more; got nan"),
    ),
    "no mass": (
        lambda: QuadraticKinetic(0.0),
        (ValueError, "expected mass to be a positive finite number; got 0.0"),
    ),
    "no light": (
        lambda: RelativisticKinetic(1.0, -1.0),
        (ValueError, "expected speed to be a positive finite number; got -1.0"),
    ),
    "a cone": (
        lambda: PowerKinetic(1.0, 1.0),
        (ValueError, "expected near to be a number above 1; got 1.0"),
    ),
    "no kinetic energy": (
        lambda: ConformalHamiltonian([W], kinetic="relativistic"),
        (TypeError, "Use darboux.optim.QuadraticKinetic()"),
    ),
    "none in a group": (
        lambda: ConformalHamiltonian([{"params": [W], "kinetic": 2.0}]),
        (TypeError, "Use darboux.optim.QuadraticKinetic()"),
    ),
    "too much friction": (
        lambda: HamiltonianDescent([W], 0.5, 2.0, method="explicit-2"),
        (ValueError, "expected friction · lr < 1 with explicit-2; got 1"),
    ),
    "two methods": (
        lambda: HamiltonianDescent([{"params": [W], "method": "implicit"}]),
        (ValueError, "expected the implicit method in all groups or in none"),
    ),
    "relativistic on a manifold": (
        lambda: on_sphere(RelativisticGradientDescent),
        (ValueError, "expected parameters on no manifold; got one on Sphere(n=3)"),
    ),
    "Nesterov on a manifold": (
        lambda: on_sphere(Nesterov),
        (ValueError, "Use HeavyBall, or ConformalHamiltonian with QuadraticKinetic"),
    ),
    "a manifold without equations": (
        lambda: HeavyBall(
            [{"params": [nn.Parameter(torch.eye(3))], "manifold": dx.manifolds.SPD(3)}]
        ),
        (TypeError, "Expected Sphere, SO, Stiefel, or a LevelSet"),
    ),
    "implicit on a manifold": (
        lambda: on_sphere(
            lambda g: HamiltonianDescent(g, kinetic=QuadraticKinetic(), method="implicit")
        ),
        (ValueError, "expected parameters on no manifold with the implicit method"),
    ),
    "a single tensor": (lambda: HeavyBall(W), (TypeError, "expected params to be parameters")),
    "rows": (
        lambda: HeavyBall([W]).step_map(lambda w: w.sum())(torch.zeros(2, 4)),
        (ValueError, "expected rows (batch, 6) of positions and momenta; got (2, 4)"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_answers(name):
    call, (error, words) = CALLS[name]
    with pytest.raises(error, match=re.escape(words)):
        call()


def test_implicit_steps_that_are_too_long_change_nothing():
    w = nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))
    optimizer = HamiltonianDescent([w], 100.0, method="implicit", max_iter=5)

    def closure():
        optimizer.zero_grad()
        loss = (w.square() * torch.tensor([1e3, 1.0]) + w.cos()).sum()
        loss.backward()
        return loss

    with pytest.raises(ConvergenceError, match="HamiltonianDescent"):
        optimizer.step(closure)
    assert w.tolist() == [1.0, -1.0]


def test_an_implicit_step_that_its_closure_interrupts_changes_nothing():
    w = nn.Parameter(torch.tensor([1.0, -1.0]))
    optimizer = HamiltonianDescent([w], 0.1, method="implicit")
    calls = []

    def closure():
        calls.append(w.tolist())
        if len(calls) == 3:
            raise KeyError("the user's own")
        optimizer.zero_grad()
        (w**4).sum().backward()

    with pytest.raises(KeyError):
        optimizer.step(closure)
    assert calls[2] != [1.0, -1.0] == w.tolist()


@pytest.mark.parametrize(("name", "value"), [("weight_decay", -1.0), ("lr", math.nan)])
@every_build
def test_numbers_that_a_schedule_has_spoilt_change_nothing(build, name, value):
    w = nn.Parameter(torch.ones(3))
    optimizer = BUILDS[build]([w])
    optimizer.param_groups[0][name] = value
    with pytest.raises(ValueError, match=f"Expected {name} to be"):
        optimizer.step(lambda: w.square().sum().backward())
    assert w.tolist() == [1.0, 1.0, 1.0]


@explicit
def test_parameters_without_data_are_stepped_beside_others(build):
    here, nowhere = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, device="meta"))
    for parameters in ([nowhere], [nowhere, here], [here, nowhere]):
        optimizer = BUILDS[build](parameters)
        for p in (here, nowhere):
            p.grad = torch.ones_like(p)
        before = here.tolist()
        optimizer.step()
        assert (here.tolist() != before) == (len(parameters) > 1)
    here.grad.fill_(math.nan)
    with pytest.raises(FloatingPointError):
        BUILDS[build]([nowhere, here]).step()


def test_relativistic_steps_are_bounded():
    w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = RelativisticGradientDescent([w], 0.1, delta=4.0, alpha=0.25)
    steps = []
    for slope in (1e6, -1e8):  # the second turns the ball around
        before, w.grad = w.item(), torch.full_like(w, slope)
        optimizer.step()
        steps.append(abs(w.item() - before))
    assert steps[0] <= 1 < steps[1] <= (3 - 0.25) / 2
