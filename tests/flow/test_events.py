"""Events of odeint: where they are, their derivatives, and refusals."""

import math

import pytest
import torch

import darboux as dx
from darboux.flow import odeint, odeint_event
from darboux.integrators import LeapfrogMidpoint

FIXED = {"rk4": 4, "implicit_midpoint": 2, "heun3": 3, LeapfrogMidpoint(): 2}
ADAPTIVE = ["bosh3", "dopri5", "dopri8", "radau", "tsit5"]


def settings(method):
    tolerances = {"rtol": 1e-10, "atol": 1e-12}
    return tolerances if method in ADAPTIVE else {"step_size": 0.1}


def height(t, y):
    return y[0]


def fall(gravity):
    """A ball under constant gravity: all methods of order 2 are exact."""
    return lambda t, y: (y[1], -gravity)


def thrown(position, speed):
    return position, speed.clone()


@pytest.mark.parametrize("method", [*FIXED, *ADAPTIVE], ids=str)
def test_a_ball_meets_the_ground_with_first_and_second_derivatives(method):
    gravity, position, speed = (
        torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (10.0, 2.0, 3.0)
    )
    start = thrown(position, speed)
    time, (path, speeds) = odeint_event(
        fall(gravity), start, 0.5, event_fn=height, method=method, **settings(method)
    )
    root = (speed**2 + 2 * gravity * position).sqrt()
    expected = 0.5 + (speed + root) / gravity
    torch.testing.assert_close(time, expected, rtol=1e-8, atol=0)
    torch.testing.assert_close(speeds, torch.stack([speed, -root]), rtol=1e-8, atol=0)
    assert path.shape == (2,)
    assert abs(path[1].item()) < 1e-12
    inputs = (gravity, position, speed)
    for found, exact in ((time, expected), (speeds[1], -root)):
        first, wanted = (torch.autograd.grad(x, inputs, create_graph=True) for x in (found, exact))
        torch.testing.assert_close(first, wanted, rtol=1e-7, atol=1e-9)
        second, exact_second = (
            torch.autograd.grad(
                sum(g * w for g, w in zip(x, (1, 2, 3), strict=True)), inputs, retain_graph=True
            )
            for x in (first, wanted)
        )
        torch.testing.assert_close(second, exact_second, rtol=1e-5, atol=1e-7)


def pendulum(length):
    return lambda t, y: torch.stack([y[1], -torch.sin(y[0]) / length - 0.1 * t * y[1]])


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_derivatives_of_moving_thresholds_against_differences(method):
    """g depends on t, y and parameters; t_0 has a derivative too."""

    def event(parameters):
        length, threshold, start = parameters.unbind()
        y0 = torch.stack([1.0 + 0 * length, -threshold])
        time, y = odeint_event(
            pendulum(length),
            y0,
            start,
            event_fn=lambda t, y: y[0] - threshold * torch.cos(t),
            method=method,
            **({"rtol": 1e-8} if method == "dopri5" else {"step_size": 0.2}),
        )
        return torch.cat([time.reshape(1), y[1]])

    parameters = torch.tensor([1.3, 0.2, 0.4], dtype=torch.float64)
    found = torch.func.jacrev(event)(parameters)
    h = 1e-5
    columns = [
        (event(parameters + h * e) - event(parameters - h * e)) / (2 * h)
        for e in torch.eye(3, dtype=torch.float64)
    ]
    expected = torch.stack(columns, dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    direction = torch.tensor([1.0, -2.0, 0.5]).double()
    forward = torch.func.jvp(event, (parameters,), (direction,))[1]
    torch.testing.assert_close(forward, found @ direction, rtol=1e-8, atol=1e-9)


def test_the_derivative_is_the_formula():
    """dt*/dθ = -(g_y y_θ + g_θ)/(g_t + g_y f) for ẏ = θ y, g = y - c t."""
    rate, slope = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (-0.5, 0.7))
    time, y = odeint_event(
        lambda t, y: rate * y,
        torch.ones(1, dtype=torch.float64),
        0.0,
        event_fn=lambda t, y: y - slope * t,
        rtol=1e-11,
        atol=1e-13,
    )
    t, value = time.item(), y[1].item()
    passing = rate.item() * value - slope.item()
    found = torch.autograd.grad(time, (rate, slope))
    expected = (-t * value / passing, t / passing)
    for derivative, exact in zip(found, expected, strict=True):
        assert abs(derivative.item() - exact) < 1e-8


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_the_first_of_several_components(method):
    def circle(t, y):
        return torch.stack([y[1], -y[0]])

    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    time, _ = odeint(
        circle,
        y0,
        [0.0, 1.0],
        method=method,
        event_fn=lambda t, y: torch.stack([t - 2.0, y[0] + 0.3, y[1] + 2.0]),
        **settings(method),
    )
    assert abs(time.item() - math.acos(-0.3)) < 1e-5
    time, _ = odeint(
        circle,
        y0,
        [0.0, 1.0],
        method=method,
        event_fn=lambda t, y: torch.stack([t - 1.5, y[0] + 0.3]),
        **settings(method),
    )
    assert abs(time.item() - 1.5) < 1e-12


