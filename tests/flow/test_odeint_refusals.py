"""What `odeint` refuses, and the sentence that it says."""

import math

import numpy as np
import pytest
import torch

import darboux as dx
from darboux.flow import odeint
from darboux.integrators import StiffnessError

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
        (torch.ones(2, 2), r"shape \(2, 2\)"),
        (np.ones((2, 2)), r"shape \(2, 2\)"),
        (torch.tensor(1.0), r"shape \(\)"),
        (np.float64(1.0), r"shape \(\)"),
        (1.0, "float"),
    ):
        with pytest.raises(ValueError, match=rf"times t on one axis.*got {found}.*linspace"):
            odeint(linear, start(), times)


ARGUMENTS_REFUSED = {
    "unknown": ({"method": "rk5"}, ValueError, r"among dopri5, euler, heun.*got 'rk5'"),
    "no_method": ({"method": 4}, TypeError, r"by name or an integrator; got int"),
    "rtol": ({"method": "rk4", "rtol": 1e-3}, ValueError, r"no rtol or atol with method 'rk4'"),
    "atol": (
        {"method": dx.integrators.DormandPrince(), "atol": 1e-3},
        ValueError,
        r"no rtol or atol with method Dormand.*DormandPrince\(rtol=..., atol=...\)",
    ),
    "bad_rtol": ({"rtol": -1.0}, ValueError, r"finite rtol >= 0; got -1.0"),
    "step_of_dopri5": ({"step_size": 0.1}, ValueError, r"no step_size with DormandPrince"),
    "no_step": ({"method": "rk4", "step_size": 0.0}, ValueError, r"step_size > 0.*got 0.0"),
    "negative": ({"method": "rk4", "step_size": -1.0}, ValueError, r"Use its absolute value"),
}


@pytest.mark.parametrize("name", ARGUMENTS_REFUSED)
def test_refuses_arguments(name):
    arguments, error, message = ARGUMENTS_REFUSED[name]
    with pytest.raises(error, match=message):
        odeint(linear, start(), TIMES, **arguments)


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
