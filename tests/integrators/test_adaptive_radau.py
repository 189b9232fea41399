"""Adaptive Radau IIA: stiff problems, work, steps of samples, derivatives, refusals."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch.utils._python_dispatch import TorchDispatchMode

import darboux as dx
from darboux.integrators import AdaptiveRadau, StiffnessError
from tests.integrators.adaptive_fields import MATRIX, batch, driven, linear, stiff

FINE = AdaptiveRadau(rtol=1e-10, atol=1e-12)


def van_der_pol(t, z, mu=1000.0):
    x, v = z.unbind(1)
    return torch.stack([v, mu * (1 - x * x) * v - x], dim=1)


def robertson(t, z):
    a, b, c = z.unbind(1)
    slow, fast = -0.04 * a + 1e4 * b * c, 3e7 * b * b
    return torch.stack([slow, -slow - fast, fast], dim=1)


def in_numpy(t, y, mu=1000.0):
    return np.array([y[1], mu * (1 - y[0] * y[0]) * y[1] - y[0]])


def robertson_in_numpy(t, y):
    slow, fast = -0.04 * y[0] + 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return np.array([slow, -slow - fast, fast])


# f in torch and NumPy, z0, how far, and z there by SciPy's Radau at rtol 1e-11
STIFF = {
    "van der Pol": (
        (van_der_pol, in_numpy),
        [2.0, 0.0],
        2000.0,
        [1.7061677321703461, -0.000892809701024943],
    ),
    "Robertson": (
        (robertson, robertson_in_numpy),
        [1.0, 0.0, 0.0],
        1e5,
        [0.017865921142119313, 7.27475146844455e-08, 0.9821340061103664],
    ),
}


class Counted:
    def __init__(self, field):
        self.field, self.calls = field, 0

    def __call__(self, t, z):
        self.calls += 1
        return self.field(t, z)


@pytest.mark.parametrize("tolerance", [1e-3, pytest.param(1e-6, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", STIFF)
def test_stiff_problems_cost_and_err_like_scipy(name, tolerance):
    (field, of), start, end, exact = STIFF[name]
    counted, z = Counted(field), torch.tensor([start], dtype=torch.float64)
    tolerances = {"rtol": tolerance, "atol": 1e-3 * tolerance}
    found = AdaptiveRadau(**tolerances).step(counted, 0.0, end, z)[0].numpy()
    scipy = solve_ivp(of, (0, end), start, method="Radau", **tolerances)
    scale = tolerances["atol"] + tolerance * np.abs(exact)
    error, theirs = (np.abs((y - exact) / scale).max() for y in (found, scipy.y[:, -1]))
    assert error <= max(2 * theirs, 10)
    assert counted.calls <= 1.2 * (scipy.nfev + scipy.njev)


@pytest.mark.parametrize("duration", [1.7, -1.7])
def test_linear_systems_against_the_matrix_exponential(duration):
    z = batch(4)
    expected = z @ torch.linalg.matrix_exp(duration * MATRIX).T
    after = FINE.step(linear, 0.3, duration, z)
    torch.testing.assert_close(after, expected, rtol=1e-8, atol=1e-9)


def test_work_grows_like_the_fourth_root_of_the_tolerance_and_errors_follow():
    z, counts = batch(4), []
    exact = z @ torch.linalg.matrix_exp(3 * MATRIX).T
    for tolerance in (1e-6, 1e-10):
        counted = Counted(linear)
        method = AdaptiveRadau(rtol=tolerance, atol=tolerance)
        after = method.step(counted, 0.0, 3.0, z)
        assert float((after - exact).abs().max()) <= 30 * tolerance
        counts.append(counted.calls)
    # a step of order h^4: ten times as many for 1e-4 of the tolerance
    assert 5 < counts[1] / counts[0] < 20


def test_fast_modes_do_not_make_steps_short():
    counted = Counted(lambda t, z: -1e9 * (z - torch.cos(t)))
    after = AdaptiveRadau().step(counted, 0.0, 10.0, torch.zeros(1, 1).double())
    torch.testing.assert_close(after, torch.cos(torch.tensor([[10.0]])).double())
    assert counted.calls < 1000


def test_a_sample_does_not_notice_its_neighbours():
    z = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    others = torch.stack([torch.linspace(10, 1000, 31), torch.linspace(50, 1e6, 31)], 1).double()
    method = AdaptiveRadau(rtol=1e-5, atol=1e-5)
    alone = method.step(stiff, 0.0, 2.0, z)
    joined = method.step(stiff, 0.0, 2.0, torch.cat([z, others]))
    torch.testing.assert_close(joined[:1], alone, rtol=1e-13, atol=1e-13)


def test_batch_is_a_loop():
    rates = torch.logspace(0, 7, 6, dtype=torch.float64).unsqueeze(1)
    z = torch.cat([torch.zeros_like(rates), rates], dim=1)
    found = AdaptiveRadau().step(stiff, 0.0, 1.0, z)
    for row, after in zip(z, found, strict=True):
        alone = AdaptiveRadau().step(stiff, 0.0, 1.0, row[None])[0]
        torch.testing.assert_close(after, alone, rtol=1e-12, atol=1e-12)


def test_many_samples_step_as_few_do():
    """The algebra of small systems is done by NumPy, that of others by torch."""
    z = torch.cat([batch(4), batch(400)])
    assert z[:4].numel() < 256 < z.numel()
    few, many = (AdaptiveRadau().step(linear, 0.3, 0.7, rows) for rows in (z[:4], z))
    torch.testing.assert_close(many[:4], few, rtol=1e-12, atol=1e-12)


class Operations(TorchDispatchMode):
    """Counts what torch computes."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.count += 1
        return operation(*args, **(kwargs or {}))


