"""odeint on the problems of DETEST, against exact solutions and fine ones by SciPy."""

from functools import cache

import pytest
import torch

from darboux.flow import odeint
from tests.flow.detest import END, PROBLEMS, solution

# Evaluations and largest errors of torchdiffeq 0.2.5's dopri5 at the tolerances 1e-3, 1e-6, 1e-9.
# `benchmarks/test_odeint.py` compares with torchdiffeq itself.
PEER = {
    "A1": ((68, 7.3e-4), (152, 4.8e-8), (494, 8.8e-11)),
    "A2": ((44, 1.5e-3), (92, 6.3e-7), (278, 1.5e-9)),
    "A3": ((140, 1.7e-3), (464, 5.0e-6), (1490, 2.0e-8)),
    "A4": ((32, 2.0e-2), (86, 1.2e-5), (302, 9.2e-10)),
    "A5": ((32, 1.5e-3), (86, 2.2e-5), (260, 2.0e-8)),
    "B1": ((320, 6.8e-2), (836, 2.6e-5), (2726, 3.4e-8)),
    "B2": ((158, 6.6e-4), (224, 1.5e-6), (566, 1.3e-10)),
    "B3": ((86, 5.1e-4), (164, 1.3e-6), (536, 3.6e-10)),
    "B4": ((176, 4.1e-2), (542, 5.1e-5), (1988, 1.9e-8)),
    "B5": ((152, 4.6e-1), (458, 4.6e-5), (1466, 3.5e-8)),
    "C1": ((86, 4.4e-3), (194, 1.2e-6), (668, 1.4e-9)),
    "C2": ((422, 2.1e-3), (440, 1.9e-6), (758, 7.5e-10)),
    "C3": ((194, 1.9e-4), (242, 4.5e-7), (548, 1.1e-10)),
    "C4": ((194, 6.1e-4), (236, 1.1e-6), (470, 8.5e-10)),
    "C5": ((44, 1.2e-0), (74, 4.4e-4), (242, 1.2e-7)),
    "D1": ((284, 8.3e-1), (428, 1.8e-3), (1592, 3.1e-7)),
    "D2": ((236, 2.1e-0), (548, 1.1e-3), (1784, 3.4e-7)),
    "D3": ((248, 1.8e-0), (692, 3.1e-4), (2192, 3.5e-7)),
    "D4": ((338, 7.5e-1), (872, 1.1e-4), (2816, 4.0e-7)),
    "D5": ((554, 2.6e-0), (1268, 5.2e-4), (3950, 7.1e-7)),
    "E1": ((92, 9.0e-3), (332, 7.1e-6), (1304, 4.9e-9)),
    "E2": ((404, 2.2e-1), (1118, 2.8e-5), (3392, 1.6e-8)),
    "E3": ((218, 2.5e-1), (770, 8.9e-5), (2642, 2.6e-8)),
    "E4": ((50, 2.8e-3), (74, 9.4e-6), (188, 3.7e-9)),
    "E5": ((86, 1.1e-4), (128, 8.4e-6), (290, 7.8e-9)),
}
TOLERANCES = (1e-3, 1e-6, 1e-9)
LONG = {name for name, rows in PEER.items() if rows[2][0] > 600}  # at 1e-9


def cases():
    for name, rows in PEER.items():
        for tolerance, (evaluations, error) in zip(TOLERANCES, rows, strict=True):
            slow = [pytest.mark.slow] if tolerance == TOLERANCES[2] and name in LONG else []
            yield pytest.param(
                name, tolerance, evaluations, error, marks=slow, id=f"{name}-{tolerance:g}"
            )


@cache
def reference(name):
    return solution(PROBLEMS[name])


@pytest.mark.parametrize(("name", "tolerance", "evaluations", "error"), list(cases()))
def test_errors_and_evaluations_are_those_of_torchdiffeq(name, tolerance, evaluations, error):
    problem, calls = PROBLEMS[name], [0]

    def f(t, y):
        calls[0] += 1
        return problem.f(t, y)

    y = odeint(f, problem.y0(), [0.0, END], rtol=tolerance, atol=tolerance)[-1]
    # at the limit of stability the last digits of errors below the tolerance are rounding
    assert float((y - reference(name)).abs().max()) <= max(2 * error, tolerance)
    assert abs(calls[0] / evaluations - 1) <= 0.1


@pytest.mark.parametrize("name", PROBLEMS)
def test_flattened_problems_give_the_same(name):
    problem = PROBLEMS[name]
    y0 = problem.y0()
    y = odeint(problem.f, y0, [0.0, 1.0, 2.0], rtol=1e-4, atol=1e-4)

    def flat(t, z):
        return problem.f(t, z.reshape(y0.shape)).flatten()

    z = odeint(flat, y0.flatten(), [0.0, 1.0, 2.0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(z.reshape(y.shape), y, rtol=1e-12, atol=1e-12)
