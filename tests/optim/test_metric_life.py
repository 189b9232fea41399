"""Metric optimisers as optimisers of torch: state, copies, schedules, scaling, refusals."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import darboux as dx

BUILDS = {
    "KFAC": lambda model: dx.optim.KFAC(model, nn.MSELoss(), lr=0.1, momentum=0.5, damping=0.1),
    "gauss-newton": lambda model: dx.optim.NaturalGradient(
        model, nn.MSELoss(), lr=0.1, momentum=0.5
    ),
    "fisher": lambda model: dx.optim.NaturalGradient(model, nn.MSELoss(), lr=0.1, metric="fisher"),
    "diagonal": lambda model: dx.optim.NaturalGradient(
        model, nn.MSELoss(), lr=0.01, metric="diagonal"
    ),
    "BFGS": lambda model: dx.optim.BFGS(model.parameters(), lr=0.1),
}
MEASURED = [build for build in BUILDS if build != "BFGS"]  # BFGS learns from gradients
X = torch.linspace(-1, 1, 12).reshape(4, 3)


def network(*, plain=False):
    torch.manual_seed(0)
    first = nn.Linear(3, 3)
    if not plain:
        constraint = dx.linear.Orthogonal()
        nn.utils.parametrize.register_parametrization(first, "weight", constraint)
    return nn.Sequential(first, nn.Tanh(), nn.BatchNorm1d(3), nn.Linear(3, 2))


def stepped(model, optimizer, *, measure=True):
    optimizer.zero_grad()
    loss = (model(X) - 1).square().mean()
    loss.backward()
    if measure and hasattr(optimizer, "measure"):
        optimizer.measure(X)
    optimizer.step()
    return loss.item()


def equal(a, b):
    return all(map(torch.equal, a.parameters(), b.parameters()))


@pytest.fixture(autouse=True)
def quiet():
    """Batch normalisation has the diagonal, with a warning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("darboux.optim._kfac.warnings.warn", lambda *_, **__: None)
        yield


@pytest.mark.parametrize("build", BUILDS)
def test_steps_descend(build):
    model = network()
    optimizer = BUILDS[build](model)
    losses = [stepped(model, optimizer) for _ in range(20)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("way", ["state_dict", "torch.save", "deepcopy", "pickle"])
@pytest.mark.parametrize("build", BUILDS)
def test_saved_and_loaded_it_goes_on(build, way):
    model = network(plain=way == "pickle")  # which parametrised modules refuse
    optimizer = BUILDS[build](model)
    for _ in range(3):
        stepped(model, optimizer)
    if way in ("deepcopy", "pickle"):
        both = model, optimizer
        twin, other = copy.deepcopy(both) if way == "deepcopy" else pickle.loads(pickle.dumps(both))
    else:
        twin = copy.deepcopy(model)
        other, state = BUILDS[build](twin), optimizer.state_dict()
        if way == "torch.save":
            file = io.BytesIO()
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file)
        other.load_state_dict(state)
    for pair in ((model, optimizer), (twin, other)):
        torch.manual_seed(1)
        for _ in range(3):
            stepped(*pair)
    assert equal(model, twin)


def test_factors_of_plain_layers_are_used_again_and_others_have_to_be_measured():
    for plain in (True, False):
        model = network(plain=plain)
        kfac = BUILDS["KFAC"](model)
        stepped(model, kfac)
        twin = copy.deepcopy(model)
        other = BUILDS["KFAC"](twin)
        other.load_state_dict(kfac.state_dict())
        for pair in ((model, kfac), (twin, other)):
            torch.manual_seed(1)
            if pair[0] is twin and not plain:
                with pytest.raises(RuntimeError, match=r"loaded without one. Call measure"):
                    stepped(*pair, measure=False)
            else:
                stepped(*pair, measure=False)
        assert equal(model, twin) == plain