def test_a_small_system_costs_few_operations_of_torch_beside_those_of_f():
    z, counted = torch.tensor([[2.0, 0.0]], dtype=torch.float64), Counted(van_der_pol)
    with torch.no_grad():
        with Operations() as own:
            van_der_pol(0.0, z)
        with Operations() as all_of_them:
            AdaptiveRadau(rtol=1e-3).step(counted, 0.0, 100.0, z)
    assert all_of_them.count / counted.calls - own.count < 8


@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 2, 2), (3, 1, 2, 2)])
def test_shapes_are_kept(shape):
    z = torch.rand(shape, dtype=torch.float64)
    after = FINE.step(lambda t, z: -z * torch.cos(t), 0.0, 1.0, z)
    torch.testing.assert_close(after, z * math.exp(-math.sin(1.0)), rtol=1e-8, atol=1e-9)


def test_states_between_steps_are_of_order_3():
    places = [0.1 * k for k in range(1, 20)]
    z = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    rotation = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    found = FINE.solution(lambda t, z: z @ rotation.T, 0.0, places, z)
    for place, value in zip(places, found, strict=True):
        expected = torch.tensor([[math.cos(place), -math.sin(place)]], dtype=torch.float64)
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-7)


def test_f_is_never_asked_beyond_the_last_time():
    def field(t, z):
        assert float(t.max()) <= 1.0
        return -z

    times = [0.25, 0.5, 1.0]
    found = AdaptiveRadau().solution(field, 0.0, times, torch.ones(1, 1).double())
    assert abs(float(found[-1]) - math.exp(-1)) < 1e-6


