"""Options of odeint: jumps, steps, norms, grids, callbacks; and what is refused by name."""

import math
from itertools import pairwise

import pytest
import torch

import darboux as dx
from darboux.flow import odeint
from darboux.flow._method_names import as_method
from darboux.integrators import RungeKutta, StiffnessError, Tableau

PAIRS = ["adaptive_heun", "bosh3", "dopri5", "dopri8", "fehlberg2", "tsit5"]
ALL = pytest.mark.parametrize("method", ["bosh3", "dopri5", "dopri8", "radau", "tsit5", "rk4"])
Y0 = torch.tensor([1.0, 0.5], dtype=torch.float64)


class Recorder:
    """A field that jumps at 0.5 and keeps the times at which it is asked."""

    def __init__(self, jump=0.5):
        self.jump, self.times = jump, []

    def __call__(self, t, y):
        self.times.append(t.item())
        return -y if t < self.jump else 2 * y


def settings(method):
    return {"step_size": 0.2} if method == "rk4" else {"rtol": 1e-8, "atol": 1e-10}


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_end_at_jumps_and_begin_anew(method, dtype):
    f, exact = Recorder(), Y0 * math.exp(-0.5 + 2 * 0.5)
    options = {"jump_t": torch.tensor([0.5, 0.5, -1.0, 7.0])}
    times = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    if method == "rk4":
        y = odeint(f, Y0.to(dtype), times, method=method, options=options, step_size=0.05)
    else:
        y = odeint(f, Y0.to(dtype), times, method=method, options=options, rtol=1e-8, atol=1e-10)
    assert y.shape == (5, 2)
    torch.testing.assert_close(y[-1], exact.to(dtype), rtol=2e-5, atol=0)
    torch.testing.assert_close(y[2], (Y0 * math.exp(-0.5)).to(dtype), rtol=2e-5, atol=0)
    before = [t for t in f.times if t < 0.5]
    assert 0.5 not in f.times
    assert 0 < 0.5 - max(before) < 1e-7  # a stage at the end of the step, just before the jump


@ALL
def test_backward_in_time_the_other_side_comes_first(method):
    times = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    options = {"jump_t": [0.5]}
    step = {"step_size": 0.05} if method == "rk4" else settings(method)
    y = odeint(Recorder(), Y0, times, method=method, options=options, **step)
    torch.testing.assert_close(y[1], Y0 * math.exp(-1.0), rtol=1e-6, atol=0)
    torch.testing.assert_close(y[2], Y0 * math.exp(-1.0 + 0.5), rtol=1e-6, atol=0)


def test_a_jump_that_is_known_costs_fewer_evaluations():
    for method in (*PAIRS, "radau"):
        found, counts = [], []
        for options in ({}, {"jump_t": [0.5]}):
            f = Recorder()
            found.append(odeint(f, Y0, [0.0, 1.0], method=method, rtol=1e-4, options=options)[-1])
            counts.append(len(f.times))
        assert counts[1] < counts[0], method


@pytest.mark.parametrize("method", ["dopri5", "rk4", "radau"])
def test_gradients_through_jumps(method):
    rate = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    y0 = Y0.clone().requires_grad_()
    t = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64, requires_grad=True)

    def f(t, y):
        return -rate * y if t < 0.5 else rate**2 * y

    step = {"step_size": 0.01} if method == "rk4" else settings(method)
    y = odeint(f, y0, t, method=method, options={"jump_t": [0.5]}, **step)
    found = torch.autograd.grad(y[-1].sum(), (rate, y0, t))
    total = (y0 * torch.exp(-rate * (0.5 - t[0]) + rate**2 * (t[2] - 0.5))).sum()
    expected = torch.autograd.grad(total, (rate, y0, t), allow_unused=True)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_jumps_and_other_ways_to_the_gradient(method, gradient):
    rate = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)

    def f(t, y):
        return -rate * y if t < 0.5 else rate**2 * y

    found = [
        torch.autograd.grad(
            odeint(
                f,
                Y0,
                [0.0, 1.0],
                method=method,
                options={"jump_t": [0.5]},
                gradient=way,
                **settings(method),
            )[-1].sum(),
            rate,
        )[0]
        for way in ("autograd", gradient)
    ]
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)


