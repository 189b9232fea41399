"""As optimisers of torch: parity without a manifold, state, schedules, scaling, copies."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import darboux as dx
from tests.catalogue.manifolds import CASES

M = dx.manifolds
STIEFEL = M.Stiefel(6, 2)

PARITY = {
    "SGD": (dx.optim.RiemannianSGD, torch.optim.SGD, {"lr": 0.1}),
    "momentum": (dx.optim.RiemannianSGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "Nesterov": (
        *(dx.optim.RiemannianSGD, torch.optim.SGD),
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    "Adam": (dx.optim.RiemannianAdam, torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.01}),
    "maximize": (dx.optim.RiemannianAdam, torch.optim.Adam, {"lr": 0.1, "maximize": True}),
}


def trained(build, options, manifold=None):
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3, dtype=torch.float32))
    for i, parameter in enumerate(network.parameters()):
        torch.manual_seed(i)
        nn.init.normal_(parameter)
    groups = [{"params": list(network.parameters())}]
    if manifold is not None:
        groups[0]["manifold"] = manifold
    optimizer = build(groups, **options)
    for _ in range(10):
        optimizer.zero_grad()
        (network(torch.ones(2, 3)) - 0.5).square().sum().backward()
        optimizer.step()
    return [p.detach() for p in network.parameters()], optimizer


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("case", PARITY)
def test_without_a_manifold_they_are_torch_s(case, foreach):
    ours, theirs, options = PARITY[case]
    options = {**options, "foreach": foreach}
    for a, b in zip(trained(ours, options)[0], trained(theirs, options)[0], strict=True):
        assert torch.equal(a, b)


def test_a_state_of_torch_loads():
    options = {"lr": 0.1, "momentum": 0.9}
    (_, old), (_, new) = trained(torch.optim.SGD, options), trained(dx.optim.RiemannianSGD, options)
    new.load_state_dict(old.state_dict())
    new.step()


BUILDS = {
    "SGD": lambda groups, **o: dx.optim.RiemannianSGD(groups, lr=0.05, **o),
    "momentum": lambda groups, **o: dx.optim.RiemannianSGD(groups, lr=0.05, momentum=0.9, **o),
    "Adam": lambda groups, **o: dx.optim.RiemannianAdam(groups, lr=0.05, **o),
    "Muon": lambda groups, **o: dx.optim.RiemannianMuon(groups, lr=0.05, **o),
}
MANIFOLDS = {
    "Stiefel": STIEFEL,
    "SO": M.SO(3),
    "Sphere": M.Sphere(4),
    "SPD": M.SPD(3),
    "Circle": M.Circle(),
    "Product": M.Product(M.Sphere(3), M.SO(2)),
    "GL": M.GL(2),
}


def cases():
    return [
        pytest.param(build, name, id=f"{build}-{name}")
        for build in BUILDS
        for name in MANIFOLDS
        if build != "Muon" or name in ("Stiefel", "SO")
    ]


def problem(build, name, count=3, **options):
    """Return parameters, an optimiser, and a function of one step that returns the loss."""
    manifold = MANIFOLDS[name]
    torch.manual_seed(0)
    starts = manifold.random_point(2, count, 2)
    if name == "SPD":  # else eigenvalues from 0.01 to 100
        starts = torch.eye(3) + 0.1 * starts.clamp(-2, 2)
    parameters = [nn.Parameter(x.clone()) for x in starts[0]]
    optimizer = BUILDS[build]([{"params": parameters, "manifold": manifold}], **options)

    def step(optimizer=optimizer, parameters=parameters):
        optimizer.zero_grad()
        pairs = zip(parameters, starts[1], strict=True)
        loss = sum((p - y).square().mean() for p, y in pairs)
        loss.backward()
        optimizer.step()
        return loss.item()

    return parameters, optimizer, step


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("build", "name"), cases())
def test_a_step_descends_on_the_manifold(build, name):
    parameters, _, step = problem(build, name)
    first = step()
    for _ in range(20):
        last = step()
    assert last < first
    assert all(MANIFOLDS[name].check(p.detach())[0] for p in parameters)


@pytest.mark.parametrize("case", CASES)
def test_every_manifold_is_stepped(case):
    manifold = CASES[case]()
    x = manifold.random_point(2, dtype=torch.float64)
    # near to it, so that the way there is short
    v = manifold.random_tangent(x)
    goal = manifold.retract(x, 0.05 * v / (1 + manifold.norm(x, v).reshape(2, *[1] * (v.ndim - 1))))
    w = nn.Parameter(x)
    optimizer = dx.optim.RiemannianSGD([{"params": [w], "manifold": manifold}], 0.01, 0.5)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (w - goal).abs().square().sum()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert manifold.check(w.detach())[0]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("options", [{"foreach": False}, {"shared_storage": True}], ids=str)
@pytest.mark.parametrize(("build", "name"), cases())
def test_stacks_step_as_each_alone(build, name, options):
    (stacked, _, step), (other, _, step_other) = (
        problem(build, name),
        problem(build, name, **options),
    )
    for _ in range(5):
        step()
        step_other()
    for a, b in zip(stacked, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", ["state_dict", "torch.save", "deepcopy", "pickle"])
@pytest.mark.parametrize(("build", "name"), cases())
def test_saved_and_loaded_it_goes_on(build, name, way):
    parameters, optimizer, step = problem(build, name)
    for _ in range(3):
        step()
    if way in ("deepcopy", "pickle"):
        both = (parameters, optimizer)
        copied = copy.deepcopy(both) if way == "deepcopy" else pickle.loads(pickle.dumps(both))
    else:
        others, other, _ = problem(build, name)
        with torch.no_grad():
            for p, q in zip(others, parameters, strict=True):
                p.copy_(q)
        state = optimizer.state_dict()
        if way == "torch.save":
            file = io.BytesIO()
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file)
        other.load_state_dict(state)
        copied = others, other
    for _ in range(3):
        step()
        step(copied[1], copied[0])
    assert equal(parameters, copied[0])
    assert all(MANIFOLDS[name].check(p.detach())[0] for p in copied[0])


def test_the_state_of_another_manifold_is_refused():
    _, optimizer, step = problem("momentum", "Stiefel")
    step()
    _, other, _ = problem("momentum", "Sphere")
    with pytest.raises(ValueError, match=r"Expected a state of group 0 on Sphere.*got one on Stie"):
        other.load_state_dict(optimizer.state_dict())


def test_a_state_that_was_put_there_is_used():
    """Not the copy that the stack has kept."""
    parameters, optimizer, step = problem("momentum", "Stiefel")
    step()
    for state in optimizer.state.values():
        state["momentum_buffer"] = torch.zeros_like(state["momentum_buffer"])
    others, _, step_other = problem("momentum", "Stiefel")
    with torch.no_grad():
        for p, q in zip(others, parameters, strict=True):
            p.copy_(q)
    step()
    step_other()
    assert equal(parameters, others)


def test_schedules_and_clipping():
    parameters, optimizer, step = problem("momentum", "Stiefel")
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.025
    nn.utils.clip_grad_norm_(parameters, 1e-9)
    before = [p.detach().clone() for p in parameters]
    optimizer.state.clear()
    optimizer.step()
    torch.testing.assert_close(parameters, before)


def test_gradients_are_scaled_back():
    parameters, optimizer, _ = problem("momentum", "Stiefel")
    others, other, _ = problem("momentum", "Stiefel")
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(3):
        for p, opt in ((parameters, optimizer), (others, other)):
            opt.zero_grad()
            loss = sum((x[:, 0] ** 3).sum() for x in p)
            (scaler.scale(loss) if opt is optimizer else loss).backward()
        scaler.step(optimizer)
        scaler.update()
        other.step()
    for a, b in zip(parameters, others, strict=True):
        torch.testing.assert_close(a, b)
    before = [p.detach().clone() for p in parameters]
    parameters[0].grad[0] = torch.inf
    scaler._per_optimizer_states.clear()
    scaler.scale(torch.ones(()))
    scaler.step(optimizer)  # left out
    scaler.update()
    assert equal(parameters, before)


def test_add_param_group_and_missing_gradients():
    parameters, optimizer, step = problem("Adam", "Stiefel")
    step()
    late = nn.Parameter(M.Sphere(3).random_point())
    free = nn.Parameter(torch.zeros(3))
    optimizer.add_param_group({"params": [late], "manifold": M.Sphere(3)})
    optimizer.add_param_group({"params": [free]})
    parameters[1].grad = None
    before = parameters[1].detach().clone()
    late.grad, free.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    assert torch.equal(parameters[1], before)
    assert float(late.detach().norm()) == pytest.approx(1)
    torch.testing.assert_close(free.detach(), torch.full((3,), -0.05))
    counts = [float(optimizer.state[p]["step"]) for p in (*parameters, late, free)]
    assert counts == [2, 1, 2, 1, 1]
    step()  # all of them again, each with its own count
    counts = [float(optimizer.state[p]["step"]) for p in parameters]
    assert counts == [3, 2, 3]


def test_maximize():
    up = nn.Parameter(STIEFEL.random_point())
    down = nn.Parameter(up.detach().clone())
    for w, sign in ((up, 1), (down, -1)):
        groups = [{"params": [w], "manifold": STIEFEL}]
        optimizer = dx.optim.RiemannianSGD(groups, lr=0.1, maximize=sign > 0)
        (sign * w[0].sum()).backward()
        optimizer.step()
    assert torch.equal(up, down)


def test_shared_storage_guards():
    parameters, _, step = problem("momentum", "Stiefel", shared_storage=True)
    step()
    addresses = {p.untyped_storage().data_ptr() for p in parameters}
    assert len(addresses) == 1
    kept = parameters[0] ** 2
    step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept.sum().backward()
    # a parameter that was moved elsewhere is adopted again, with its value
    elsewhere = STIEFEL.random_point(2)
    parameters[1].data = elsewhere.clone()
    step()
    assert float((parameters[1].detach() - elsewhere).abs().max()) < 0.5
    assert len({p.untyped_storage().data_ptr() for p in parameters}) == 1


def test_a_new_dtype_is_noticed():
    parameters, _, step = problem("momentum", "Stiefel")
    step()
    for p in parameters:
        p.data = STIEFEL.nearest(p.data.double())
        p.grad = None
    step()
    assert parameters[0].dtype == torch.float64
    defect = STIEFEL.defect(parameters[0].detach()).max()
    assert float(defect) < 1e-13
