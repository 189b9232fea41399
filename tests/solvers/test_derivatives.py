"""Derivatives of fixed points, in every mode, against closed forms and differences."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from darboux.solvers import ConvergenceError, solve
from darboux.solvers._linearised import Dense, MatrixFree

METHODS = ["auto", "fixed-point", "newton"]
STIFFNESS = {"soft": 0.2, "stiff": 30.0}


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def problem(size, stiffness, method="auto", batch=3):
    """x = b - k Wᵀ tanh(W x): one solution, for all k >= 0. Returns θ -> x(θ) and θ = (W, b)."""
    w, b = normal(size, size) / size**0.5, normal(batch, size)

    def root(w, b):
        g = lambda x: b - stiffness * torch.tanh(x @ w.T) @ w  # noqa: E731
        return solve(g, torch.zeros_like(b), method=method, max_iter=100)

    return root, (w, b)


def leaves(tensors):
    return tuple(x.clone().requires_grad_() for x in tensors)


@pytest.mark.parametrize("method", METHODS)
def test_square_root(method):
    """x = (x + c/x)/2 has x = √c: both derivatives are known."""
    c = torch.tensor([[2.0], [9.0]], dtype=torch.float64, requires_grad=True)
    x = solve(lambda x: (x + c / x) / 2, torch.ones(2, 1, dtype=torch.float64), method=method)
    (first,) = torch.autograd.grad(x.sum(), c, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), c)
    torch.testing.assert_close(first, 0.5 * c**-0.5, rtol=1e-14, atol=0)
    torch.testing.assert_close(second, -0.25 * c**-1.5, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", STIFFNESS)
def test_first_and_second_order(name):
    root, theta = problem(3, STIFFNESS[name])
    assert gradcheck(root, leaves(theta), atol=1e-6)
    assert gradcheck(root, leaves(theta), atol=1e-6, check_forward_ad=True, check_backward_ad=False)
    assert gradgradcheck(root, leaves(theta), atol=1e-5)


@pytest.mark.parametrize("size", [3, 300], ids=["dense", "krylov"])
@pytest.mark.parametrize("name", STIFFNESS)
def test_modes_agree(size, name):
    root, (w, b) = problem(size, STIFFNESS[name], batch=2)
    (
        u,
        v,
    ) = normal(*b.shape), normal(*b.shape)
    value, forward = torch.func.jvp(lambda b: root(w, b), (b,), (u,))
    (reverse,) = torch.func.vjp(lambda b: root(w, b), b)[1](v)
    torch.testing.assert_close((forward * v).sum(), (reverse * u).sum(), rtol=1e-11, atol=1e-12)
    assert torch.equal(value, root(w, b))
    ahead, behind = (root(w, b + s * 1e-5 * u) for s in (1, -1))
    torch.testing.assert_close(forward, (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [3, 260], ids=["dense", "krylov"])
def test_hessian_products_in_every_nesting(size):
    root, (w, b) = problem(size, 2.0, batch=2)
    loss = lambda b: root(w, b).square().sum()  # noqa: E731
    u = normal(*b.shape)
    slope = torch.func.grad(loss)
    forward_over_reverse = torch.func.jvp(slope, (b,), (u,))[1]
    (reverse_over_reverse,) = torch.func.vjp(slope, b)[1](u)
    leaf = b.clone().requires_grad_()
    (first,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    (by_autograd,) = torch.autograd.grad((first * u).sum(), leaf)
    difference = (slope(b + 1e-5 * u) - slope(b - 1e-5 * u)) / 2e-5
    torch.testing.assert_close(forward_over_reverse, difference, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(reverse_over_reverse, forward_over_reverse, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(by_autograd, forward_over_reverse, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("size", [3, 260], ids=["dense", "krylov"])
def test_jacobians(size):
    """jacrev maps the backward pass over a basis, jacfwd forward mode; against M = ∂x/∂b."""
    root, (w, b) = problem(size, 2.0, batch=1)
    x = root(w, b)
    slope = 1 - torch.tanh(x @ w.T).square()
    exact = torch.linalg.inv(torch.eye(size, dtype=torch.float64) + 2 * w.T * slope @ w)
    reverse = torch.func.jacrev(lambda b: root(w, b))(b)
    forward = torch.func.jacfwd(lambda b: root(w, b))(b)
    for found in (reverse, forward):
        torch.testing.assert_close(found[0, :, 0], exact, rtol=1e-10, atol=1e-11)


def test_equations_inside_vmap():
    w = normal(12, 12) / 4
    x = normal(2, 12)
    g = lambda x: -torch.tanh(x @ w.T)  # noqa: E731
    right = normal(5, 2, 12)
    found = torch.func.vmap(MatrixFree(g, x, context="test").solve)(right)
    expected = torch.stack([Dense(g, x).correction(r) for r in right])
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_transposed_equations():
    w, x, r = normal(12, 12) / 4, normal(2, 12), normal(2, 12)
    g = lambda x: -torch.tanh(x @ w.T)  # noqa: E731
    equation = MatrixFree(g, x, context="test")
    v = normal(2, 12)
    left = (equation.solve(r) * v).sum(dim=1)
    right = (equation.transpose().solve(v) * r).sum(dim=1)
    torch.testing.assert_close(left, right, rtol=1e-11, atol=1e-12)


def test_singular_derivatives_raise():
    """x = x holds everywhere: g' = 1, and no derivative exists."""
    equation = MatrixFree(lambda x: x * 1.0, torch.ones(1, 3), context="my field")
    with pytest.raises(ConvergenceError, match=r"my field: expected the derivative.*GMRES"):
        equation.solve(torch.ones(1, 3))