@pytest.mark.parametrize("method", ["dopri5", "rk4", "radau"])
def test_backward_in_time_and_far_away(method):
    y0 = torch.ones(1, dtype=torch.float64)
    time, y = odeint_event(
        lambda t, y: 0.01 * y,
        y0,
        torch.tensor(3.0, dtype=torch.float64),
        event_fn=lambda t, y: y - 0.5,
        reverse_time=True,
        method=method,
        **settings(method),
    )
    assert abs(time.item() - (3 - 100 * math.log(2))) < 1e-6
    torch.testing.assert_close(y[:, 0], torch.tensor([1.0, 0.5]).double(), rtol=1e-9, atol=1e-9)


def test_complex_states_and_float32():
    time, y = odeint_event(
        lambda t, y: 1j * y,
        torch.ones((), dtype=torch.complex128),
        0.0,
        event_fn=lambda t, y: y.real,
    )
    assert abs(time.item() - math.pi / 2) < 1e-6
    assert y.dtype == torch.complex128
    time, y = odeint_event(
        lambda t, y: -y, torch.ones(2), torch.tensor(0.0), event_fn=lambda t, y: y.sum() - 1
    )
    assert time.dtype == y.dtype == torch.float32
    assert abs(time.item() - math.log(2)) < 1e-5


@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
@pytest.mark.parametrize("method", ["dopri5", "radau", "rk4", "implicit_midpoint"])
def test_other_ways_to_the_gradient_of_an_event(method, gradient):
    length, height = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (1.3, -0.4))
    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    found = []
    for way in ("autograd", gradient):
        time, y = odeint_event(
            pendulum(length),
            y0,
            0.0,
            event_fn=lambda t, y: y[0] - height,
            method=method,
            gradient=way,
            **({} if method in ADAPTIVE else {"step_size": 0.1}),
        )
        found.append(torch.autograd.grad(time + y[1, 1], (length, height, y0)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-10)


def test_chosen_parameters_do_not_go_with_events():
    with pytest.raises(ValueError, match=r"without adjoint_params"):
        dx.odeint_adjoint(
            decay, torch.ones(1), [0.0, 1.0], event_fn=lambda t, y: y - 0.5, adjoint_params=()
        )


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_gradients_of_float32_and_complex_states(method):
    for dtype, tolerance in ((torch.float32, 1e-3), (torch.complex128, 1e-6)):
        rate = torch.tensor(0.5, dtype=dtype.to_real(), requires_grad=True)
        y0 = torch.ones(2, dtype=dtype)
        step = {"step_size": 0.1} if method == "rk4" else {"rtol": 1e-6}
        time, _ = odeint_event(
            lambda t, y, rate=rate: -rate * y,
            y0,
            0.0,
            event_fn=lambda t, y: y.real.sum() - 1,
            method=method,
            **step,
        )
        slope = torch.autograd.grad(time, rate)[0].item()
        assert abs(slope + math.log(2) / 0.25) < tolerance * 10


def test_states_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"expected finite values.*the solution at t\[1\] = 3"):
        odeint_event(
            lambda t, y: y**3,
            torch.ones(1).double() * 5,
            0.0,
            event_fn=lambda t, y: t - 3.0,
            method="euler",
            step_size=0.5,
        )


@pytest.mark.parametrize("gradient", ["autograd", "adjoint"])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
def test_an_event_at_the_start_or_in_the_first_step(method, gradient):
    for start in (0.0, -0.02):
        y0 = torch.tensor([start, 3.0], dtype=torch.float64, requires_grad=True)
        time, y = odeint_event(
            lambda t, y: torch.ones_like(y),
            y0,
            2.0,
            event_fn=lambda t, y: y[0],
            method=method,
            gradient=gradient,
            **settings(method),
        )
        assert abs(time.item() - 2.0 + start) < 1e-12
        for wanted, slopes in ((time, [-1.0, 0.0]), (y[1, 1], [-1.0, 1.0])):
            found = torch.autograd.grad(wanted, y0, retain_graph=True)[0]
            torch.testing.assert_close(found, torch.tensor(slopes).double())


def test_bouncing_by_repeated_events():
    """A ball that keeps 0.9 of its speed; the times are a geometric series."""
    gravity = torch.tensor(9.81, dtype=torch.float64, requires_grad=True)
    time = torch.tensor(0.0, dtype=torch.float64)
    state = (torch.tensor(1e-7).double(), torch.tensor(5.0).double())
    for _ in range(4):
        time, (path, speeds) = odeint_event(fall(gravity), state, time, event_fn=height)
        state = (path[1] + 1e-7, -0.9 * speeds[1])
    expected = 2 * 5 / 9.81 * sum(0.9**k for k in range(4))
    assert abs(time.item() - expected) < 1e-6
    slope = torch.autograd.grad(time, gravity)[0].item()
    assert abs(slope + expected / 9.81) < 1e-5


