"""odeint against torchdiffeq's dopri5: errors, evaluations and times on both problem sets."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from interleaved import medians

import darboux as dx
from tests.flow.detest import END, PROBLEMS, solution

torchdiffeq = pytest.importorskip("torchdiffeq")

TOLERANCES = (1e-3, 1e-6, 1e-9)
ERRORS, EVALUATIONS = 2.0, 0.1  # over those of torchdiffeq, and how far from them
TIMES = torch.linspace(1, 8, 10, dtype=torch.float64)
GENERATOR = torch.Generator().manual_seed(0)
MATRIX = 0.1 * torch.randn(10, 10, generator=GENERATOR, dtype=torch.float64)
SPRINGS = -0.1 * torch.rand(2, generator=GENERATOR, dtype=torch.float64)


def constant(t, y):
    return 0.2 + (y - (0.2 * t + 3.0)) ** 5


def sine(t, y):
    return 2 * y / t + t**4 * torch.sin(2 * t) - t**2 + 4 * t**3


def sine_exact(t):
    waves = (t**3 * torch.sin(2 * t) - t**4 * torch.cos(2 * t)) / 2 + t**2 * torch.cos(2 * t) / 4
    return waves - t**3 + 2 * t**4 + (math.pi - 0.25) * t**2


def matrix_exact(matrix, y0):
    return torch.stack([torch.linalg.matrix_exp((t - TIMES[0]) * matrix) @ y0 for t in TIMES])


SKEW = MATRIX - MATRIX.T
HARMONIC = torch.cat(
    [
        torch.cat([torch.zeros(2, 2), torch.eye(2)], dim=1),
        torch.cat([torch.diag(SPRINGS), torch.zeros(2, 2)], dim=1),
    ]
).double()
# f and its solution at TIMES: the problems of torchdiffeq's own tests
OWN = {
    "constant": (constant, 0.2 * TIMES + 3.0),
    "sine": (sine, sine_exact(TIMES)),
    "linear": (lambda t, y: SKEW @ y, matrix_exact(SKEW, torch.ones(10).double())),
    "harmonic": (lambda t, y: HARMONIC @ y, matrix_exact(HARMONIC, torch.ones(4).double())),
}


def solved(library, f, y0, times, tolerance, **settings):
    """Return the solution and the evaluations that it took."""
    calls = [0]

    def counted(t, y):
        calls[0] += 1
        return f(t, y)

    with torch.no_grad():
        return library.odeint(
            counted, y0, times, rtol=tolerance, atol=tolerance, **settings
        ), calls[0]


def compare(f, y0, times, expected, tolerance):
    """Return evaluations and errors over those of torchdiffeq."""
    (ours, count), (theirs, other) = (
        solved(library, f, y0, times, tolerance) for library in (dx, torchdiffeq)
    )
    # below this an error is rounding
    floor = 1e-13 * float(expected.abs().max())
    errors = [max(float((y - expected).abs().max()), floor) for y in (ours, theirs)]
    return {"evaluations": count / other, "error": errors[0] / errors[1]}


def judge(goals, what, found):
    goals(
        (f"odeint / torchdiffeq, {what}, error", found["error"], "<=", ERRORS),
        (f"odeint / torchdiffeq, {what}, evaluations", found["evaluations"], "<=", 1 + EVALUATIONS),
    )


@pytest.mark.parametrize("tolerance", TOLERANCES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_detest(benchmark, goals, name, tolerance):
    problem = PROBLEMS[name]
    times, y0 = torch.tensor([0.0, END]).double(), problem.y0()
    found = compare(problem.f, y0, times, torch.stack([y0, solution(problem)]), tolerance)
    steps = {
        library.__name__: lambda library=library: solved(library, problem.f, y0, times, tolerance)
        for library in (dx, torchdiffeq)
    }
    times_of = medians(steps, rounds=3)
    found["torchdiffeq / darboux"] = times_of["torchdiffeq"] / times_of["darboux"]
    benchmark.extra_info.update(found)
    benchmark.pedantic(steps["darboux"], rounds=1)
    judge(goals, f"{name} at {tolerance:g}", found)


@pytest.mark.parametrize("tolerance", TOLERANCES)
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("name", OWN)
def test_problems_of_torchdiffeq(benchmark, goals, name, way, tolerance):
    f, expected = OWN[name]
    times = TIMES
    if way == "backward":
        times, expected = times.flip(0), expected.flip(0)
    found = compare(f, expected[0], times, expected, tolerance)
    benchmark.extra_info.update(found)
    benchmark.pedantic(lambda: solved(dx, f, expected[0], times, tolerance), rounds=1)
    judge(goals, f"{name} {way} at {tolerance:g}", found)


# method -> the evaluations of a step over those of torchdiffeq, whose steps of order 2 do not begin
# with the slope at their own state
PAIRS = {"adaptive_heun": 2.1, "fehlberg2": 1.6, "bosh3": 1.1, "tsit5": 1.1, "dopri8": 1.1}


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
@pytest.mark.parametrize("method", PAIRS)
def test_pairs(benchmark, goals, method, tolerance):
    """ẏ = cos(3t) y at 23 times in [0, 10]: errors there, evaluations, and time."""
    if method not in sys.modules["torchdiffeq._impl.odeint"].SOLVERS:
        pytest.skip(f"this release of torchdiffeq has no {method}")
    times, y0 = torch.linspace(0, 10, 23).double(), torch.ones(1).double()
    expected = torch.exp(torch.sin(3 * times) / 3).unsqueeze(1)
    settings = {"method": method, "options": {"max_num_steps": 100_000}}
    runs = {
        library.__name__: lambda library=library: solved(
            library, lambda t, y: torch.cos(3 * t) * y, y0, times, tolerance, **settings
        )
        for library in (dx, torchdiffeq)
    }
    (ours, count), (theirs, other) = (run() for run in runs.values())
    errors = [float((y - expected).abs().max()) for y in (ours, theirs)]
    found = medians(runs, rounds=3)
    found = {
        "error": errors[0] / errors[1],
        "evaluations": count / other,
        "torchdiffeq / darboux": found["torchdiffeq"] / found["darboux"],
    }
    benchmark.extra_info.update(found)
    benchmark.pedantic(runs["darboux"], rounds=1)
    what = f"{method} at {tolerance:g}, darboux / torchdiffeq"
    goals(
        (f"{what}, error", found["error"], "<=", 2.1),
        (f"{what}, evaluations", found["evaluations"], "<=", PAIRS[method]),
    )


def test_fixed_steps_cost_little_beside_f(benchmark, goals):
    """1000 steps of rk4 with a function that costs nothing."""
    y0, slope = torch.ones(2).double(), torch.ones(2).double()
    times = torch.tensor([0.0, 1.0]).double()

    def f(t, y):
        return slope

    runs = {
        "darboux": lambda: dx.odeint(f, y0, times, method="rk4", step_size=1e-3),
        "torchdiffeq": lambda: torchdiffeq.odeint(
            f, y0, times, method="rk4", options={"step_size": 1e-3}
        ),
    }
    with torch.no_grad():
        torch.testing.assert_close(runs["darboux"](), runs["torchdiffeq"]())
        found = medians(runs, rounds=7)
        benchmark.pedantic(runs["darboux"], rounds=3)
    benchmark.extra_info.update(found)
    # 30 microseconds a step where torchdiffeq takes 66
    ratio = found["darboux"] / found["torchdiffeq"]
    goals(
        ("rk4 beside f, darboux / torchdiffeq", ratio, "<=", 0.45, *(found[name] for name in runs))
    )


def test_many_output_times(benchmark, goals):
    """A spiral at 101 times, which neither library steps to."""
    matrix, y0 = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]]), torch.tensor([[2.0, 0.0]])
    times, tolerances = torch.linspace(0.0, 10.0, 101), {"rtol": 1e-7, "atol": 1e-9}
    runs = {
        library.__name__: lambda library=library: library.odeint(
            lambda t, y: y**3 @ matrix, y0, times, **tolerances
        )
        for library in (dx, torchdiffeq)
    }
    with torch.no_grad():
        torch.testing.assert_close(runs["darboux"](), runs["torchdiffeq"](), rtol=1e-4, atol=1e-4)
        found = medians(runs, rounds=7)
        benchmark.pedantic(runs["darboux"], rounds=3)
    benchmark.extra_info.update(found)
    what, ratio = "dopri5 at 101 times / torchdiffeq", found["darboux"] / found["torchdiffeq"]
    counts = [
        solved(library, lambda t, y: y**3 @ matrix, y0, times, 1e-7)[1]
        for library in (dx, torchdiffeq)
    ]
    goals(
        (f"{what}, time", ratio, "<=", 1.0, *(found[name] for name in runs)),
        (f"{what}, evaluations", counts[0] / counts[1], "<=", 1.0),
    )
