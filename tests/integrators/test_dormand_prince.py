"""Dormand-Prince: accuracy, steps of samples, refusals."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import darboux as dx
from darboux.integrators import DormandPrince, StiffnessError
from darboux.integrators._path import Path
from darboux.integrators._step_control import Search, Tolerance
from darboux.testing import LIFECYCLE
from tests.catalogue.integrators import ADAPTIVE as CASES
from tests.integrators.adaptive_fields import MATRIX, batch, driven, linear, stiff
from tests.integrators.phase import DrivenStep

FINE = DormandPrince(rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("check", [c for c in LIFECYCLE if c not in ("compile", "vmap", "dtypes")])
@pytest.mark.parametrize("name", CASES)
def test_lifecycle(name, check):
    LIFECYCLE[check](lambda: DrivenStep(CASES[name]()), torch.rand(3, 4) + 0.5)


@pytest.mark.parametrize("duration", [1.7, -1.7])
def test_linear_systems_against_the_matrix_exponential(duration):
    z = batch(4)
    expected = z @ torch.linalg.matrix_exp(duration * MATRIX).T
    after = FINE.step(linear, 0.3, duration, z)
    torch.testing.assert_close(after, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("duration", [4.0, -1.0])
def test_driven_systems_against_scipy(duration):
    z = batch(3)

    def of(t, y):
        time = torch.tensor([[t]], dtype=torch.float64)
        return driven(time, torch.from_numpy(y)[None])[0].numpy()

    for row, found in zip(z, FINE.step(driven, 0.5, duration, z), strict=True):
        span = (0.5, 0.5 + duration)
        solution = solve_ivp(of, span, row.numpy(), method="RK45", rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(found.numpy(), solution.y[:, -1], rtol=1e-8, atol=1e-9)


def test_errors_follow_the_tolerance_and_work_grows_like_its_fifth_root():
    z, counts, errors = batch(4), [], []
    exact = z @ torch.linalg.matrix_exp(3 * MATRIX).T
    tolerances = torch.logspace(-5, -11, 7).double()
    for tolerance in tolerances.tolist():
        calls = [0]

        def field(t, z, calls=calls):
            calls[0] += 1
            return linear(t, z)

        after = DormandPrince(rtol=tolerance, atol=tolerance).step(field, 0.0, 3.0, z)
        errors.append(float((after - exact).abs().max()))
        counts.append(calls[0])
        assert errors[-1] <= 30 * tolerance
    logs = [torch.tensor(x).double().log() for x in (counts, errors)]
    x, y = (log - log.mean() for log in logs)
    assert abs(float((x @ y) / (x @ x)) + 5) < 1  # global error against work: order 5


def test_one_first_slope_and_six_evaluations_for_each_try():
    calls = []

    def field(t, z):
        calls.append(t.clone())
        return -z

    z = torch.ones(2, 3, 4, dtype=torch.float64)
    DormandPrince().step(field, 0.0, 1.0, z)
    assert (len(calls) - 2) % 6 == 0  # the first slope, and one for the first step
    assert {t.shape for t in calls} == {torch.Size([2, 1, 1])}
    assert {t.dtype for t in calls} == {torch.float64}
    assert float(torch.stack(calls).max()) <= 1.0


def test_a_sample_does_not_notice_its_neighbours():
    z = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    others = torch.stack([torch.linspace(10, 1000, 31), torch.linspace(50, 500, 31)], 1).double()
    method = DormandPrince(rtol=1e-3, atol=1e-3)
    alone = method.step(stiff, 0.0, 2.0, z)
    joined = method.step(stiff, 0.0, 2.0, torch.cat([z, others]))
    torch.testing.assert_close(joined[:1], alone, rtol=1e-14, atol=1e-14)


def test_samples_have_their_own_steps():
    z = torch.tensor([[1.0, 1.0], [1.0, 300.0]], dtype=torch.float64)
    tolerance = Tolerance(1e-4, 1e-4)
    tries = DormandPrince().tries(Path(stiff, 0.0, 1.0), tolerance)
    search = Search(stiff, 0.0, 1.0, tolerance, 1000, 0.0, tries)
    places, _ = search.run(z, stiff(torch.zeros(2, 1).double(), z))
    places = torch.from_numpy(places)
    counts = (places < 1).sum(dim=1)
    assert counts[1] > 5 * counts[0]
    assert bool((places.diff(dim=1) >= 0).all())
    assert bool((places[:, 0] == 0).all())
    assert bool((places[:, -1] == 1).all())


def test_float32_follows_the_input():
    z = batch(3).float()
    after = DormandPrince().step(driven_32, 0.0, 1.0, z)
    assert after.dtype == torch.float32
    exact = FINE.step(driven, 0.0, 1.0, z.double())
    torch.testing.assert_close(after.double(), exact, rtol=2e-5, atol=2e-6)


def driven_32(t, z):
    return torch.tanh(z @ MATRIX.T.float()) + torch.cos(3 * t) * z.flip(1)


def test_bfloat16_stays_within_its_rounding():
    z = torch.ones(2, 3, dtype=torch.bfloat16)
    after = DormandPrince().step(lambda t, z: -z, 0.0, 1.0, z)
    assert after.dtype == torch.bfloat16
    error = float((after.double() - math.exp(-1)).abs().max())
    assert error <= 8 * torch.finfo(torch.bfloat16).eps


def test_empty_batch():
    assert DormandPrince().step(linear, 0.0, 1.0, batch(0)).shape == (0, 3)


def test_in_a_flow_each_piece_is_one_call():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fields = [
            dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh()).double()
            for _ in range(3)
        ]
    z = batch(2)
    flow = dx.Flow(fields, FINE, horizon=3.0)
    expected = z
    for field in fields:
        expected = FINE.step(field, 0.0, 1.0, expected)
    torch.testing.assert_close(flow(z), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        flow(z), dx.Flow(fields, dx.integrators.Kutta4(), horizon=3.0)(z), rtol=5e-2, atol=5e-2
    )


def blow_up(t, z):
    return z.square()


def test_underflow_names_the_sample_and_the_methods():
    z = torch.tensor([[0.1], [1.0], [0.2]], dtype=torch.float64)
    message = r"steps of at least .*; got .* at t = 1 in sample 1 of 3.*RadauIIA\(3\), LobattoIIIC"
    with pytest.raises(StiffnessError, match=message):
        DormandPrince().step(blow_up, 0.0, 2.0, z)


def test_stiffness_exceeds_the_number_of_steps_or_the_shortest_one():
    z = torch.tensor([[1.0, 1.0], [0.0, 1e6]], dtype=torch.float64)
    message = r"at most 200 steps \(max_steps\).*sample 1 of 2.*ImplicitEuler\(\).*larger tolerance"
    with pytest.raises(StiffnessError, match=message):
        DormandPrince(max_steps=200).step(stiff, 0.0, 1.0, z)
    with pytest.raises(StiffnessError, match=r"steps of at least 0.001; got .* sample 1 of 2"):
        DormandPrince(min_step=1e-3).step(stiff, 0.0, 1.0, z)


def test_values_that_are_not_finite_name_the_sample():
    z = torch.ones(3, 1, dtype=torch.float64)
    scale = torch.tensor([[1.0], [1.0], [math.nan]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"infinite or nan slopes at t = 0\.5 in sample 2 of 3"):
        DormandPrince().step(lambda t, z: scale * z, 0.5, 1.0, z)
    with pytest.raises(StiffnessError, match=r"t = 0\.5.* sample 1 of 3, where f is not finite"):
        DormandPrince().step(breaks_in_the_second, 0.0, 1.0, z)


def breaks_in_the_second(t, z):
    late = (t > 0.5) & (torch.arange(3).reshape(-1, 1) == 1)
    return torch.where(late, math.nan, -z)


REFUSED = {
    "rtol": ({"rtol": -1.0}, "rtol to be a finite number of 0 or more; got -1.0"),
    "atol": ({"atol": math.inf}, "atol to be a finite number of 0 or more; got inf"),
    "none": ({"rtol": 0.0, "atol": 0.0}, "rtol > 0 or atol > 0"),
    "min_step": ({"min_step": math.nan}, "min_step to be a finite number of 0 or more; got nan"),
    "max_steps": ({"max_steps": 0}, "max_steps to be a positive integer; got 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_arguments(name):
    arguments, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        DormandPrince(**arguments)


def test_refuses_a_limit_that_is_no_integer():
    with pytest.raises(TypeError, match="max_steps to be a positive integer; got nan"):
        DormandPrince(max_steps=math.nan)


def test_refuses_shapes():
    z = batch(2)
    with pytest.raises(ValueError, match=r"of the shape of z, \(2, 3\); got \(2, 1\)"):
        DormandPrince().step(lambda t, z: z[:, :1], 0.0, 1.0, z)
    with pytest.raises(ValueError, match=r"\(batch, ...\); got a number"):
        DormandPrince().step(linear, 0.0, 1.0, torch.tensor(1.0))
    with pytest.raises(ValueError, match="0-dimensional tensor; got shape"):
        DormandPrince().step(linear, 0.0, torch.ones(2), z)


def test_refuses_what_depends_on_values():
    z, method = batch(2), DormandPrince()
    with pytest.raises(RuntimeError, match=r"expected a batch on the first axis.*torch.func.vmap"):
        torch.func.vmap(lambda z: method.step(linear, 0.0, 1.0, z[None])[0])(z)
    torch.compiler.reset()
    compiled = torch.compile(
        lambda z: method.step(linear, 0.0, 1.0, z), fullgraph=True, backend="eager"
    )
    with pytest.raises(Exception, match=r"expected eager execution.*for instance Kutta4\(\)"):
        compiled(z)


def test_runs_beside_a_compiled_graph():
    z, method = batch(2), DormandPrince()
    torch.compiler.reset()
    compiled = torch.compile(lambda z: 2 * method.step(linear, 0.0, 1.0, z + 1), backend="eager")
    torch.testing.assert_close(compiled(z), 2 * method.step(linear, 0.0, 1.0, z + 1))


@pytest.mark.parametrize("name", CASES)
def test_equal_methods_are_equal_and_copies_too(name):
    method = CASES[name]()
    assert method == CASES[name]() == copy.deepcopy(method) == pickle.loads(pickle.dumps(method))
    assert len({method, CASES[name]()}) == 1
    assert method != DormandPrince(rtol=0.5)
