"""odeint: solutions, shapes of states, gradients, refusals."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn

import darboux as dx
from darboux.flow import odeint
from darboux.flow._method_names import as_method
from darboux.integrators import RadauIIA

TANH = dx.activations.Tanh()
MATRIX = torch.tensor([[-0.5, 2.0], [-2.0, -0.3]], dtype=torch.float64)
TIMES = torch.tensor([0.0, 0.3, 0.5, 1.2], dtype=torch.float64)
ORDERS = {
    "euler": 1,
    "gl4": 4,
    "gl6": 6,
    "heun": 2,
    "heun2": 2,
    "heun3": 3,
    "implicit_euler": 1,
    "implicit_midpoint": 2,
    "improved_euler": 2,
    "midpoint": 2,
    RadauIIA(3): 5,
    "radauIIA3": 3,
    "radauIIA5": 5,
    "rk3": 3,
    "rk4": 4,
    "sdirk2": 2,
    "trapezoid": 2,
    "trbdf2": 2,
}
ADAPTIVE = ["adaptive_heun", "bosh3", "dopri5", "dopri8", "fehlberg2", "radau", "tsit5"]
PHASE = ["leapfrog", "symplectic_euler", "verlet"]


def linear(t, y):
    return y @ MATRIX.T


def driven(t, y):
    return torch.tanh(y @ MATRIX.T) + torch.cos(3 * t) * y.flip(-1)


def start(size=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, 2, generator=generator, dtype=torch.float64)


def exact(y0, times):
    return torch.stack([y0 @ torch.linalg.matrix_exp(t * MATRIX).T for t in times])


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("times", [TIMES, -TIMES], ids=["forward", "backward"])
def test_adaptive_methods_against_the_matrix_exponential(times, method):
    tolerance = 1e-5 if as_method(method).order < 4 else 1e-10
    y = odeint(linear, start(), times, method=method, rtol=tolerance, atol=tolerance / 100)
    assert y.shape == (4, 3, 2)
    # the states that dopri8 interpolates are less accurate than its steps
    factor = {"dopri8": 3000, "fehlberg2": 3000}.get(method, 30)
    bound = factor * tolerance
    torch.testing.assert_close(y, exact(start(), times), rtol=bound, atol=bound / 10)


def test_dopri5_against_scipy_from_any_time():
    y0, times = start(1)[0], torch.linspace(1.5, 4.0, 5).double()

    def of(t, y):
        return driven(torch.tensor(t), torch.from_numpy(y)).numpy()

    expected = solve_ivp(of, (1.5, 4.0), y0.numpy(), t_eval=times, rtol=1e-11, atol=1e-13)
    y = odeint(driven, y0, times, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(y, torch.from_numpy(expected.y.T), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ORDERS, ids=str)
def test_order_of_methods_by_name(name):
    y0, times = start(), torch.tensor([0.0, 0.5, 1.0]).double()
    sizes = (0.125, 0.0625)
    errors = [
        float((odeint(linear, y0, times, method=name, step_size=h) - exact(y0, times)).abs().max())
        for h in sizes
    ]
    assert abs(math.log2(errors[0] / errors[1]) - ORDERS[name]) < 0.35


@pytest.mark.parametrize("name", ORDERS, ids=str)
def test_one_step_for_each_interval_without_a_step_size(name):
    method, z = as_method(name), start()
    expected = [z]
    for t, end in zip(TIMES.tolist(), TIMES.tolist()[1:], strict=False):
        z = method.step(lambda t, y: driven(torch.as_tensor(t, dtype=y.dtype), y), t, end - t, z)
        expected.append(z)
    found = odeint(driven, start(), TIMES, method=name)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-12, atol=1e-12)


def test_step_size_splits_intervals_evenly():
    seen = []

    def field(t, y):
        seen.append(float(t))
        return -y

    odeint(field, start(), [0.0, 1.0, 1.25], method="euler", step_size=0.4)
    torch.testing.assert_close(seen, [0.0, 1 / 3, 2 / 3, 1.0])
    seen.clear()
    odeint(field, start(), torch.linspace(0, 1, 11), method="euler", step_size=0.1)
    assert len(seen) == 10  # a rounding error is no further step
    seen.clear()
    odeint(field, start(), [1.0, 0.0], method="euler", step_size=0.5)
    assert seen == [1.0, 0.5]


@pytest.mark.parametrize("name", PHASE)
def test_methods_for_phase_space_take_fields_that_have_one(name):
    field = dx.fields.HamiltonianField(dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), TANH).double()
    y0 = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = odeint(field, y0, [0.0, 0.1, 0.2], method=name)
    flow = dx.Flow(field, as_method(name), horizon=0.2, steps=2)
    torch.testing.assert_close(found, flow.trajectory(y0), rtol=1e-13, atol=1e-13)
    with pytest.raises(TypeError, match=r"drift"):
        odeint(linear, start(), TIMES, method=name)


@pytest.mark.parametrize("name", ["sdirk2", "trbdf2", "radauIIA3", "radauIIA5"])
def test_stiff_modes_die_out_in_one_step(name):
    y = odeint(lambda t, y: -1e8 * y, torch.ones(1).double(), [0.0, 1.0], method=name)
    assert float(y[1].abs()) < 1e-6


def test_names_that_mean_the_same():
    assert as_method("heun2") == as_method("heun")
    assert as_method("radauIIA5") == RadauIIA(3)
    assert as_method("gl4") == dx.integrators.Gauss(2)
    assert as_method("leapfrog") == as_method("verlet")
    assert as_method("heun") == as_method("improved_euler")


@pytest.mark.parametrize(
    "method", [dx.integrators.LeapfrogMidpoint(), dx.integrators.ReversibleHeun()], ids=repr
)
def test_two_step_methods_carry_their_state_over_equal_steps(method):
    y0, times = start(), torch.linspace(0, 1, 6, dtype=torch.float64)
    state, expected = method.init(linear, 0.0, 0.2, y0), [y0]
    for k in range(5):
        state = method.step(linear, 0.2 * k, 0.2, state)
        expected.append(method.value(state))
    found = odeint(linear, y0, times, method=method)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-12, atol=1e-12)
    rounded = odeint(linear, y0, torch.linspace(0, 1, 6), method=method)
    torch.testing.assert_close(rounded, found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "method", [dx.integrators.LeapfrogMidpoint(), dx.integrators.ReversibleHeun()], ids=repr
)
def test_two_step_methods_begin_anew_where_steps_change(method):
    y0 = start()
    errors = [
        float(
            (odeint(linear, y0, TIMES, method=method, step_size=h) - exact(y0, TIMES)).abs().max()
        )
        for h in (0.02, 0.01)
    ]
    assert abs(math.log2(errors[0] / errors[1]) - 2) < 0.3


@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
def test_what_functions_see(method):
    seen = set()

    def field(t, y):
        seen.add((t.shape, t.dtype, y.shape))
        return -y

    times = [0.0, 0.5]
    for y0 in (start(), start()[0], start()[0, 0]):
        seen.clear()
        y = odeint(field, y0, times, method=method)
        assert seen == {(torch.Size([]), torch.float64, y0.shape)}
        assert y.shape == (2, *y0.shape)
    seen.clear()
    odeint(field, start(), times, method=method, per_sample=True)
    clock = torch.Size([3, 1] if method == "dopri5" else [])
    assert seen == {(clock, torch.float64, torch.Size([3, 2]))}


@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_midpoint"])
def test_tuples_are_states_too(method):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(3, 2, 2, generator=generator, dtype=torch.float64)
    total = torch.zeros(3, dtype=torch.float64)

    def field(t, y):
        image, total = y
        assert image.shape == (3, 2, 2)
        assert total.shape == (3,)
        return -image * 0.5, image.square().sum((1, 2))

    states, totals = odeint(field, (image, total), [0.0, 1.0, 2.0], method=method, **fine(method))
    assert states.shape == (3, 3, 2, 2)
    assert totals.shape == (3, 3)
    # ∫ ‖y‖² = ‖y0‖² (1 - e^(-t)) for ẏ = -y/2
    expected = image.square().sum((1, 2)) * (1 - math.exp(-2))
    torch.testing.assert_close(totals[2], expected, rtol=1e-4, atol=1e-6)


def fine(method):
    return {} if method == "dopri5" else {"step_size": 0.01}


def test_modules_and_vector_fields():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2, dtype=torch.float64)

        def forward(self, t, y):
            return torch.tanh(self.linear(y))

    net = Net()
    field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()).double()
    with torch.no_grad():
        field.map.weight.copy_(net.linear.weight)
        field.bias.copy_(net.linear.bias)
    for method in ("rk4", "dopri5"):
        found = odeint(net, start(), TIMES, method=method)
        torch.testing.assert_close(odeint(field, start(), TIMES, method=method), found)
        one = odeint(field, start()[0], TIMES, method=method)
        torch.testing.assert_close(one, odeint(net, start()[0], TIMES, method=method))
    odeint(net, start(), TIMES).square().sum().backward()
    assert float(net.linear.weight.grad.abs().min()) > 0


DIFFERENTIABLE = ["dopri5", "euler", "rk4", "implicit_midpoint"]


@pytest.mark.parametrize("method", DIFFERENTIABLE)
def test_gradients_against_finite_differences(method):
    options = {"rtol": 1e-10, "atol": 1e-12} if method == "dopri5" else {}

    def solution(y0, t, matrix):
        def field(t, y):
            return torch.tanh(y @ matrix.T) + torch.cos(3 * t) * y

        return odeint(field, y0, t, method=method, **options)

    inputs = (start(1), TIMES[1:].clone() / 4, MATRIX.clone())
    inputs = tuple(x.requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(solution, inputs, atol=1e-5)


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_second_derivatives(method):
    y0 = start(1).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda y0: odeint(driven, y0, [0.0, 0.1], method=method), (y0,), atol=1e-5
    )


def test_derivatives_by_times_are_slopes():
    times = TIMES.clone().requires_grad_()
    y = odeint(linear, start(), times, rtol=1e-10, atol=1e-12)
    (found,) = torch.autograd.grad(y[-1].sum(), times)
    last, first = linear(0, y[-1].detach()), linear(0, start())
    torch.testing.assert_close(found[-1], last.sum(), rtol=1e-8, atol=1e-8)
    flow = torch.linalg.matrix_exp((TIMES[-1] - TIMES[0]) * MATRIX)
    torch.testing.assert_close(found[0], -(first @ flow.T).sum(), rtol=1e-8, atol=1e-8)


def test_a_sample_does_not_notice_its_neighbours():
    def field(t, y):
        return -y[:, 1:] * (y - torch.cos(t)) * torch.tensor([1.0, 0.0])

    y0 = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    others = torch.stack([torch.linspace(10, 1000, 31), torch.linspace(50, 500, 31)], 1).double()
    alone, joined = (
        odeint(field, y, [0.0, 0.5, 1.0], rtol=1e-3, atol=1e-3, per_sample=True)
        for y in (y0, torch.cat([y0, others]))
    )
    torch.testing.assert_close(joined[:, :1], alone, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("times", [TIMES.float(), TIMES.tolist()], ids=["tensor", "list"])
@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
def test_fixed_steps_compile_to_one_graph(method, times):
    torch.compiler.reset()
    compiled = torch.compile(
        lambda y: odeint(driven_32, y, times, method=method), fullgraph=True, backend="aot_eager"
    )
    y0 = start().float()
    torch.testing.assert_close(compiled(y0), odeint(driven_32, y0, times, method=method))


def test_compiled_step_size_wants_a_list_of_times():
    torch.compiler.reset()
    compiled = torch.compile(
        lambda y, t: odeint(driven_32, y, t, method="rk4", step_size=0.1),
        fullgraph=True,
        backend="eager",
    )
    y0 = start().float()
    expected = odeint(driven_32, y0, [0.0, 0.5], method="rk4", step_size=0.1)
    torch.testing.assert_close(compiled(y0, [0.0, 0.5]), expected)
    with pytest.raises(Exception, match=r"times as a list of numbers.*step_size.*t.tolist\(\)"):
        compiled(y0, torch.tensor([0.0, 0.5]))


def driven_32(t, y):
    return torch.tanh(y @ MATRIX.T.float()) + torch.cos(3 * t) * y.flip(-1)


def test_fixed_steps_under_vmap_and_jvp():
    y0 = start()
    expected = odeint(driven, y0, TIMES, method="rk4")
    mapped = torch.func.vmap(lambda y: odeint(driven, y, TIMES, method="rk4"), out_dims=1)(y0)
    torch.testing.assert_close(mapped, expected, rtol=1e-13, atol=1e-13)
    for method in ("rk4", "dopri5"):
        _, slope = torch.func.jvp(
            lambda t, m=method: odeint(linear, y0, t, method=m), (TIMES,), (torch.ones(4).double(),)
        )
        torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-6)


def test_one_time_gives_the_start():
    torch.testing.assert_close(odeint(linear, start(), [2.0]), start()[None])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_dtype_follows_the_state(method, dtype):
    for times in (TIMES, TIMES.float(), [0, 1], torch.tensor([0, 1])):
        y = odeint(lambda t, y: -t * y, start().to(dtype), times, method=method)
        assert y.dtype == dtype