def test_jumps_with_tuples_samples_and_fields():
    def pair(t, y):
        f = Recorder()
        return f(t, y[0]), f(t, y[1])

    y = odeint(pair, (Y0, Y0[:1]), [0.0, 1.0], options={"jump_t": [0.5]})
    torch.testing.assert_close(y[1][-1], Y0[:1] * math.exp(0.5), rtol=1e-5, atol=0)

    def rows(t, y):
        return torch.where(t < 0.5, -y, 2 * y)

    y = odeint(
        rows, torch.ones(3, 2).double(), [0.0, 1.0], per_sample=True, options={"jump_t": [0.5]}
    )
    torch.testing.assert_close(y[-1], torch.full((3, 2), math.exp(0.5)).double(), rtol=1e-5, atol=0)
    field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()).double()
    one, other = (
        odeint(field, torch.ones(1, 2).double(), [0.0, 1.0], method="rk4", step_size=0.5, options=o)
        for o in ({}, {"jump_t": [0.5]})
    )
    torch.testing.assert_close(one, other)  # an autonomous field does not jump

    class Moving:
        def drift(self, t, z, p):
            return p

        def kick(self, t, z, p):
            return -z * t

    with pytest.raises(TypeError, match=r"a function f\(t, y\) with jump_t"):
        odeint(Moving(), torch.ones(1, 2), [0.0, 1.0], method="verlet", options={"jump_t": [0.5]})


def test_a_step_ends_at_step_t():
    f = Recorder(jump=9.0)
    odeint(f, Y0, [0.0, 1.0], options={"step_t": [0.37]})
    assert 0.37 in f.times


def counted(options, *, method="dopri5", **arguments):
    calls = []

    def f(t, y):
        calls.append(t.item())
        return torch.sin(20 * t) * y

    return odeint(f, Y0, [0.0, 2.0], method=method, options=options, **arguments), calls


@pytest.mark.parametrize("method", [*PAIRS, "radau"])
def test_settings_of_steps(method):
    arguments = {"method": method, "rtol": 1e-3, "atol": 1e-5}
    _, usual = counted({}, **arguments)
    _, short = counted({"max_step": 2 / len(usual)}, **arguments)
    assert len(short) > len(usual)
    with pytest.raises(StiffnessError, match=r"at most 3 steps \(max_steps\)"):
        counted({"max_num_steps": 3}, **arguments)
    with pytest.raises(StiffnessError, match=r"steps of at least"):
        counted({"min_step": 1.0, "max_step": 0.01}, **arguments)
    if method != "radau":
        _, careful = counted({"safety": 0.3, "ifactor": 1.5, "dfactor": 0.5}, **arguments)
        assert len(careful) != len(usual)


def test_options_are_those_of_the_object():
    one, _ = counted({"first_step": 0.01, "ifactor": 2.0, "dfactor": 0.5, "safety": 0.8})
    method = dx.integrators.DormandPrince(first_step=0.01, grow=2.0, shrink=0.5, safety=0.8)
    torch.testing.assert_close(one, counted({}, method=method)[0], rtol=0, atol=0)
    with pytest.raises(
        ValueError, match=r"settings of DormandPrince.*DormandPrince\(first_step=0.01\)"
    ):
        counted({"first_step": 0.01}, method=dx.integrators.DormandPrince())


