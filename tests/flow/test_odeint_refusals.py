"""What `odeint` refuses, and the sentence that it says."""

import math
import re

import numpy as np
import pytest
import torch

import darboux as dx
from darboux.flow import odeint
from darboux.integrators import StiffnessError
from darboux.solvers import ConvergenceError

TIMES = torch.tensor([0.0, 0.3, 0.5, 1.2], dtype=torch.float64)
MATRIX = torch.tensor([[-0.5, 2.0], [-2.0, -0.3]], dtype=torch.float64)


def linear(t, y):
    return y @ MATRIX.T


def driven(t, y):
    return torch.tanh(y @ MATRIX.T) + torch.cos(3 * t) * y.flip(-1)


def start(size=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, 2, generator=generator, dtype=torch.float64)


TIMES_REFUSED = {
    "turning": [0.0, 1.0, 0.5],
    "nan": [0.0, math.nan],
    "infinite": [0.0, math.inf],
    "empty": [],
}


@pytest.mark.parametrize("name", TIMES_REFUSED)
def test_refuses_times(name):
    with pytest.raises(ValueError, match="finite times t that never decrease, or never"):
        odeint(linear, start(), TIMES_REFUSED[name])
    with pytest.raises(ValueError, match=r"odeint: expected .*times t"):
        odeint(linear, start(), torch.tensor(TIMES_REFUSED[name]))


def test_refuses_times_with_axes():
    for times, found in (
        (torch.ones(2, 2), r"a tensor of shape \(2, 2\)"),
        (np.ones((2, 2)), r"an array of shape \(2, 2\)"),
        (torch.tensor(1.0), r"a tensor of shape \(\)"),
        (np.float64(1.0), r"1\.0"),
        (torch.ones(2, dtype=torch.complex64), r"a tensor of .*complex64"),
    ):
        with pytest.raises(ValueError, match=rf"times t, .* on one axis.*got .*{found}.*linspace"):
            odeint(linear, start(), times)


@pytest.mark.parametrize("times", [1.0, None, "ab", [0.0, None], [0.0, 1j]])
def test_refuses_what_is_no_axis_of_times(times):
    message = rf"times t, .* on one axis.*got {re.escape(repr(times))}\. Use \[0.0, 1.0\]"
    with pytest.raises(TypeError, match=message):
        odeint(linear, start(), times)


