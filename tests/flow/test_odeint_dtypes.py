"""odeint: kinds of numbers, the clock, times that repeat, functions that reuse memory."""

import cmath
import math

import numpy as np
import pytest
import torch

import darboux as dx
from darboux.flow import odeint
from darboux.integrators import RadauIIA

METHODS = ["dopri5", "euler", "heun", "implicit_euler", "implicit_midpoint", "radau", "rk4"]
ADAPTIVE = ["dopri5", "radau"]
TWO_STEP = [dx.integrators.LeapfrogMidpoint(), dx.integrators.ReversibleHeun()]
ALL = pytest.mark.parametrize("method", [*METHODS, *TWO_STEP], ids=str)
TIMES = [0.0, 0.1, 0.2, 0.3]

KINDS = {
    "integers": (torch.float32, torch.int64),
    "booleans": (torch.float32, torch.bool),
    "complex": (torch.float32, torch.complex64),
    "integers_for_complex": (torch.complex64, torch.int64),
}


@ALL
@pytest.mark.parametrize("name", KINDS)
def test_slopes_of_another_kind_are_refused(method, name):
    of_state, of_slope = KINDS[name]
    y0 = torch.ones(2, 3, dtype=of_state)
    with pytest.raises(TypeError, match=rf"dtype of z, {of_state}; got {of_slope}"):
        odeint(lambda t, y: torch.ones(2, 3, dtype=of_slope), y0, TIMES, method=method)
    with pytest.raises(TypeError, match=rf"got {of_slope}"):
        odeint(
            lambda t, y: (torch.ones(3, dtype=of_slope), -y[1]),
            (y0[0], y0[1]),
            TIMES,
            method=method,
        )


WIDTHS = {
    "wider": (torch.float32, torch.float64),
    "narrower": (torch.float64, torch.float32),
    "half": (torch.float32, torch.bfloat16),
    "real_for_complex": (torch.complex64, torch.float32),
}


@ALL
@pytest.mark.parametrize("name", WIDTHS)
def test_slopes_of_another_width_become_those_of_the_state(method, name):
    of_state, of_slope = WIDTHS[name]
    y0 = torch.tensor([[1.0, 2.0]], dtype=of_state)

    def given(t, y):
        return torch.full((1, 2), 0.3).to(of_slope)

    found = odeint(given, y0, TIMES, method=method)
    assert found.dtype == of_state
    expected = odeint(lambda t, y: given(t, y).to(of_state), y0, TIMES, method=method)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@ALL
def test_complex_states(method):
    rate = torch.tensor([-0.3 + 2.0j, 1.0j], dtype=torch.complex128)
    y0 = torch.tensor([1.0 - 1.0j, 2.0j], dtype=torch.complex128)
    options = {} if method in ADAPTIVE else {"step_size": 1e-3}
    found = odeint(lambda t, y: rate * y, y0, [0.0, 0.5, 1.0], method=method, **options)
    exact = torch.stack([torch.exp(rate * t) * y0 for t in (0.0, 0.5, 1.0)])
    error = 5e-3 if "euler" in str(method) else 1e-5
    torch.testing.assert_close(found, exact, rtol=0, atol=error)
    pair = odeint(
        lambda t, y: (rate * y[0], y[1].conj()), (y0, y0), [0.0, 0.5, 1.0], method=method, **options
    )
    torch.testing.assert_close(pair[0], exact, rtol=0, atol=error)
    turned = y0.real * math.e + 1j * y0.imag / math.e
    torch.testing.assert_close(pair[1][-1], turned, rtol=0, atol=2 * error)


@pytest.mark.parametrize("method", ["dopri5", "implicit_midpoint", "rk4"])
def test_complex_samples_and_their_gradients(method):
    y0 = torch.tensor([[1.0 - 1.0j], [2.0j]], dtype=torch.complex128, requires_grad=True)

    def solution(y0):
        return odeint(lambda t, y: y.conj() * y, y0 / 4, [0.0, 0.1], method=method, per_sample=True)

    assert torch.autograd.gradcheck(solution, (y0,), atol=1e-5)
    seen = []
    odeint(lambda t, y: seen.append(t.dtype) or -y, y0, [0.0, 0.1], method=method)
    assert set(seen) == {torch.float64}