def test_a_norm_sees_states_and_decides():
    seen = []

    def norm(y):
        seen.append(tuple(member.shape for member in y))
        return y[0].abs().max()

    def f(t, y):
        return -y[0], 100 * torch.cos(100 * t) * torch.ones(2, 2)

    y0 = (torch.ones(()), torch.zeros(2, 2))
    calls = [0]

    def tallied(t, y):
        calls[0] += 1
        return f(t, y)

    odeint(tallied, y0, [0.0, 1.0], options={"norm": norm})
    first = calls[0]
    odeint(tallied, y0, [0.0, 1.0])
    assert set(seen) == {((), (2, 2))}
    assert 4 * first < calls[0]  # nobody looks at the fast member
    with pytest.raises(ValueError, match=r"no norm with per_sample=True"):
        odeint(
            lambda t, y: -y, torch.ones(2, 1), [0.0, 1.0], per_sample=True, options={"norm": norm}
        )


@pytest.mark.parametrize("backward", [False, True])
def test_a_grid_of_steps(backward):
    end = -1.0 if backward else 1.0
    grid = [0.0, 0.1, 0.4, 1.0] if not backward else [0.0, -0.1, -0.4, -1.0]
    seen = []

    def constructor(f, y0, t):
        seen.append((y0.shape, t.shape))
        return torch.tensor(grid, dtype=torch.float64)

    times = torch.tensor([0.0, grid[2], end], dtype=torch.float64)
    options = {"grid_constructor": constructor}
    found = odeint(lambda t, y: y, Y0, times, method="euler", options=options)
    steps = [b - a for a, b in pairwise(grid)]
    assert seen == [((2,), (3,))]
    product = [1.0, (1 + steps[0]) * (1 + steps[1]), math.prod(1 + h for h in steps)]
    torch.testing.assert_close(found, torch.tensor(product).double().outer(Y0))


def test_step_size_is_an_option_too():
    one = odeint(lambda t, y: t * y, Y0, [0.0, 1.0], method="rk4", options={"step_size": 0.25})
    other = odeint(lambda t, y: t * y, Y0, [0.0, 1.0], method="rk4", step_size=0.25)
    torch.testing.assert_close(one, other, rtol=0, atol=0)


class Listening:
    """A field with callbacks, which keeps what they hear."""

    def __init__(self):
        self.heard = []

    def __call__(self, t, y):
        return torch.sin(30 * t) * y

    def callback_step(self, t, y, h):
        self.heard.append(("step", t, y, h))

    def callback_accept_step(self, t, y, h):
        self.heard.append(("accept", t, y, h))

    def callback_reject_step(self, t, y, h):
        self.heard.append(("reject", t, y, h))