@pytest.mark.parametrize("build", MEASURED)
def test_measuring_changes_nothing_but_the_metric(build):
    model = nn.Sequential(network(), nn.Dropout(0.5))
    optimizer = BUILDS[build](model)
    fired = []
    for p in model.parameters():
        p.register_hook(lambda g: fired.append(g))
    before = [t.clone() for t in (*model.parameters(), *model.buffers())]
    numbers = torch.get_rng_state()
    optimizer.measure(X)
    assert torch.equal(numbers, torch.get_rng_state())
    assert all(map(torch.equal, before, (*model.parameters(), *model.buffers())))
    assert not fired
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("build", BUILDS)
def test_schedules_and_clipping(build):
    model = network()
    optimizer = BUILDS[build](model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.0)
    stepped(model, optimizer)
    schedule.step()
    before = copy.deepcopy(model)
    stepped(model, optimizer)
    assert equal(model, before)
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match="Expected lr to be a finite number of 0 or more"):
        stepped(model, optimizer)


@pytest.mark.parametrize("build", BUILDS)
def test_gradients_are_scaled_back(build):
    """And an overflow leaves the step out."""
    weights = []
    for enabled in (True, False):
        model = network()
        optimizer = BUILDS[build](model)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, enabled=enabled)
        for k in range(4):
            optimizer.zero_grad()
            scaler.scale((model(X) - 1).square().mean()).backward()
            if k == 2:
                next(model.parameters()).grad[0] = torch.inf
            if hasattr(optimizer, "measure"):
                optimizer.measure(X)
            if enabled or k != 2:
                scaler.step(optimizer)
                scaler.update()
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("build", MEASURED)
def test_under_autocast_the_metric_is_that_of_full_precision(build):
    found = []
    for enabled in (True, False):
        model = network()
        optimizer = BUILDS[build](model)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            optimizer.measure(X)
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        found.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("build", BUILDS)
def test_half_precision(build):
    model = network(plain=True)[:2].bfloat16()
    optimizer = BUILDS[build](model)
    if hasattr(optimizer, "measure"):
        optimizer.measure(X.bfloat16())
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert all(p.dtype == torch.bfloat16 and bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("build", BUILDS)
def test_gradients_that_are_not_finite_change_nothing(build, bad):
    model = network()
    optimizer = BUILDS[build](model)
    stepped(model, optimizer)
    before = copy.deepcopy(model)
    model(X).sum().backward()
    next(model.parameters()).grad.view(-1)[0] = bad
    with pytest.raises(FloatingPointError, match="Expected finite gradients; got NaN or ∞"):
        optimizer.step()
    assert equal(model, before)


@pytest.mark.parametrize("build", BUILDS)
def test_sparse_gradients_are_refused(build):
    model = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Linear(3, 2))
    optimizer = BUILDS[build](model)
    tokens = torch.tensor([1, 2])
    model(tokens).sum().backward()
    if hasattr(optimizer, "measure"):
        with pytest.raises(RuntimeError, match="expected dense gradients; got sparse ones"):
            optimizer.measure(tokens)
    with pytest.raises(RuntimeError, match="expected dense gradients; got sparse ones"):
        optimizer.step()


@pytest.mark.parametrize("build", BUILDS)
def test_gradients_that_are_missing(build):
    model = network()
    optimizer = BUILDS[build](model)
    stepped(model, optimizer)
    bias = model[-1].bias
    before, others = bias.detach().clone(), copy.deepcopy(model)
    bias.grad = None
    optimizer.step()
    assert torch.equal(bias.detach(), before)
    assert not equal(model, others)


def test_a_compiled_model_is_measured_by_the_one_inside():
    model = network(plain=True)
    kfac = BUILDS["KFAC"](torch.compile(model, backend="eager"))
    kfac.measure(X)
    assert len(kfac._blocks) == 2


