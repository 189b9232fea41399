"""The ways to a gradient of `odeint`: exact for the steps taken, whatever f closes over."""

import functools
import types
from dataclasses import dataclass

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import darboux as dx
from darboux.gradients import Checkpoint, OpenLayerError
from darboux.integrators import LeapfrogMidpoint

F64 = torch.float64
EXACT = ["adjoint", "checkpoint", Checkpoint(1)]
TIMES = torch.tensor([0.0, 0.13, 0.13, 0.5, 0.71, 1.0], dtype=F64)
NET = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3)).double()
with torch.no_grad():
    for parameter in NET.parameters():
        parameter.copy_(torch.linspace(0, 9, parameter.numel()).sin().reshape(parameter.shape))
OF_MODULE = types.ModuleType("elsewhere")
OF_MODULE.weight = torch.full((3,), 0.3, dtype=F64, requires_grad=True)


def flat(tensors):
    return torch.cat(
        [torch.view_as_real(x).flatten() if x.is_complex() else x.flatten() for x in tensors]
    )


def gradient_of(f, y0, t, wanted, **given):
    """Return values and one vector of derivatives by y0 and others."""
    members = y0 if isinstance(y0, tuple) else (y0,)
    y = dx.odeint(f, y0, t, **given)
    values = flat(y if isinstance(y, tuple) else (y,))
    weights = torch.linspace(0.5, 1.5, len(values), dtype=values.dtype)
    found = torch.autograd.grad((values * weights).sum(), [*members, *wanted], retain_graph=True)
    return values.detach(), flat(found)


def difference(found, exact):
    return float((found - exact).norm() / exact.norm())


def start(*shape, dtype=F64):
    return torch.randn(*shape, dtype=dtype).requires_grad_()


METHODS = {
    "dopri5": {"method": "dopri5", "rtol": 1e-4, "atol": 1e-6},
    "dopri5, rows": {"method": "dopri5", "rtol": 1e-4, "atol": 1e-6, "per_sample": True},
    "tsit5": {"method": "tsit5", "rtol": 1e-4, "atol": 1e-6},
    "radau": {"method": "radau", "rtol": 1e-3, "atol": 1e-4},
    "rk4": {"method": "rk4", "step_size": 0.1},
    "gl4": {"method": "gl4"},
    "leapfrog midpoint": {"method": LeapfrogMidpoint(), "step_size": 0.1},
    "jumps": {"method": "dopri5", "rtol": 1e-4, "atol": 1e-6, "options": {"jump_t": [0.3]}},
}


@pytest.mark.parametrize("way", EXACT, ids=repr)
@pytest.mark.parametrize("name", METHODS)
def test_exact_ways_agree_with_backpropagation(name, way):
    y0, t = start(2, 3), TIMES.clone().requires_grad_()
    wanted = [*NET.parameters(), t]
    if "options" in METHODS[name]:
        t, wanted = TIMES.tolist(), list(NET.parameters())

    def f(t, y):
        return NET(y) + torch.cos(3 * t)

    values, exact = gradient_of(f, y0, t, wanted, **METHODS[name])
    again, found = gradient_of(f, y0, t, wanted, **METHODS[name], gradient=way)
    torch.testing.assert_close(again, values, rtol=0, atol=0)
    assert difference(found, exact) < 1e-12


@pytest.mark.parametrize("way", EXACT, ids=repr)
@pytest.mark.parametrize("given", [{"method": "dopri5"}, {"method": "rk4"}], ids=str)
def test_states_of_any_form(way, given):
    w = torch.tensor(0.7, dtype=F64, requires_grad=True)

    def pair(t, y):
        return (w * y[1].sum() * y[0], -w * y[1])

    def turning(t, y):
        return 1j * w * y

    back = [1.0, 0.4, 0.0]
    for f, y0 in ((pair, (start(2), start(3, 1))), (turning, start(2, dtype=torch.complex128))):
        _, exact = gradient_of(f, y0, back, [w], **given)
        assert difference(gradient_of(f, y0, back, [w], **given, gradient=way)[1], exact) < 1e-12