@pytest.mark.parametrize("method", [*PAIRS, "radau", "rk4", "implicit_midpoint"])
def test_callbacks_hear_of_every_step(method):
    f = Listening()
    fixed = method in ("rk4", "implicit_midpoint")
    step = {"step_size": 0.25} if fixed else {"options": {"first_step": 0.5}, "rtol": 1e-4}
    y0 = Y0.clone().requires_grad_()
    odeint(f, y0, [0.0, 0.5, 1.0], method=method, **step)
    kinds = [kind for kind, *_ in f.heard]
    assert kinds[::2] == ["step"] * (len(kinds) // 2)  # each is followed by what became of it
    assert set(kinds[1::2]) == ({"accept"} if fixed else {"accept", "reject"})
    accepted = [(t.item(), h.item()) for kind, t, _, h in f.heard if kind == "accept"]
    for (t, h), (after, _) in pairwise(accepted):
        assert abs(t + h - after) < 1e-12
    _, t, y, h = f.heard[0]
    assert (t.shape, y.shape, h.shape) == ((), (2,), ())
    assert not y.requires_grad
    if fixed:
        assert accepted == [(0.0, 0.25), (0.25, 0.25), (0.5, 0.25), (0.75, 0.25)]


def test_callbacks_see_tuples_and_no_samples():
    class Pair(Listening):
        def __call__(self, t, y):
            return -y[0], -y[1]

    f = Pair()
    odeint(f, (Y0, Y0[:1]), [0.0, -1.0])
    assert [member.shape for member in f.heard[0][2]] == [(2,), (1,)]
    assert f.heard[0][3].item() < 0
    with pytest.raises(ValueError, match=r"without callback_step.*per_sample=True"):
        odeint(Listening(), torch.ones(2, 1), [0.0, 1.0], per_sample=True)


def grid(*values):
    return {"grid_constructor": lambda f, y0, t: torch.tensor(values)}


REFUSED = {
    "unknown": ({"stepsize": 1.0}, {}, r"options among dfactor.*; got 'stepsize'"),
    "interp": (
        {"interp": "cubic"},
        {},
        r"no option 'interp'.*leave it out: steps end at the times",
    ),
    "perturb": ({"perturb": True}, {}, r"no option 'perturb'.*'jump_t'"),
    "grid_points": ({"grid_points": [1.0]}, {}, r"no option 'grid_points'.*'jump_t'"),
    "max_iters": ({"max_iters": 5}, {}, r"ImplicitRungeKutta\(tableau, max_iter="),
    "solver": ({"solver": "LSODA"}, {}, r"scipy.integrate.solve_ivp"),
    "dtype": ({"dtype": torch.float32}, {}, r"no dtype but torch.float64"),
    "fixed": ({"first_step": 0.1}, {"method": "rk4"}, r"no option 'first_step' with Kutta4"),
    "radau": ({"safety": 0.5}, {"method": "radau"}, r"no option 'safety' with AdaptiveRadau"),
    "norm": ({"norm": torch.norm}, {"method": "rk4"}, r"no option 'norm' with Kutta4"),
    "step": ({"step_size": 0.1}, {}, r"no step_size with DormandPrince"),
    "steps": ({"step_size": 0.1}, {"method": "rk4", "step_size": 0.2}, r"one of step_size"),
    "negative": ({"step_size": -0.1}, {"method": "rk4"}, r"step_size to be a positive finite"),
    "both": (
        {"step_size": 0.1, **grid(0.0, 1.0)},
        {"method": "rk4"},
        r"one of step_size.*'grid_constructor'",
    ),
    "grid": (grid(0.0, 1.0), {}, r"no option 'grid_constructor' with DormandPrince"),
    "short": (grid(0.0, 0.5), {"method": "rk4"}, r"from the first of t to the last"),
    "scalar": (grid(), {"method": "rk4"}, r"from the first of t to the last"),
    "jump": ({"jump_t": [math.nan]}, {}, r"jump_t to be finite times"),
    "text": ({"jump_t": "now"}, {}, r"jump_t to be finite times; got 'now'"),
    "learned": (
        {"jump_t": torch.ones(1, requires_grad=True)},
        {},
        r"jump_t without gradients.*event_fn",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_by_name(name):
    options, arguments, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        odeint(lambda t, y: -y, Y0, [0.0, 1.0], options=options, **arguments)


def test_options_that_change_nothing():
    plain = odeint(lambda t, y: -y, Y0, [0.0, 1.0])
    options = {"dtype": torch.float64, "perturb": False, "norm": None, "jump_t": None}
    torch.testing.assert_close(odeint(lambda t, y: -y, Y0, [0.0, 1.0], options=options), plain)


def test_rk4_is_the_classical_method_and_the_other_one_a_tableau():
    """3/8 rule, of the same order: what torchdiffeq calls rk4."""
    rows = ((0, 0, 0, 0), (1 / 3, 0, 0, 0), (-1 / 3, 1, 0, 0), (1, -1, 1, 0))
    other = RungeKutta(Tableau(rows, (1 / 8, 3 / 8, 3 / 8, 1 / 8), (0, 1 / 3, 2 / 3, 1), "3/8"))
    assert as_method("rk4") == dx.integrators.Kutta4()
    assert other.order == 4
    one, two = (odeint(lambda t, y: t * y, Y0, [0.0, 1.0], method=m)[-1] for m in ("rk4", other))
    assert 0 < float((one - two).abs().max()) < 1e-2
