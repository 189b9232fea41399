"""Estimators of log det(I + J): exact, within their bounds, unbiased in value and gradient."""

import math

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from darboux.bijections import (
    ContractiveNetwork,
    ExactLogDet,
    RussianRoulette,
    TruncatedSeries,
)


def linear(n=3, constant=0.5, seed=0):
    """Return a matrix of that norm, as a parameter."""
    source = torch.Generator().manual_seed(seed)
    matrix = torch.randn(n, n, generator=source, dtype=torch.float64)
    return (matrix * constant / torch.linalg.matrix_norm(matrix, 2)).requires_grad_()


def draws(estimator, matrix, count):
    """Return the values of one call, each with a probe of its own."""
    x = torch.zeros(count, len(matrix), dtype=matrix.dtype)
    value, log_det = estimator.evaluate(lambda x: x @ matrix.T, x)
    assert value.shape == (count, len(matrix))
    return log_det


def exact(matrix):
    return torch.linalg.slogdet(torch.eye(len(matrix)).to(matrix) + matrix)[1]


STOCHASTIC = {
    "rademacher": RussianRoulette(),
    "normal": RussianRoulette(distribution="normal"),
    "poisson": RussianRoulette(terms="poisson", parameter=4.0, exact_terms=0),
    "no exact terms": RussianRoulette(exact_terms=0, parameter=0.3),
    "probes": RussianRoulette(probes=3),
    "backpropagation": RussianRoulette(gradient="backpropagation"),
    "hutchinson": TruncatedSeries(14, probes=1),
    "hutchinson backpropagation": TruncatedSeries(14, probes=2, gradient="backpropagation"),
}


def repeated(estimator, matrix, calls=300, batch=16):
    """Return means over calls, each with a number of terms of its own, of values and gradients."""
    values, slopes = [], []
    for _ in range(calls):
        mean = draws(estimator, matrix, batch).mean()
        values.append(mean.detach())
        slopes.append(torch.autograd.grad(mean, matrix)[0])
    return torch.stack(values), torch.stack(slopes)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_value_and_gradient_are_unbiased(name):
    matrix = linear()
    values, slopes = repeated(STOCHASTIC[name], matrix)
    expected = exact(matrix)
    (slope,) = torch.autograd.grad(expected, matrix)
    for samples, mean in ((values, expected.detach()), (slopes, slope)):
        error = (samples.mean(dim=0) - mean).abs()
        deviation = samples.std(dim=0) / len(samples) ** 0.5
        assert bool((error <= 4 * deviation + 1e-12).all())
        assert float(deviation.max()) < 0.05  # so that a bias would show


def test_a_short_series_is_seen_to_be_biased():
    matrix = (-0.6 * torch.eye(3, dtype=torch.float64)).requires_grad_()
    values, _ = repeated(TruncatedSeries(1, probes=1, distribution="normal"), matrix)
    deviation = values.std() / len(values) ** 0.5
    assert (values.mean() - exact(matrix)).abs() > 6 * deviation