PARTLY = {
    **dict.fromkeys(
        ("KFAC", "constrained"),
        lambda model, params: dx.optim.KFAC(
            model, nn.MSELoss(), params, damping=1e-4, tol=1e-9, momentum=0.0
        ),
    ),
    "gauss-newton": lambda model, params: dx.optim.NaturalGradient(
        model, nn.MSELoss(), params, damping=1e-4, tol=1e-9
    ),
    "fisher": lambda model, params: dx.optim.NaturalGradient(
        model, nn.MSELoss(), params, damping=1e-4, metric="fisher"
    ),
}


@pytest.mark.parametrize("build", PARTLY)
def test_frozen_parameters_are_no_part_of_the_metric(build):
    """Those that got no gradient stay, and others step as if they were alone."""
    ends = []
    for late in (True, False):
        model = network(plain=build != "constrained").double()
        frozen = [*model[3].parameters(), model[0].bias]
        free = [p for p in model.parameters() if not any(p is q for q in frozen)]
        for p in frozen:
            p.requires_grad_(late)
        optimizer = PARTLY[build](model, [*free, *frozen] if late else free)
        for p in frozen:
            p.requires_grad = False
        (model(X.double()) - 1).square().mean().backward()
        optimizer.measure(X.double())
        optimizer.step()
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-8)


def test_bfgs_leaves_frozen_parameters_and_goes_on_with_others():
    a = torch.randn(6, 6, dtype=torch.float64)
    hessian = a @ a.T + torch.eye(6)
    w = [nn.Parameter(torch.randn(3, dtype=torch.float64)) for _ in range(2)]
    bfgs = dx.optim.BFGS(w)

    def step():
        bfgs.zero_grad()
        x = torch.cat(w)
        (x @ hessian @ x / 2).backward()
        bfgs.step()

    for _ in range(12):
        step()
    w[0].requires_grad = False
    with torch.no_grad():
        w[1].add_(1.0)
    before = w[0].tolist()
    for _ in range(8):
        step()
    assert w[0].tolist() == before
    expected = -torch.linalg.solve(hessian[3:, 3:], hessian[3:, :3] @ w[0])
    torch.testing.assert_close(w[1].detach(), expected.detach(), rtol=1e-5, atol=1e-6)
    w[0].requires_grad = True
    for _ in range(15):
        step()
    end = torch.cat(w).detach()
    torch.testing.assert_close(end, torch.zeros_like(end), rtol=0, atol=1e-6)


@pytest.mark.parametrize("build", ["KFAC", "gauss-newton", "fisher"])
def test_a_metric_of_before_is_forgotten_where_a_state_is_loaded(build):
    model = network(plain=True)
    optimizer = BUILDS[build](model)
    stepped(model, optimizer)
    twin = copy.deepcopy(model)
    other = BUILDS[build](twin)
    other.measure(10 * X)
    other.load_state_dict(optimizer.state_dict())
    if build == "KFAC":  # whose state has the factors
        for pair in ((model, optimizer), (twin, other)):
            stepped(*pair, measure=False)
        assert equal(model, twin)
    else:
        with pytest.raises(RuntimeError, match="Call measure"):
            stepped(twin, other, measure=False)


def test_bfgs_refuses_complex_parameters():
    with pytest.raises(ValueError, match="expected real parameters"):
        dx.optim.BFGS([nn.Parameter(torch.zeros(2, dtype=torch.complex64))])


CLOSURES = {
    **BUILDS,
    "flow": lambda model: dx.optim.WassersteinFlow([model[3].weight], 0.1),
    "discrete": lambda model: dx.optim.DiscreteGradientDescent(model.parameters(), 0.1),
    "parts": lambda model: dx.optim.PortHamiltonianDescent(model.parameters(), 0.1),
}


@pytest.mark.parametrize("build", CLOSURES)
def test_closures_under_a_gradient_scaler_are_refused(build):
    model = network()
    optimizer = CLOSURES[build](model)
    before = copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu")

    def closure():
        loss = (model(X) - 1).square().mean()
        scaler.scale(loss).backward()
        return loss

    closure()
    with pytest.raises(RuntimeError, match=r"expected no closure with torch.amp.GradScaler"):
        scaler.step(optimizer, closure)
    assert equal(model, before)