@pytest.mark.parametrize("method", ["dopri5", "tsit5", "radau"])
@pytest.mark.parametrize("per_sample", [False, True])
def test_the_gradient_is_the_jvp_of_the_solve_with_its_steps_frozen(method, per_sample):
    y0, w = start(2, 3), start(3)
    given = {"method": method, "rtol": 1e-3, "atol": 1e-3, "per_sample": per_sample}

    def solve(y0, w, **more):
        return dx.odeint(lambda t, y: (w * y).sin() - t * y, y0, TIMES, **given, **more)

    out = solve(y0, w, gradient="adjoint")
    weights, ways = torch.randn_like(out), (torch.randn(2, 3, dtype=F64), torch.randn(3, dtype=F64))
    found = torch.autograd.grad((out * weights).sum(), [y0, w])
    _, tangent = torch.func.jvp(solve, (y0.detach(), w.detach()), ways)
    exact = (tangent * weights).sum()
    both = sum((g * v).sum() for g, v in zip(found, ways, strict=True))
    torch.testing.assert_close(both, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("way", ["reversible", "continuous", "adjoint"])
def test_steps_undone_between_times(way):
    field = dx.fields.HamiltonianField(
        dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), dx.activations.Tanh()
    ).double()
    wanted, y0 = list(field.parameters()), start(3, 4)
    for method in ("verlet", LeapfrogMidpoint(), "rk4"):
        if (way == "reversible") == (method == "rk4") or (way == "continuous") != (method == "rk4"):
            continue
        given = {"method": method, "step_size": 0.05}
        _, exact = gradient_of(field, y0, TIMES, wanted, **given)
        _, found = gradient_of(field, y0, TIMES, wanted, **given, gradient=way)
        assert difference(found, exact) < (1e-6 if way == "continuous" else 1e-10)


def test_the_continuous_adjoint_errs_as_the_solution_does():
    y0, errors = start(2, 3), []
    for rtol in (1e-3, 1e-6, 1e-9):
        given = {"method": "dopri5", "rtol": rtol, "atol": rtol}
        _, exact = gradient_of(lambda t, y: NET(y), y0, TIMES, NET.parameters(), **given)
        way = {**given, "gradient": "continuous"}
        _, found = gradient_of(lambda t, y: NET(y), y0, TIMES, NET.parameters(), **way)
        errors.append(difference(found, exact))
    assert errors[2] < 0.1 * max(errors) < 1e-2
    assert max(errors) > 1e-6  # it is not exact


SHARED = torch.tensor(0.4, dtype=F64, requires_grad=True)


@dataclass
class Model:
    """An object that is no module, with a network in a list and a tensor in a dictionary."""

    nets: list
    tensors: dict

    def field(self, t, y, gain):
        return self.nets[0](y) * gain + self.tensors["w"] * torch.sin(t)


def closures():
    net, w, raw = nn.Linear(3, 3).double(), start(3), start(3)
    derived = raw.exp()  # has a history of its own
    gain = start(1)
    model = Model([net], {"w": w})
    yield "method", functools.partial(model.field, gain=gain), [*net.parameters(), w, gain]
    yield "closure", lambda t, y: net(y) * derived, [*net.parameters(), raw]
    yield "default", lambda t, y, w=w: w * y, [w]
    yield "global", lambda t, y: NET(y) * SHARED, [*NET.parameters(), SHARED]

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.plain, self.others = net, w, [nn.Linear(3, 3).double()]

        def forward(self, t, y):
            return self.others[0](self.net(y)) * self.plain

    module = Plain()
    yield "module", module, [*net.parameters(), *module.others[0].parameters(), w]


@pytest.mark.parametrize("way", ["adjoint", Checkpoint(2), "continuous"], ids=repr)
@pytest.mark.parametrize("k", range(5))
def test_parameters_are_found_wherever_they_are(k, way):
    name, f, wanted = list(closures())[k]
    y0 = start(2, 3)
    given = {"method": "rk4", "step_size": 0.05}
    _, exact = gradient_of(f, y0, TIMES, wanted, **given)
    _, found = gradient_of(f, y0, TIMES, wanted, **given, gradient=way)
    assert difference(found, exact) < (1e-5 if way == "continuous" else 1e-12), name


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
@pytest.mark.parametrize("way", ["adjoint", "checkpoint", "continuous"])
def test_what_is_found_nowhere_is_refused(method, way):
    """At any time; the field looks at it late in the interval only."""
    y = dx.odeint(
        lambda t, y: y * OF_MODULE.weight if t > 0.9 else y,
        start(2, 3),
        torch.linspace(0, 1, 9),
        method=method,
        gradient=way,
    )
    with pytest.raises(OpenLayerError, match="requires a gradient"):
        y.sum().backward()


def test_hooks_are_called_once_or_refused():
    calls, net = [], nn.Linear(3, 3).double()
    hook = net.weight.register_hook(calls.append)
    for method in ("dopri5", "rk4"):
        dx.odeint(
            lambda t, y: net(y), start(2, 3), TIMES, method=method, gradient="adjoint"
        ).sum().backward()
    assert len(calls) == 2
    hook.remove()
    w = start(3)
    w.register_hook(calls.append)
    for way in ("adjoint", "continuous"):
        with pytest.raises(OpenLayerError, match="hook"):
            dx.odeint(lambda t, y: w * y, start(2, 3), TIMES, method="rk4", gradient=way)