@pytest.mark.parametrize("constant", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("terms", [1, 2, 5, 20])
def test_truncation_stays_within_its_bound(terms, constant):
    series = TruncatedSeries(terms)
    bound = series.error_bound(3, constant)
    tail = math.fsum(constant**k / k for k in range(terms + 1, 20_000))
    assert 3 * tail * (1 - 1e-9) <= bound <= 3 * tail + 1e-13
    for matrix in (linear(constant=constant), -constant * torch.eye(3, dtype=torch.float64)):
        error = draws(series, matrix, 1)[0] - exact(matrix)
        assert abs(float(error.detach())) <= bound * (1 + 1e-9)
    # the last one attains it
    torch.testing.assert_close(abs(float(error.detach())), bound, rtol=1e-6, atol=1e-12)


def test_a_seed_makes_the_same_number_in_every_call_and_draws_nothing():
    matrix, series = linear(), TruncatedSeries(5, probes=2, seed=3)
    state = torch.get_rng_state()
    first, again = (draws(series, matrix, 4) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first[:1], draws(series, matrix, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, draws(TruncatedSeries(5, probes=2, seed=4), matrix, 4))


@pytest.mark.parametrize("name", ["rademacher", "poisson", "hutchinson"])
def test_restoring_the_default_generator_repeats_the_draws(name):
    matrix = linear()
    state = torch.get_rng_state()
    first = draws(STOCHASTIC[name], matrix, 4)
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    assert torch.equal(first, draws(STOCHASTIC[name], matrix, 4))
    assert torch.equal(after, torch.get_rng_state())


def nonlinear():
    torch.manual_seed(0)
    return ContractiveNetwork(3, [8, 8], constant=0.5).double()


ALL = {"exact": ExactLogDet(), "series": TruncatedSeries(40), **STOCHASTIC}


@pytest.mark.parametrize("name", ALL)
def test_value_is_that_of_the_network_with_its_gradient(name):
    f, x = nonlinear(), torch.randn(4, 3, dtype=torch.float64)
    found, _ = ALL[name].evaluate(f, x)
    slopes, expected = (
        torch.autograd.grad(y.square().sum(), tuple(f.parameters())) for y in (found, f(x))
    )
    torch.testing.assert_close(found, f(x))
    torch.testing.assert_close(slopes, expected)


@pytest.mark.parametrize("name", ALL)
def test_no_grad_gives_the_same_numbers_without_graph(name):
    f, x = nonlinear(), torch.randn(4, 3, dtype=torch.float64)
    torch.manual_seed(1)
    value, log_det = ALL[name].evaluate(f, x)
    torch.manual_seed(1)
    with torch.no_grad():
        other, without = ALL[name].evaluate(f, x)
    assert not other.requires_grad
    assert not without.requires_grad
    torch.testing.assert_close((other, without), (value.detach(), log_det.detach()))


@pytest.mark.parametrize("name", ALL)
def test_inside_torch_func_and_checkpoints_the_same_number(name):
    f, x = nonlinear(), torch.randn(4, 3, dtype=torch.float64)

    def total(x):
        torch.manual_seed(1)
        return ALL[name].evaluate(f, x)[1].sum()

    start = x.clone().requires_grad_()
    (plain,) = torch.autograd.grad(total(start), start)
    torch.testing.assert_close(torch.func.vjp(total, x)[0], total(x))
    direction = torch.randn_like(x)
    value, slope = torch.func.jvp(total, (x,), (direction,))
    torch.testing.assert_close(value, total(x))
    gradient = torch.func.grad(total)(x)
    torch.testing.assert_close(slope, (gradient * direction).sum())
    again = checkpoint(total, start, use_reentrant=False)
    torch.testing.assert_close(torch.autograd.grad(again, start)[0], plain)
    if getattr(ALL[name], "gradient", "neumann") == "backpropagation" or name == "exact":
        torch.testing.assert_close(plain, gradient)


@pytest.mark.parametrize("name", ["exact", "series", "hutchinson backpropagation"])
def test_second_derivatives_are_right_where_there_are_any(name):
    f, x = nonlinear(), torch.randn(2, 3, dtype=torch.float64).requires_grad_()

    def value(x):
        torch.manual_seed(1)
        return ALL[name].evaluate(f, x)[1]

    assert torch.autograd.gradgradcheck(value, x)


@pytest.mark.parametrize("name", ["rademacher", "hutchinson"])
def test_second_derivatives_of_the_neumann_series_are_refused(name):
    f, x = nonlinear(), torch.randn(2, 3, dtype=torch.float64).requires_grad_()
    log_det = ALL[name].evaluate(f, x)[1]
    with pytest.raises(RuntimeError, match="Neumann series is a first derivative only"):
        torch.autograd.grad(log_det.sum(), x, create_graph=True)


def saved(estimator, terms):
    f, x = nonlinear(), torch.randn(4, 3, dtype=torch.float64)
    found = []

    def keep(tensor):
        found.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        estimator(terms).evaluate(f, x)
    return sum(found)


def test_memory_of_the_neumann_series_does_not_grow_with_the_terms():
    def neumann(terms):
        return TruncatedSeries(terms, probes=1)

    def backpropagation(terms):
        return TruncatedSeries(terms, probes=1, gradient="backpropagation")

    assert saved(neumann, 20) == saved(neumann, 2)
    assert saved(backpropagation, 20) > 3 * saved(backpropagation, 2)


@pytest.mark.parametrize("estimator", [ExactLogDet(), TruncatedSeries(2)], ids=["exact", "series"])
def test_compiled_graphs(estimator):
    f, x = ContractiveNetwork(2, [4]).double(), torch.randn(3, 2, dtype=torch.float64)
    torch.compiler.reset()
    compiled = torch.compile(
        lambda x: estimator.evaluate(f, x), fullgraph=True, backend="aot_eager"
    )
    torch.testing.assert_close(compiled(x), estimator.evaluate(f, x))


def test_compiled_graphs_refuse_what_they_cannot_hold():
    f, x = ContractiveNetwork(2, [4]), torch.randn(3, 2)
    for estimator, message in (
        (RussianRoulette(), "number of terms is random"),
        (TruncatedSeries(2, probes=1, seed=0), "probes with a seed"),
    ):
        torch.compiler.reset()
        compiled = torch.compile(
            lambda x, e=estimator: e.evaluate(f, x), fullgraph=True, backend="eager"
        )
        with pytest.raises(Exception, match=message):
            compiled(x)


def test_refusals():
    with pytest.raises(ValueError, match="TruncatedSeries: expected terms to be an integer"):
        TruncatedSeries(0)
    with pytest.raises(ValueError, match="expected probes to be an integer from 1 to 10000; got 0"):
        RussianRoulette(probes=0)
    with pytest.raises(ValueError, match="'rademacher' or 'normal'; got 'cauchy'"):
        TruncatedSeries(3, probes=1, distribution="cauchy")
    with pytest.raises(ValueError, match="'neumann' or 'backpropagation'"):
        RussianRoulette(gradient="adjoint")
    with pytest.raises(
        ValueError, match=r"parameter in \(0.0001, 1\) for geometric terms; got 1.0"
    ):
        RussianRoulette(parameter=1.0)
    with pytest.raises(ValueError, match="'geometric' or 'poisson'; got 'uniform'"):
        RussianRoulette(terms="uniform")
    with pytest.raises(ValueError, match=r"a number of 0 or more, below 1; got 1\.0"):
        TruncatedSeries(3).error_bound(2, 1.0)