def test_gradients_are_those_of_dormand_prince():
    weight = torch.tensor([[-3.0, 1.0], [0.5, -2.0]], dtype=torch.float64, requires_grad=True)
    z = torch.tensor([[1.0, -0.5], [0.3, 2.0]], dtype=torch.float64, requires_grad=True)
    h = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def field(t, z):
        return torch.tanh(z @ weight.T) + torch.cos(t)

    found, expected = (
        torch.autograd.grad(method.step(field, 0.0, h, z).square().sum(), (z, weight, h))
        for method in (AdaptiveRadau(), dx.integrators.DormandPrince(rtol=1e-9))
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_a_stiff_solution_follow_the_slow_manifold():
    rate = torch.tensor(1e6, dtype=torch.float64)
    goal = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    z = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    after = AdaptiveRadau().step(lambda t, z: -rate * (z - goal), 0.0, 1.0, z)
    by_goal, by_z = torch.autograd.grad(after.sum(), (goal, z))
    torch.testing.assert_close(by_goal, torch.ones_like(by_goal), rtol=1e-9, atol=0)
    assert abs(float(by_z)) < 1e-9


def test_forward_mode_and_second_derivatives():
    z = torch.tensor([[0.5]], dtype=torch.float64)

    def solution(z):
        return AdaptiveRadau().step(lambda t, z: -z * z, 0.0, 1.0, z)  # z / (1 + z)

    value, slope = torch.func.jvp(solution, (z,), (torch.ones_like(z),))
    torch.testing.assert_close(value, z / (1 + z), rtol=1e-6, atol=0)
    torch.testing.assert_close(slope, 1 / (1 + z) ** 2, rtol=1e-5, atol=0)
    x = z.clone().requires_grad_()
    (first,) = torch.autograd.grad(solution(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, -2 / (1 + z) ** 3, rtol=1e-5, atol=0)


def test_functions_of_numpy_are_differentiated_by_differences():
    def field(t, z):
        x, v = z.numpy().T
        return torch.from_numpy(np.stack([v, 1000 * (1 - x * x) * v - x], axis=1))

    z = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    expected = AdaptiveRadau().step(van_der_pol, 0.0, 100.0, z)
    found = AdaptiveRadau().step(field, 0.0, 100.0, z)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_numbers_follow_the_input(dtype):
    z = torch.ones(2, 3, dtype=dtype)
    after = AdaptiveRadau().step(lambda t, z: -z, 0.0, 1.0, z)
    assert after.dtype == dtype
    error = float((after.double() - math.exp(-1)).abs().max())
    assert error <= 32 * torch.finfo(dtype).eps


def test_in_a_flow():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh()).double()
    flow = dx.Flow([field, field], FINE, horizon=2.0)
    exact = dx.Flow([field, field], dx.integrators.DormandPrince(rtol=1e-11), horizon=2.0)
    torch.testing.assert_close(flow(batch(2)), exact(batch(2)), rtol=1e-7, atol=1e-8)


def test_refusals_name_the_sample_and_what_to_do():
    z = torch.tensor([[0.1], [1.0], [0.2]], dtype=torch.float64)
    message = r"AdaptiveRadau: expected steps of at least .* at t = 1 in sample 1 of 3.*larger tol"
    with pytest.raises(StiffnessError, match=message):
        AdaptiveRadau().step(lambda t, z: z.square(), 0.0, 2.0, z)
    with pytest.raises(StiffnessError, match=r"at most 20 steps \(max_steps\).*sample 0 of 1"):
        AdaptiveRadau(max_steps=20).step(van_der_pol, 0.0, 2000.0, torch.tensor([[2.0, 0.0]]))
    with pytest.raises(ValueError, match=r"at most 512 entries.*got 600\. Use RadauIIA\(3\)"):
        AdaptiveRadau().step(driven_by_nothing, 0.0, 1.0, torch.ones(1, 600))
    with pytest.raises(ValueError, match=r"real numbers; got torch.complex64"):
        AdaptiveRadau().step(driven_by_nothing, 0.0, 1.0, torch.ones(1, 2) + 0j)
    with pytest.raises(ValueError, match="AdaptiveRadau: expected rtol > 0 or atol > 0"):
        AdaptiveRadau(rtol=0.0, atol=0.0)
    with pytest.raises(RuntimeError, match=r"AdaptiveRadau: expected a batch.*torch.func.vmap"):
        torch.func.vmap(lambda z: FINE.step(linear, 0.0, 1.0, z[None])[0])(batch(2))


def driven_by_nothing(t, z):
    return torch.zeros_like(z)


def test_a_field_that_ends_is_found():
    def field(t, z):
        return torch.where(t > 0.5, math.nan, -z)

    with pytest.raises(StiffnessError, match=r"t = 0\.5 .*where f is not finite"):
        AdaptiveRadau().step(field, 0.0, 1.0, torch.ones(1, 1).double())


def test_driven_systems_agree_with_dormand_prince():
    z, fine = batch(3), dx.integrators.DormandPrince(rtol=1e-11, atol=1e-13)
    found, expected = (method.step(driven, 0.5, 2.0, z) for method in (FINE, fine))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)