ARGUMENTS_REFUSED = {
    "unknown": (
        {"method": "rk5"},
        ValueError,
        r"method to be 'adaptive_heun' or 'bosh3'.*got 'rk5'",
    ),
    "adams": (
        {"method": "implicit_adams"},
        ValueError,
        r"'implicit_adams' of torchdiffeq have no equivalent",
    ),
    "scipy": (
        {"method": "scipy_solver"},
        ValueError,
        r"'scipy_solver' call scipy.integrate.solve_ivp",
    ),
    "no_method": ({"method": 4}, TypeError, r"'dopri5' .* or an Integrator; got 4.*Kutta4\(\)"),
    "class": ({"method": dx.integrators.Kutta4}, TypeError, r"Make one: Kutta4\("),
    "flag": ({"per_sample": 1}, TypeError, "per_sample to be True or False; got 1"),
    "rtol": ({"method": "rk4", "rtol": 1e-3}, ValueError, r"no rtol or atol with method 'rk4'"),
    "atol": (
        {"method": dx.integrators.DormandPrince(), "atol": 1e-3},
        ValueError,
        r"no rtol or atol with method Dormand.*DormandPrince\(rtol=..., atol=...\)",
    ),
    "bad_rtol": ({"rtol": -1.0}, ValueError, "rtol to be a finite number of 0 or more.*; got -1"),
    "step_of_dopri5": ({"step_size": 0.1}, ValueError, r"no step_size with DormandPrince"),
    "step_of_radau": (
        {"method": "radau", "step_size": 0.1},
        ValueError,
        r"no step_size with AdaptiveRadau.*fixed steps such as RadauIIA\(3\)",
    ),
    "no_step": (
        {"method": "rk4", "step_size": 0.0},
        ValueError,
        r"step_size to be a positive.*got 0\.0",
    ),
    "negative": (
        {"method": "rk4", "step_size": -1.0},
        ValueError,
        "in both directions of time.*got -1",
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS_REFUSED)
def test_refuses_arguments(name):
    arguments, error, message = ARGUMENTS_REFUSED[name]
    with pytest.raises(error, match=message):
        odeint(linear, start(), TIMES, **arguments)


@pytest.mark.parametrize("method", ["dopri5", "rk4", "radau"])
def test_refuses_a_network_of_the_state_alone(method):
    message = r"f to be a function of \(t, y\); got a Linear\. Use lambda t, y"
    with pytest.raises(TypeError, match=message):
        odeint(torch.nn.Linear(2, 2), torch.ones(3, 2), [0.0, 1.0], method=method)
    with pytest.raises(TypeError, match="of its own"):
        odeint(_failing, start(), [0.0, 1.0], method=method)
    with pytest.raises(TypeError, match=r"f to be a function of \(t, y\); got None"):
        odeint(None, start(), [0.0, 1.0], method=method)


def _failing(t, y):
    raise TypeError("of its own")


STATES_REFUSED = {
    "number": (1.0, TypeError, "real or complex numbers, or a tuple of them; got float"),
    "list": ([1.0], TypeError, r"a tuple of them; got float.*torch.tensor\(y0\)"),
    "integers": (torch.ones(2, dtype=torch.int64), TypeError, "got torch.int64"),
    "empty": ((), ValueError, "got an empty tuple"),
    "dtypes": ((torch.ones(2), torch.ones(2).double()), TypeError, "of one dtype on one device"),
}

SAMPLES_REFUSED = {
    "number": torch.tensor(1.0),
    "batches": (torch.ones(2, 1), torch.ones(3, 1)),
    "numbers": (torch.tensor(1.0), torch.tensor(1.0)),
}


@pytest.mark.parametrize("name", SAMPLES_REFUSED)
def test_refuses_states_without_samples(name):
    with pytest.raises(ValueError, match=r"first axis of all tensors.*Leave per_sample out"):
        odeint(lambda t, y: y, SAMPLES_REFUSED[name], [0.0, 1.0], per_sample=True)


@pytest.mark.parametrize("name", STATES_REFUSED)
def test_refuses_states(name):
    y0, error, message = STATES_REFUSED[name]
    with pytest.raises(error, match=message):
        odeint(lambda t, y: y, y0, [0.0, 1.0])


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_refuses_slopes_of_another_shape(method):
    with pytest.raises(ValueError, match=r"(like y|of the shape of z).*\(3, 2\); got \(3, 1\)"):
        odeint(lambda t, y: y[:, :1], start(), TIMES, method=method)
    with pytest.raises(ValueError, match=r"like y, a tensor of \(2,\); got \(1, 2\)"):
        odeint(lambda t, y: y[None], start()[0], TIMES, method=method)
    with pytest.raises(ValueError, match=r"a tuple of \(3, 2\), \(3, 2\); got \(3, 2\)"):
        odeint(lambda t, y: y[0], (start(), start()), TIMES, method=method)
    with pytest.raises(ValueError, match=r"a tensor of \(3, 2\); got a tuple of \(3, 2\)"):
        odeint(lambda t, y: (y,), start(), TIMES, method=method)


def test_values_that_are_not_finite_are_refused():
    def broken(t, y):
        return torch.where(torch.as_tensor(t) > 0.4, math.nan, 1.0) * y

    def solve(f, y0, **options):
        return odeint(f, y0, [0.0, 0.1, 0.3, 1.2], **options)

    spoilt = start() * torch.tensor([[1.0], [math.nan], [1.0]])
    with pytest.raises(ValueError, match=r"solution at t\[3\] = 1.2, by .*Kutta"):
        solve(broken, start(), method="rk4")
    with pytest.raises(ValueError, match=r"solution at t\[3\] = 1.2, in sample 0 of 3.*Kutta"):
        solve(broken, start(), method="rk4", per_sample=True)
    with pytest.raises(ValueError, match=r"got infinite or nan ones in y0, in sample 1 of 3"):
        solve(linear, spoilt, method="rk4", per_sample=True)
    with pytest.raises(StiffnessError, match=r"where f is not finite"):
        solve(broken, start())
    with pytest.raises(StiffnessError, match=r"sample \d of 3, where f is not finite"):
        solve(broken, start(), per_sample=True)


def test_stiff_problems_stop_with_the_methods_that_work():
    def stiff(t, y):
        return -1e7 * (y - torch.cos(t))

    y0 = torch.zeros(1, 1, dtype=torch.float64)
    with pytest.raises(StiffnessError, match=r"sample 0 of 1.*RadauIIA\(3\)"):
        odeint(stiff, y0, [0.0, 1.0], method=dx.integrators.DormandPrince(max_steps=500))
    found = odeint(stiff, y0, [0.0, 0.5, 1.0], method="radau")
    assert abs(float(found[-1]) - math.cos(1)) < 1e-5


class Ending:
    """f(t, y) = 1 up to t = 1/2, then NaN; it counts how often."""

    def __init__(self):
        self.lost = 0

    def __call__(self, t, y):
        late = bool((t > 0.5).any())
        self.lost += late
        return torch.full_like(y, torch.nan if late else 1.0)


ONE_STEP = {
    "euler": 1,
    "midpoint": 2,
    "rk3": 3,
    "rk4": 4,
    "implicit_midpoint": 1,
    dx.integrators.RadauIIA(3): 3,
}


@pytest.mark.parametrize("outputs", [2, 101])
@pytest.mark.parametrize("method", ONE_STEP, ids=str)
def test_a_field_that_turns_nan_stops_at_once(method, outputs):
    f = Ending()
    with pytest.raises((ValueError, ConvergenceError), match=r"not finite|infinite or nan"):
        odeint(f, torch.zeros(2), torch.linspace(0, 1, outputs), method=method, step_size=1e-2)
    assert f.lost <= 16 * ONE_STEP[method]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dopri5_finds_where_a_field_turns_nan(dtype):
    f = Ending()
    with pytest.raises(StiffnessError, match=r"at t = 0\.5 .* where f is not finite"):
        odeint(f, torch.zeros(2, dtype=dtype), [0.0, 1.0])
    assert f.lost < 400


@pytest.mark.parametrize(("method", "step_size"), [("midpoint", 1e-3), ("dopri5", None)])
def test_a_stage_that_is_no_number_is_not_lost(method, step_size):
    """f is NaN beyond 0.5005, and 1 again at states that are NaN."""

    def f(t, y):
        return torch.where(y > 0.5005, torch.nan, 1.0)

    with pytest.raises((ValueError, StiffnessError), match=r"not finite|infinite or nan"):
        odeint(f, torch.zeros(2), [0.0, 1.0], method=method, step_size=step_size)
