"""Fixed points with known answers, each sample on its own."""

import pytest
import torch

from darboux.solvers import ConvergenceError, solve

METHODS = ["auto", "fixed-point", "newton"]
EPS = torch.finfo(torch.float64).eps


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def affine(size, batch, *, scale):
    """x -> Ax + b with ‖A‖ = scale, and the solution of x = Ax + b."""
    a, b = normal(batch, size, size), normal(batch, size)
    a = scale * a / torch.linalg.matrix_norm(a, 2)[:, None, None]
    exact = torch.linalg.solve(torch.eye(size, dtype=torch.float64) - a, b)
    return lambda x: torch.einsum("bij,bj->bi", a, x) + b, exact


@pytest.mark.parametrize("method", METHODS)
def test_linear_equations(method):
    g, exact = affine(5, 7, scale=0.2)
    found = solve(g, torch.zeros_like(exact), method=method)
    torch.testing.assert_close(found, exact, rtol=0, atol=64 * EPS * float(exact.abs().max()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4, 2)], ids=str)
def test_any_shape(method, shape):
    """cos x = x at Dottie's number, slowed down so that plain iteration converges."""
    found = solve(lambda x: (x + x.cos()) / 2, torch.ones(shape).double(), method=method)
    dottie = torch.full(shape, 0.7390851332151607, dtype=torch.float64)
    torch.testing.assert_close(found, dottie, rtol=0, atol=16 * EPS)


@pytest.mark.parametrize("stiffness", [1e2, 1e5, 1e8, 1e12], ids="{:.0e}".format)
def test_stiff_equations_go_to_newton(stiffness):
    """x = b - k x: plain iteration diverges for k > 1."""
    b = normal(4, 3)
    g = lambda x: b - stiffness * x  # noqa: E731
    found = solve(g, torch.zeros_like(b))
    torch.testing.assert_close(found, b / (1 + stiffness), rtol=1e-12, atol=0)
    with pytest.raises(ConvergenceError, match="fixed-point"):
        solve(g, torch.zeros_like(b), method="fixed-point")


def test_stiff_and_soft_directions_are_both_accurate():
    """Rounding of the stiff ones must not be taken for convergence of the others."""
    rates = torch.logspace(-4, 8, 7, dtype=torch.float64)
    b = normal(5, 7)
    found = solve(lambda x: b - rates * x**3, torch.zeros_like(b))
    residual = b - rates * found**3 - found
    assert float((residual / (1 + 3 * rates * found**2)).abs().max()) <= 64 * EPS * 7


def test_damped_steps_where_newton_overshoots():
    """atan: undamped Newton diverges from |x| > 1.39."""
    start = torch.tensor([[5.0], [-20.0], [100.0]], dtype=torch.float64)
    found = solve(lambda x: x - 3 * x.atan(), start, method="newton")
    assert float(found.abs().max()) <= 1e-14