def test_the_adjoint_by_its_own_name():
    w, v, y0 = start(1), start(1), start(2)

    def f(t, y):
        return w * y * v

    def run(**given):
        return torch.autograd.grad(
            dx.odeint_adjoint(f, y0, [0.0, 1.0], **given).sum(), [y0, w, v], allow_unused=True
        )

    both = run()
    exact = torch.autograd.grad(dx.odeint(f, y0, [0.0, 1.0]).sum(), [y0, w, v])
    torch.testing.assert_close(both, exact, rtol=1e-12, atol=1e-13)
    for way in ("adjoint", "checkpoint", "continuous"):
        some = run(adjoint_params=(w,), gradient=way)
        assert some[2] is None
        torch.testing.assert_close(some[1], exact[1], rtol=1e-4, atol=0)
        none = run(adjoint_params=(), gradient=way)
        assert none[1] is none[2] is None
        torch.testing.assert_close(none[0], exact[0], rtol=1e-4, atol=0)
    for name in ("adjoint_rtol", "adjoint_method", "adjoint_options"):
        with pytest.raises(ValueError, match=f"expected no {name}"):
            run(**{name: 1e-3})
    with pytest.raises(TypeError, match="expected tensors as adjoint_params"):
        run(adjoint_params=["w"])


class Watched(nn.Module):
    """A field with a callback."""

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(-0.5, dtype=F64))
        self.heard = 0

    def forward(self, t, y):
        return self.rate * y

    def callback_step(self, t, y, h):
        self.heard += 1


def test_callbacks_are_called_or_refused():
    f = Watched()
    dx.odeint(f, start(2), [0.0, 1.0], gradient="adjoint").sum().backward()
    assert f.heard > 0
    with pytest.raises(ValueError, match="expected no callbacks"):
        dx.odeint(f, start(2), [0.0, 1.0], method="rk4", gradient="adjoint")


class Saved:
    """What autograd keeps, for as long as it does."""

    alive = 0

    def __init__(self, tensor):
        self.tensor = tensor.detach()
        type(self).alive += tensor.numel()

    def __del__(self):
        type(self).alive -= self.tensor.numel()


def test_what_is_kept():
    net = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 3)).double()
    y0, counts = start(50, 3), {}
    for way in ("autograd", "adjoint", Checkpoint(2)):
        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            y = dx.odeint(lambda t, y: net(y), y0, [0.0, 3.0], gradient=way)
            counts[way] = Saved.alive
            del y
        assert Saved.alive == 0
    parameters = sum(p.numel() for p in net.parameters())
    assert counts["adjoint"] < 0.05 * counts["autograd"]
    assert counts[Checkpoint(2)] <= 6 * y0.numel() + parameters


def test_life():
    """Second derivatives, torch.func, a history that is gone, offloading, no gradient."""
    net, y0 = nn.Linear(3, 3).double(), start(2, 3)
    given = {"method": "rk4", "step_size": 0.1}

    def solve(y0, **more):
        return dx.odeint(lambda t, y: net(y).tanh(), y0, [0.0, 0.5], **given, **more)[-1]

    seconds = []
    for way in ("autograd", "adjoint"):
        first = torch.autograd.grad(solve(y0, gradient=way).square().sum(), y0, create_graph=True)
        seconds.append(torch.autograd.grad(first[0].square().sum(), [y0, *net.parameters()]))
    torch.testing.assert_close(seconds[0], seconds[1], rtol=1e-12, atol=1e-13)
    plain, other = (
        torch.func.jacrev(functools.partial(solve, gradient=way))(y0.detach())
        for way in ("autograd", "adjoint")
    )
    torch.testing.assert_close(plain, other)

    history = []

    def remembering(t, y):
        return net(y) if history is not None else y

    for _ in range(2):
        loss = dx.odeint(remembering, y0, TIMES, gradient="adjoint").sum()
        loss.backward()
        history.append(loss)  # the graph of which has been freed
    w, net.weight.grad = start(3), None
    with torch.autograd.graph.save_on_cpu():
        y = dx.odeint(lambda t, y: w * net(y), y0, TIMES, gradient="adjoint", **given)
    found = torch.autograd.grad(y.sum(), [w, *net.parameters()])
    exact = torch.autograd.grad(
        dx.odeint(lambda t, y: w * net(y), y0, TIMES, **given).sum(), [w, *net.parameters()]
    )
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-13)
    with torch.no_grad():
        assert not solve(y0, gradient="adjoint").requires_grad


def test_distributed(tmp_path):
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:

        class Solving(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(3, 3).double()

            def forward(self, y):
                return dx.odeint(lambda t, y: self.net(y).tanh(), y, TIMES, gradient="adjoint")

        module, y0 = Solving(), torch.randn(4, 3, dtype=F64)
        exact = torch.autograd.grad(module(y0).sum(), list(module.parameters()))
        DistributedDataParallel(module)(y0).sum().backward()
        torch.testing.assert_close([p.grad for p in module.parameters()], list(exact))
    finally:
        dist.destroy_process_group()