def grazing(below, method="dopri5"):
    """A ball whose apex, 1.25 after 0.5, is the end of a step."""
    speed = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    start = (torch.zeros((), dtype=torch.float64), speed)
    steps = {"options": {"first_step": 0.1, "max_step": 0.1}} if method == "dopri5" else {}
    return speed, odeint_event(
        fall(torch.tensor(10.0).double()),
        start,
        0.0,
        event_fn=lambda t, y: torch.stack([1.25 - below - y[0], 1 - t]),
        method=method,
        step_size=0.1 if method == "rk4" else None,
        **steps,
    )


@pytest.mark.parametrize(("method", "below"), [("dopri5", 1e-11), ("rk4", 4e-16)])
def test_grazing_events_have_no_gradient(method, below):
    speed, (time, (path, _)) = grazing(below, method)
    assert abs(time.item() - 0.5) < 1e-5  # the time alone is there
    for wanted in (time, path[1]):
        with pytest.raises(ValueError, match=r"to pass 0 with a slope.*a grazing event"):
            torch.autograd.grad(wanted, speed, retain_graph=True)
    assert torch.autograd.grad(path[0], speed)[0].item() == 0  # the start does not depend on it
    speed, (time, _) = grazing(0.25, method)
    exact = 0.5 - math.sqrt(0.25 - 0.2)
    assert abs(time.item() - exact) < 1e-9
    slope = -exact / (5 - 10 * exact)
    assert abs(torch.autograd.grad(time, speed)[0].item() - slope) < 1e-8


def test_an_event_that_jumps_to_0_ends_the_solution():
    y0 = torch.ones(1, dtype=torch.float64, requires_grad=True)
    time, y = odeint_event(
        decay, y0, 0.0, event_fn=lambda t, y: torch.ones(()) if t < 1.5 else torch.zeros(())
    )
    assert abs(time.item() - 1.5) < 1e-12
    with pytest.raises(ValueError, match=r"a grazing event"):
        torch.autograd.grad(y[1].sum(), y0)


def decay(t, y):
    return -y


def still(t, y):
    return 0 * y


BAD = {
    "never": (
        {},
        lambda t, y: t + 1 + 0 * y,
        r"to change its sign; got none up to t = 4095, by DormandPrince",
    ),
    "number": ({}, lambda t, y: 0.5, r"to return a tensor of finite real numbers; got 0.5"),
    "nan": ({}, lambda t, y: y * math.nan, r"a tensor of finite real numbers"),
    "per_sample": (
        {"per_sample": True},
        lambda t, y: y,
        r"without per_sample=True.*solve for each",
    ),
    "fixed": ({"method": "rk4"}, lambda t, y: y - 0.5, r"step_size with event_fn and Kutta4"),
    "jump": ({"options": {"jump_t": [0.1]}}, lambda t, y: y, r"without jump_t"),
    "gradient": (
        {"gradient": "continuous"},
        lambda t, y: y - 0.5,
        r"without gradient='continuous'. Use gradient='adjoint'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    arguments, event_fn, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        odeint(still, torch.ones(1).double(), [0.0, 1.0], event_fn=event_fn, **arguments)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [0.0, 1.0, 2.0]])
def test_an_event_wants_a_time_and_a_direction(times):
    with pytest.raises(ValueError, match=r"two different times with event_fn"):
        odeint(decay, torch.ones(1), times, event_fn=lambda t, y: y)


def test_one_time_to_begin_at():
    with pytest.raises(ValueError, match=r"t0 to be one time; got a tensor of shape \(2,\)"):
        odeint_event(decay, torch.ones(1), torch.zeros(2), event_fn=lambda t, y: y)
    with pytest.raises(TypeError, match=r"event_fn to be a function of 2 arguments"):
        odeint_event(decay, torch.ones(1), 0.0, event_fn=lambda y: y)


def test_two_changes_within_a_step_are_found_by_shorter_steps():
    def dip(t, y):
        return (t - 0.5).abs() - 0.01 + 0 * y

    time, _ = odeint_event(still, torch.ones(1), 0.0, event_fn=dip, options={"max_step": 0.01})
    assert abs(time.item() - 0.49) < 1e-6


def test_fields_of_the_package_see_events_of_their_own_shape():
    field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()).double()
    shapes = []

    def event(t, y):
        shapes.append(tuple(y.shape))
        return t - 0.3

    for method in ("rk4", "dopri5"):
        time, _ = odeint_event(
            field, torch.ones(2).double(), 0.0, event_fn=event, method=method, **settings(method)
        )
        assert abs(time.item() - 0.3) < 1e-12
    assert set(shapes) == {(2,)}