def test_value_is_the_same_with_and_without_derivatives():
    root, (w, b) = problem(4, 30.0)
    with torch.no_grad():
        plain = root(w, b)
    assert not plain.requires_grad
    assert torch.equal(plain, root(*leaves((w, b))))
    assert torch.equal(plain, torch.func.jvp(lambda b: root(w, b), (b,), (b,))[0])


def test_nothing_is_kept_where_nothing_is_asked_for():
    calls = []

    def count(c):
        calls.clear()

        def g(x):
            calls.append(1)
            return c - x.sin() / 5

        return solve(g, torch.zeros(1, 1, dtype=torch.float64))

    c = torch.ones(1, 1, dtype=torch.float64)
    assert not count(c).requires_grad
    few = len(calls)
    assert count(c.clone().requires_grad_()).requires_grad
    assert len(calls) > few


def test_no_derivative_reaches_the_guess():
    guess = torch.ones(1, 1, requires_grad=True)
    c = torch.ones(1, 1, requires_grad=True)
    x = solve(lambda x: c - x / 4, guess)
    assert torch.autograd.grad(x.sum(), guess, allow_unused=True)[0] is None


def test_backward_inside_autocast():
    root, (w, b) = problem(300, 0.2, batch=1)
    b = b.requires_grad_()
    x = root(w, b)
    (outside,) = torch.autograd.grad(x.sum(), b, retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (inside,) = torch.autograd.grad(x.sum(), b)
    torch.testing.assert_close(inside, outside)


def test_third_derivatives_are_not_claimed():
    """x = c - x²/4 has x = 2√(1 + c) - 2. If this came out right, the docstring should say so."""
    c = torch.tensor([[2.0]], dtype=torch.float64, requires_grad=True)
    x = solve(lambda x: c - x**2 / 4, torch.ones(1, 1, dtype=torch.float64))
    exact = 2 * (1 + c).sqrt() - 2
    for _ in range(2):
        x, exact = (torch.autograd.grad(y.sum(), c, create_graph=True)[0] for y in (x, exact))
        assert float((x - exact).detach().abs()) <= 1e-12
    x, exact = (torch.autograd.grad(y.sum(), c)[0] for y in (x, exact))
    assert float((x - exact).abs()) > 1e-3
