"""Anderson's acceleration: fewer evaluations, never many more, each sample on its own."""

import math

import numpy as np
import pytest
import torch

from darboux.solvers import ConvergenceError, solve
from darboux.solvers._convergence import Target
from darboux.solvers._iterations import anderson, fixed_point

EPS = torch.finfo(torch.float64).eps
KINDS = ("random", "symmetric", "rotation", "saturated")


def contraction(kind, n, rate, batch=6):
    matrix = torch.randn(n, n, dtype=torch.float64)
    if kind == "symmetric":
        matrix = matrix + matrix.T
    if kind == "rotation":
        matrix = torch.linalg.qr(matrix)[0]
    matrix = matrix * rate / torch.linalg.matrix_norm(matrix, 2)
    shift = 3 * torch.randn(batch, n, dtype=torch.float64)
    outer = torch.tanh if kind == "saturated" else torch.clone
    return (lambda x: outer(x @ matrix.T) + shift), shift


class Counted:
    """A map that counts its evaluations."""

    def __init__(self, g):
        self.g, self.calls = g, 0

    def __call__(self, x):
        self.calls += 1
        return self.g(x)


def evaluations(method, g, x):
    counted = Counted(g)
    target = Target(8 * EPS, 20_000, "test", np.ones(len(x)))
    keywords = {"rate": math.inf} if method is fixed_point else {}
    progress = method(counted, x, target, **keywords)
    assert bool(progress.solved.all())
    return counted.calls, progress.x


@pytest.mark.parametrize("n", [2, 10])
@pytest.mark.parametrize("kind", KINDS)
def test_fewer_evaluations_for_a_contraction_with_rate_0_9(kind, n):
    g, shift = contraction(kind, n, 0.9)
    plain, x = evaluations(fixed_point, g, shift.clone())
    quick, z = evaluations(anderson, g, shift.clone())
    assert quick < 0.8 * plain
    torch.testing.assert_close(z, x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("n", [1, 3, 30, 150])
@pytest.mark.parametrize("kind", KINDS)
def test_never_many_more_evaluations(kind, n, rate):
    g, shift = contraction(kind, n, rate)
    plain, _ = evaluations(fixed_point, g, shift.clone())
    quick, _ = evaluations(anderson, g, shift.clone())
    assert quick <= 1.2 * plain + 1


def test_safeguard_holds_where_acceleration_misleads():
    # slopes ±0.9 in tiny teeth: secants say nothing about where the fixed point is
    def g(x):
        return 3 + 0.9 / 40 * torch.sin(40 * x)

    x = torch.linspace(-5, 5, 40, dtype=torch.float64)[:, None]
    plain, _ = evaluations(fixed_point, g, x)
    quick, found = evaluations(anderson, g, x)
    assert quick <= 1.2 * plain + 1
    assert (g(found) - found).abs().max() < 1e-14


@pytest.mark.parametrize("shape", [(5, 4), (5, 2, 3, 3)])
def test_rows_of_a_batch_do_not_influence_each_other(shape):
    scale = torch.tensor([0.1, 0.99, 0.5, 0.9, 0.7], dtype=torch.float64)
    scale = scale.reshape(-1, *(1,) * (len(shape) - 1))
    shift = torch.randn(shape, dtype=torch.float64)

    def g(k):
        return lambda x: scale[k] * torch.sin(x.roll(1, -1)) + shift[k]

    keywords = {"method": "anderson", "max_iter": 5000}
    whole = solve(g(slice(None)), shift, **keywords)
    for k in range(5):
        alone = solve(g(slice(k, k + 1)), shift[k : k + 1], **keywords)
        torch.testing.assert_close(whole[k : k + 1], alone, rtol=1e-13, atol=1e-13)


def test_what_contracts_fast_costs_what_plain_iteration_costs():
    g, shift = contraction("saturated", 8, 1e-3)
    counts = []
    for method in ("anderson", "fixed-point"):
        counted = Counted(g)
        solve(counted, shift, method=method)
        counts.append(counted.calls)
    assert counts[0] == counts[1]


def test_a_sample_that_is_lost_does_not_spoil_the_others():
    shift = torch.tensor([[1.0], [torch.nan], [2.0]], dtype=torch.float64)
    target = Target(8 * EPS, 200, "test", np.ones(3))
    progress = anderson(lambda x: x.cos() / 2 + shift, torch.zeros_like(shift), target)
    assert progress.solved.tolist() == [True, False, True]


def test_derivatives_are_those_of_the_solution():
    c = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    guess = torch.ones(1, 1, dtype=torch.float64)
    x = solve(lambda x: (x + c / x) / 2, guess, method="anderson")
    torch.testing.assert_close(x.item(), math.sqrt(2))
    (slope,) = torch.autograd.grad(x.sum(), c)
    torch.testing.assert_close(slope.item(), 1 / (2 * math.sqrt(2)))


def test_what_does_not_converge_is_refused():
    with pytest.raises(ConvergenceError, match=r"anderson\), worst sample 1.*method='newton'"):
        solve(
            lambda x: torch.tensor([[0.5], [1.0]]) * x + torch.tensor([[0.0], [1.0]]),
            torch.ones(2, 1),
            method="anderson",
            max_iter=40,
        )
