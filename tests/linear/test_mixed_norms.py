"""Norms from l_p to l_q: true bounds, exact where they are known, estimates from below."""

import itertools
import math

import pytest
import torch

from darboux.linear import mixed_chain_bound, mixed_norm_bound, mixed_norm_estimate

INF = math.inf
ORDERS = (1.0, 1.2, 1.5, 2.0, 3.0, 7.0, INF)


def norm(x, order):
    return torch.linalg.vector_norm(x, order, dim=-1)


def attacked(weight, p, q):
    """Return the largest quotient that ascent and many vectors find."""
    n = weight.shape[1]
    corners = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=n)), dtype=torch.float64)
    x = torch.cat([torch.eye(n, dtype=torch.float64), corners])
    x = torch.cat([x, torch.randn(4000, n, dtype=torch.float64)])
    best = float((norm(x @ weight.T, q) / norm(x, p)).max())
    if 1 < p < INF and 1 < q < INF:
        best = max(best, float(mixed_norm_estimate(weight, p, q, iterations=200)))
    return best


@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (6, 2)])
@pytest.mark.parametrize("p", ORDERS)
@pytest.mark.parametrize("q", ORDERS)
def test_no_vector_exceeds_the_bound(p, q, shape):
    weight = torch.randn(shape, dtype=torch.float64)
    found, bound = attacked(weight, p, q), float(mixed_norm_bound(weight, p, q))
    assert found <= bound * (1 + 1e-12)
    assert bound <= 4 * found


@pytest.mark.parametrize("order", ORDERS)
def test_exact_families(order):
    weight = torch.randn(5, 4, dtype=torch.float64)
    columns = norm(weight.T, order).max()
    dual = INF if order == 1 else (1.0 if order == INF else order / (order - 1))
    rows = norm(weight, dual).max()
    torch.testing.assert_close(mixed_norm_bound(weight, 1, order), columns, rtol=1e-12, atol=0)
    torch.testing.assert_close(mixed_norm_bound(weight, order, INF), rows, rtol=1e-12, atol=0)
    assert mixed_norm_bound(weight, 1, order) >= columns
    assert mixed_norm_bound(weight, order, INF) >= rows
    torch.testing.assert_close(
        mixed_norm_bound(weight, 2, 2), torch.linalg.matrix_norm(weight, 2), rtol=1e-2, atol=0
    )


def test_interpolation_is_sharp_for_a_hadamard_matrix():
    # ‖H‖_{p→p*} = n^{1/p*} for 1 <= p <= 2, by Hausdorff and Young
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    matrix = torch.kron(two, two)
    for p in (1.25, 1.5, 1.75):
        dual = p / (p - 1)
        bound = float(mixed_norm_bound(matrix, p, dual))
        assert 4 ** (1 / dual) <= bound <= 4 ** (1 / dual) * 1.01


def test_estimate_stays_below_and_finds_the_spectral_norm():
    weight = torch.randn(6, 5, dtype=torch.float64)
    exact = torch.linalg.matrix_norm(weight, 2)
    found = mixed_norm_estimate(weight, 2.0, 2.0, iterations=500)
    assert found <= exact * (1 + 1e-12)
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0)


def test_estimates_have_derivatives_in_the_orders():
    weight = torch.randn(4, 3, dtype=torch.float64)
    orders = torch.tensor([1.7, 3.0], dtype=torch.float64, requires_grad=True)
    value = mixed_norm_estimate(weight, orders[0], orders[1], iterations=300)
    (slope,) = torch.autograd.grad(value, orders)
    for k in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[k] = 1e-5
        above, below = (
            mixed_norm_estimate(weight, *(orders.detach() + s * step), iterations=300)
            for s in (1, -1)
        )
        torch.testing.assert_close(slope[k], (above - below) / 2e-5, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pair", [(1.0, 2.0), (3.0, INF), (2.0, 2.0), (1.5, 4.0), (4.0, 1.5)])
def test_derivatives_of_the_bound(pair):
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: mixed_norm_bound(w, *pair), weight)


@pytest.mark.parametrize("orders", [(2, 2, 2), (1, INF, 1), (INF, 1.5, INF), (1.5, 3, 1.5)])
def test_a_chain_contracts_in_the_norm_it_ends_in(orders):
    weights = [torch.randn(6, 3, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)]
    bound = mixed_chain_bound(weights, orders)
    x, y = torch.randn(2, 2000, 3, dtype=torch.float64)
    first, last = (torch.tanh(z @ weights[0].T) @ weights[1].T for z in (x, y))
    assert bool((norm(first - last, orders[0]) <= bound * norm(x - y, orders[0])).all())


def test_zero_and_huge_matrices():
    assert float(mixed_norm_bound(torch.zeros(2, 3), 1.5, 3)) < 1e-300
    assert mixed_norm_bound(torch.full((2, 3), 1e200, dtype=torch.float64), 1.5, 3).isfinite()


def test_refusals():
    weight = torch.ones(2, 2)
    with pytest.raises(ValueError, match="Expected a matrix"):
        mixed_norm_bound(torch.ones(2), 2, 2)
    with pytest.raises(ValueError, match=r"p to be a number from 1 to ∞; got 0\.5"):
        mixed_norm_bound(weight, 0.5, 2)
    with pytest.raises(ValueError, match=r"a Tensor or a number in \(1, ∞\); got 1"):
        mixed_norm_estimate(weight, 1, 2)
    with pytest.raises(ValueError, match="expected 3 orders for 2 matrices; got 2"):
        mixed_chain_bound([weight, weight], (2, 2))