def test_steps_for_complex_numbers_are_those_of_their_sizes():
    """Turning a solution in the complex plane changes no step."""
    counts = []
    for turn in (1.0, cmath.exp(0.7j), 1.0j):
        calls = [0]

        def field(t, y, calls=calls):
            calls[0] += 1
            return 1j * (1 + torch.cos(5 * t)) * y

        odeint(field, torch.tensor([turn], dtype=torch.complex128), [0.0, 3.0])
        counts.append(calls[0])
    assert len(set(counts)) == 1


LATE = 1.7e9


@ALL
def test_times_that_the_state_cannot_tell_apart_are_refused(method):
    def field(t, y):
        return torch.cos(t - LATE).expand_as(y)

    y0 = torch.zeros(1)
    with pytest.raises(ValueError, match=r"change t in the dtype of y.*float32.*y0.double\(\)"):
        odeint(field, y0, [LATE, LATE + 4.0], method=method)
    if isinstance(method, str):
        options = {} if method in ADAPTIVE else {"step_size": 0.01}
        found = odeint(field, y0.double(), [LATE, LATE + 4.0], method=method, **options)
        torch.testing.assert_close(
            found[1], torch.tensor([math.sin(4)]).double(), rtol=0, atol=2e-2
        )


def test_steps_that_become_too_short_for_the_clock_are_refused():
    def field(t, y):
        return 1e3 * torch.cos(1e3 * t).expand_as(y)

    with pytest.raises(dx.integrators.StiffnessError, match="steps of at least"):
        odeint(field, torch.zeros(1), [1e5, 2e5])


def test_small_steps_near_time_zero_are_fine_in_float32():
    found = odeint(lambda t, y: -1e3 * (y - 1), torch.zeros(1), [0.0, 1e-6, 1e-2])
    torch.testing.assert_close(found[1], torch.tensor([1e-3]), rtol=1e-3, atol=0)
    torch.testing.assert_close(found[2], torch.tensor([1.0]), rtol=1e-3, atol=0)


def test_the_clock_does_not_round():
    """Ten thousand steps of 0.1 end at 1000, although their sum in float32 does not."""
    seen = []
    times = torch.tensor([0.0, 1000.0])
    odeint(
        lambda t, y: seen.append(float(t)) or 0 * y,
        torch.ones(1),
        times,
        method="euler",
        step_size=0.1,
    )
    expected = torch.linspace(0, 1000, 10001, dtype=torch.float64)[:-1].float()
    torch.testing.assert_close(torch.tensor(seen), expected, rtol=1e-7, atol=0)


