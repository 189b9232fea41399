"""The minimiser keeps its rates, its monotonicity and its tolerance, sample by sample."""

import pytest
import torch

import darboux as dx
from darboux.imaging._energy import Energy, LeastSquares, dots, lengths
from darboux.imaging._minimise import EVERY, minimise


class Quadratic(Energy):
    """½ xᵀ H x - bᵀ x with eigenvalues of H from μ to L, and constants that may lie."""

    def __init__(self, batch, curvatures, *, convexity=None, smoothness=None):
        self.curvatures = torch.as_tensor(curvatures, dtype=torch.float64)
        self.b = torch.randn(batch, len(curvatures), dtype=torch.float64)
        low, high = float(self.curvatures.min()), float(self.curvatures.max())
        self.convexity = low if convexity is None else convexity
        self.smoothness = high if smoothness is None else smoothness
        self.scale, self.magnitude = lengths(self.b), 0 * lengths(self.b)

    def smooth(self, x):
        return dots(x, self.curvatures * x) / 2 - dots(x, self.b), self.curvatures * x - self.b


def problem(seed, *, weak, batch=5):
    """A random problem: one of three operators, a random prior, random data."""
    torch.manual_seed(seed)
    prior = dx.imaging.RidgeRegularizer(
        filters=8, kernel_size=3, weak=weak, sharpness=(5.0, 50.0)[seed % 2]
    ).double()
    with torch.no_grad():
        prior.bank.weight.copy_(torch.randn_like(prior.bank.weight))
        prior.log_threshold.add_(torch.randn_like(prior.log_threshold))
    operator = (
        None,
        dx.imaging.Inpainting(torch.rand(8, 8) < 0.5),
        dx.imaging.Blur(torch.rand(3, 3)),
    )[seed % 3]
    operator = operator if operator is None else operator.double()
    x = torch.rand(batch, 1, 8, 8, dtype=torch.float64)
    y = x if operator is None else operator(x)
    y = y + 0.1 * torch.randn_like(y)
    return operator, prior, y


WEIGHTS = (0.3, 1.0)


@pytest.mark.parametrize("weak", [0.0, 1.0])
@pytest.mark.parametrize("box", [None, (0.2, 0.7)])
def test_rates_in_random_problems(weak, box):
    """100 problems: five of five samples, in four settings."""
    for seed in range(5):
        operator, prior, y = problem(seed, weak=weak)
        energy = LeastSquares(operator, prior, y, weight=WEIGHTS[seed % 2], box=box)
        start = torch.rand(5, 1, 8, 8, dtype=torch.float64)
        found = minimise(energy, start, tol=1e-4, max_iter=3000)
        assert bool(found.converged.all())
        assert bool((found.excess == 0).all())
        rises = found.objective.diff(dim=0)
        assert bool((rises <= found.allowance[:-1]).all())
        mu, bound = energy.convexity, energy.smoothness
        above = found.objective - found.objective[-1]
        k = torch.arange(len(above))[:, None]
        if mu > 0:
            least = found.objective[-1] - bound / mu * found.left
            claimed = (1 - mu / bound) ** k * (found.objective[0] - least)
            assert bool((above <= claimed + 2 * found.allowance).all())
        if energy.is_slow:
            times = (k + EVERY - 1) // EVERY
            away = lengths(found.x - found.start).square()
            claimed = 2 * bound * away / (times + 1) ** 2
            assert bool((above <= claimed + 2 * found.allowance).all())
        if mu < 0:
            steps = (~found.low.isnan()).sum(dim=0)
            least = found.residual[:-1].square().amin(dim=0)
            assert bool((least <= 2 * bound * above[0] / steps.clamp(min=1) + 1e-12).all())


def test_a_quadratic_is_solved_exactly():
    energy = Quadratic(3, [0.01, 0.1, 1.0, 10.0])
    found = minimise(energy, torch.zeros(3, 4, dtype=torch.float64), tol=1e-10)
    torch.testing.assert_close(found.x, energy.b / energy.curvatures, atol=1e-6, rtol=1e-6)


def test_samples_are_independent():
    _, prior, y = problem(3, weak=0.0)
    together = minimise(LeastSquares(None, prior, y), y, tol=1e-6)
    for k in range(len(y)):
        alone = minimise(LeastSquares(None, prior, y[k : k + 1]), y[k : k + 1], tol=1e-6)
        begun = alone.objective[:6, 0], together.objective[:6, k]
        torch.testing.assert_close(*begun, rtol=1e-10, atol=0)
        apart = lengths(alone.x - together.x[k : k + 1])
        assert bool((apart <= alone.residual[-1] + together.residual[-1, k]).all())  # over μ = 1


def test_a_bound_that_lies_is_found_out():
    energy = Quadratic(2, [1.0, 100.0], convexity=1.0, smoothness=1.5)
    found = minimise(energy, torch.ones(2, 2, dtype=torch.float64), max_iter=50)
    assert bool((found.excess > 0).any() | (found.high > 1.5).any())
    assert bool((found.objective.diff(dim=0) <= found.allowance[:-1]).all())  # all the same


def test_it_says_what_has_not_converged():
    operator, prior, y = problem(1, weak=0.0)
    found = minimise(LeastSquares(operator, prior, y), y, tol=1e-12, max_iter=3)
    assert not bool(found.converged.any())
    assert found.iterations == 3


def test_it_stops_where_rounding_is_all_that_is_left():
    _, prior, y = problem(0, weak=0.0)
    energy = LeastSquares(None, prior.float(), y.float(), weight=1e8)
    found = minimise(energy, y.float(), max_iter=1000)
    assert found.iterations < 1000
    assert not bool(found.converged.any())


def test_an_energy_that_is_not_finite_is_refused():
    energy = Quadratic(1, [1.0, 2.0])
    with pytest.raises(FloatingPointError, match="finite energy"):
        minimise(energy, torch.tensor([[torch.nan, 0.0]], dtype=torch.float64))


def test_it_is_quicker_than_accelerated_gradients_alone():
    """Iterations to 1e-4, where FISTA with restarts takes more than twice as many."""
    torch.manual_seed(0)
    _, prior, _ = problem(1, weak=0.0)
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64).repeat_interleave(8, 2).repeat_interleave(8, 3)
    y = x + 0.1 * torch.randn_like(x)
    energy = LeastSquares(None, prior, y, weight=0.5)
    found = minimise(energy, y)
    assert found.iterations < 0.5 * fista(energy, y, tol=1e-4)


@torch.no_grad()
def fista(energy, x, *, tol):
    """The number of gradients that FISTA with restarts needs."""
    t, ahead = 1.0, x
    for k in range(1, 2000):
        g = energy.smooth(ahead)[1]
        if bool((lengths(g) <= tol * energy.scale).all()):
            return k
        after = ahead - g / energy.smoothness
        restart = float(((ahead - after) * (after - x)).sum()) > 0
        t, before = (1.0, 1.0) if restart else (0.5 + (0.25 + t * t) ** 0.5, t)
        ahead, x = after + (0.0 if restart else (before - 1) / t) * (after - x), after
    return k