def test_krylov_is_dense():
    """300 unknowns are solved by GMRES, the same in parts of 30 by elimination."""
    w = normal(30, 30) / 30**0.5
    b = normal(2, 300)

    def g(x):
        blocks = x.reshape(len(x), -1, 30)
        return (-3 * torch.tanh(blocks @ w @ w.T)).reshape(x.shape) + b.reshape(x.shape)

    many = solve(g, torch.zeros_like(b), method="newton")
    few = solve(g, torch.zeros(20, 30, dtype=torch.float64), method="newton")
    torch.testing.assert_close(many.reshape(20, 30), few, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("size", [4, 300], ids=["dense", "krylov"])
@pytest.mark.parametrize("method", ["auto", "newton"])
def test_answers_do_not_change_with_the_neighbours(size, method):
    """Neighbours that converge at once, slowly, or by the other method."""
    rates = torch.tensor([1e-3, 0.2, 3.0, 40.0, 0.29], dtype=torch.float64).unsqueeze(1)
    b = normal(5, size)

    def solved(rows):
        g = lambda x: b[rows] - rates[rows] * torch.tanh(x)  # noqa: E731
        return solve(g, torch.zeros_like(b[rows]), method=method)

    together = solved(slice(None))
    alone = torch.cat([solved(slice(k, k + 1)) for k in range(5)])
    torch.testing.assert_close(alone, together, rtol=0, atol=4 * EPS)


def test_converged_samples_rest():
    """A solved sample is not moved by the iterations of the others, bit by bit."""
    b = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    rates = torch.tensor([[0.1], [0.29]], dtype=torch.float64)
    both = solve(lambda x: b - rates * x.sin(), torch.zeros_like(b))
    first = solve(lambda x: b[:1] - rates[:1] * x.sin(), torch.zeros_like(b[:1]))
    assert torch.equal(both[:1], first)


@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_converge_raises(method):
    """x = x + 1 + x² for the third sample only, which nothing solves; x = x for the others."""
    shift = torch.tensor([[0.0], [0.0], [1.0], [0.0]], dtype=torch.float64)
    message = r"my field: expected convergence.*1 of 4 samples without it.*worst sample 2.*smaller"
    g = lambda x: x + shift * (1 + x**2)  # noqa: E731
    with pytest.raises(ConvergenceError, match=message) as raised:
        solve(g, torch.ones_like(shift), method=method, context="my field")
    assert ("method='newton'" in str(raised.value)) == (method == "fixed-point")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_raise(method, bad):
    shift = torch.tensor([[0.0], [bad]], dtype=torch.float64)
    with pytest.raises(ConvergenceError, match="worst sample 1, whose values are not finite"):
        solve(lambda x: x / 8 + shift, torch.ones_like(shift), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_one_value_of_many_that_is_not_finite_raises(method):
    shift = torch.zeros(2, 300, dtype=torch.float64)  # beyond matrices
    shift[1, 7] = float("nan")
    with pytest.raises(ConvergenceError, match="worst sample 1, whose values are not finite"):
        solve(lambda x: x / 8 + shift, torch.ones_like(shift), method=method)


def test_few_iterations_raise_and_more_do_not():
    g = lambda x: 2 / x - x / 2  # noqa: E731
    guess = torch.full((1, 1), 9.0, dtype=torch.float64)
    with pytest.raises(ConvergenceError, match="after 1 iterations"):
        solve(g, guess, method="newton", max_iter=1)
    root = solve(g, guess, method="newton", max_iter=20)
    torch.testing.assert_close(root, torch.full_like(root, (4 / 3) ** 0.5))


def test_tolerance_stops_earlier():
    calls = []

    def g(x):
        calls.append(1)
        return 1 - x.sin() / 5

    guess = torch.zeros(1, 1, dtype=torch.float64)
    exact = solve(g, guess)
    fine = len(calls)
    rough = solve(g, guess, tol=1e-3)
    assert len(calls) - fine < fine / 2
    assert 0 < float((rough - exact).abs()) <= 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_dtype_follows_the_guess(dtype, method):
    found = solve(lambda x: 1 - x / 4, torch.zeros(2, 3, dtype=dtype), method=method)
    assert found.dtype == dtype
    torch.testing.assert_close(found, torch.full_like(found, 0.8))


def test_autocast_does_not_reach_the_iteration():
    weight = torch.randn(3, 3) / 10
    g = lambda x: x @ weight + 1  # noqa: E731
    outside = solve(g, torch.zeros(2, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = solve(g, torch.zeros(2, 3))
    assert torch.equal(inside, outside)


def test_a_scale_says_what_is_rounding():
    """x is a difference of numbers near 1e6, which has no more digits than they have."""
    g = lambda x: -0.2 * ((1e6 + x) - 1e6) + 1e-12  # noqa: E731
    guess = torch.zeros(1, 1, dtype=torch.float64)
    found = solve(g, guess, scale=torch.tensor([1e6], dtype=torch.float64))
    assert abs(float(found)) <= 1e-8


def test_empty_batches_and_the_guess_come_back_untouched():
    assert solve(lambda x: x / 2, torch.ones(0, 3)).shape == (0, 3)
    guess = torch.ones(2, 3)
    solve(lambda x: x / 2 + 1, guess)
    assert torch.equal(guess, torch.ones(2, 3))


REFUSED = {
    "method": (
        {"method": "bisection"},
        "'auto' or 'fixed-point' or 'anderson' or 'newton'.*; got 'bisection'",
    ),
    "tolerance": ({"tol": 0.0}, r"tolerance strictly in \(0, 1\) or None; got 0.0"),
    "iterations": ({"max_iter": 0}, "max_iter to be a positive integer; got 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    options, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        solve(lambda x: x / 2, torch.ones(1, 1), **options)


@pytest.mark.parametrize(
    ("guess", "message"),
    [
        (torch.tensor(1.0), r"\(batch, \.\.\.\)"),
        (torch.ones(1, dtype=torch.complex64), "complex64"),
    ],
    ids=["no_axes", "complex"],
)
def test_guesses_that_are_refused(guess, message):
    with pytest.raises(ValueError, match=message):
        solve(lambda x: x / 2, guess)


@pytest.mark.parametrize(
    "g", [lambda x: x[:, :1], lambda x: x.double()], ids=["another_shape", "another_dtype"]
)
def test_maps_that_change_the_space_are_refused(g):
    with pytest.raises(ValueError, match=r"expected g\(x\) like x"):
        solve(g, torch.ones(2, 3))


def test_vmap_over_data_is_refused():
    with pytest.raises(RuntimeError, match="Put the samples on the first axis"):
        torch.func.vmap(lambda b: solve(lambda x: b - x / 4, torch.zeros(1, 1)))(torch.ones(3))


def test_compiling_one_whole_graph_is_refused():
    torch.compiler.reset()
    compiled = torch.compile(
        lambda b: solve(lambda x: b - x / 4, torch.zeros(1, 1)), fullgraph=True, backend="eager"
    )
    with pytest.raises(Exception, match=r"expected eager execution; got torch\.compile"):
        compiled(torch.ones(1, 1))


def test_compiling_with_breaks_works():
    torch.compiler.reset()
    compiled = torch.compile(lambda b: solve(lambda x: b - x / 4, 0 * b) + 1, backend="eager")
    torch.testing.assert_close(compiled(torch.ones(1, 1)), torch.full((1, 1), 1.8))