@pytest.mark.parametrize("times", [[0.0, 0.0, 0.3, 0.3, 0.5, 0.5], [0.5, 0.5, 0.3, 0.0, 0.0]])
@ALL
def test_repeated_times_repeat_their_values(method, times):
    y0, distinct = torch.ones(2, dtype=torch.float64), list(dict.fromkeys(times))
    apart = odeint(lambda t, y: -t * y, y0, distinct, method=method)
    found = odeint(lambda t, y: -t * y, y0, times, method=method)
    expected = apart[[distinct.index(time) for time in times]]
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    only = odeint(lambda t, y: -t * y, y0, [1.0, 1.0], method=method)
    torch.testing.assert_close(only, torch.stack([y0, y0]))


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_derivatives_by_repeated_times_are_slopes(method):
    times = torch.tensor([0.0, 0.3, 0.3], dtype=torch.float64, requires_grad=True)
    y = odeint(lambda t, y: -y, torch.ones((), dtype=torch.float64), times, method=method)
    (found,) = torch.autograd.grad(y[2], times)
    torch.testing.assert_close(found[2], -y[2].detach(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("per_sample", [False, True])
def test_derivatives_by_each_time_are_slopes_there(per_sample):
    def field(t, y):
        return torch.cos(3 * t) * y

    times = torch.tensor([0.1, 0.4, 0.9, 2.0], dtype=torch.float64, requires_grad=True)
    y0 = torch.ones(2, 1, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda t: odeint(field, y0, t, rtol=1e-3, atol=1e-3, per_sample=per_sample)[:, 0, 0], times
    )
    y = odeint(field, y0, times.detach(), rtol=1e-3, atol=1e-3, per_sample=per_sample)[:, 0, 0]
    slopes = torch.cos(3 * times.detach()) * y
    torch.testing.assert_close(jacobian[:, 1:], torch.diag(slopes)[:, 1:], rtol=1e-12, atol=1e-12)
    second = torch.autograd.functional.hessian(
        lambda t: odeint(field, y0, t, rtol=1e-3, atol=1e-3, per_sample=per_sample)[2, 0, 0], times
    )
    curvature = (torch.cos(3 * times[2]) ** 2 - 3 * torch.sin(3 * times[2])) * y[2]
    torch.testing.assert_close(second[2, 2], curvature.detach(), rtol=1e-12, atol=1e-12)


def buffered():
    buffer = torch.empty(3, dtype=torch.float64)
    return lambda t, y: torch.mul(y.flip(0), torch.cos(9 * t), out=buffer)


def copied():
    buffer = torch.empty(3, dtype=torch.float64)
    return lambda t, y: buffer.copy_(y.flip(0) * torch.cos(9 * t))


def by_numpy():
    buffer = np.empty(3)

    def field(t, y):
        np.multiply(y.numpy()[::-1], math.cos(9 * float(t)), out=buffer)
        return torch.from_numpy(buffer)

    return field


@pytest.mark.parametrize("make", [buffered, copied, by_numpy])
@ALL
def test_one_buffer_for_all_slopes_changes_nothing(method, make):
    y0 = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64)
    expected = odeint(lambda t, y: y.flip(0) * torch.cos(9 * t), y0, TIMES, method=method)
    torch.testing.assert_close(odeint(make(), y0, TIMES, method=method), expected)


def in_place(t, y):
    y *= 0.9
    return -y


def behind(t, y):
    y.data.clamp_(max=0.5)
    return -y


def by_array(t, y):
    y.numpy()[0] = 0.5
    return -y


WRITERS = pytest.mark.parametrize("field", [in_place, behind, by_array])
REFUSED = [*ADAPTIVE, "euler", "heun", "rk4", *TWO_STEP]


@WRITERS
@pytest.mark.parametrize("method", REFUSED, ids=str)
def test_functions_that_write_into_y_are_refused_and_y0_stays(method, field):
    y0 = torch.ones(3)
    with pytest.raises(ValueError, match=r"writes into y.*y\.clone\(\)"):
        odeint(field, y0, TIMES, method=method)
    assert torch.equal(y0, torch.ones(3))


@WRITERS
@pytest.mark.parametrize("method", ["implicit_euler", "implicit_midpoint", RadauIIA(3)], ids=str)
def test_implicit_methods_refuse_them_or_hand_out_copies(method, field):
    y0 = torch.ones(3)
    expected = odeint(lambda t, y: field(t, y.clone()), y0, TIMES, method=method)
    if field is in_place:
        with pytest.raises(ValueError, match="writes into y"):
            odeint(field, y0, TIMES, method=method)
    else:  # nobody sees it
        torch.testing.assert_close(odeint(field, y0, TIMES, method=method), expected)
    assert torch.equal(y0, torch.ones(3))


def test_constants_and_y_itself_are_slopes():
    constant = torch.ones(3)
    found = odeint(lambda t, y: constant, torch.zeros(3), [0.0, 1.0], method="rk4")
    torch.testing.assert_close(found[1], constant)
    found = odeint(lambda t, y: y, torch.ones(3), [0.0, 1.0], method="rk4", step_size=0.01)
    torch.testing.assert_close(found[1], math.e * torch.ones(3))


@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
def test_in_inference_mode(method):
    expected = odeint(lambda t, y: -y, torch.ones(3), TIMES, method=method)
    with torch.inference_mode():
        found = odeint(lambda t, y: -y, torch.ones(3), TIMES, method=method)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_nothing_is_asked_of_a_clock_that_is_not_looked_at(method):
    class Rotation(dx.fields.VectorField):
        autonomous = True

        def forward(self, t, z):
            return torch.stack([z[:, 1], -z[:, 0]], dim=1)

    y0 = torch.tensor([[1.0, 0.0]])
    found = odeint(Rotation(), y0, [LATE, LATE + 1.0], method="rk4", step_size=0.01)
    torch.testing.assert_close(found[1], torch.tensor([[math.cos(1), -math.sin(1)]]))
