"""Orthonormal columns stay orthonormal under any step size."""

from contextlib import suppress

import pytest
import torch

import darboux as dx
from darboux.optim import _frames

M = dx.manifolds
FRAMES = {
    "Stiefel": (M.Stiefel(64, 8), ()),
    "Stiefel, canonical": (M.Stiefel(64, 8, metric="canonical"), ()),
    "Stiefel, complex": (M.Stiefel(32, 5, field="complex"), ()),
    "Stiefel, stacked": (M.Stiefel(16, 4), (3, 2)),
    "Grassmann": (M.Grassmann(40, 6), (2,)),
    "a single point": (M.Grassmann(8, 8), ()),
    "SO": (M.SO(12), ()),
    "U": (M.U(6), ()),
    "columns": (M.Stiefel(20, 1), (5,)),
}
STEP_SIZES = [0.01, 1.0, 100.0, 1e6, 1e30]
BUILDS = {
    "SGD": lambda groups, lr: dx.optim.RiemannianSGD(groups, lr=lr, momentum=0.9),
    "Nesterov": lambda groups, lr: dx.optim.RiemannianSGD(
        groups, lr=lr, momentum=0.9, nesterov=True
    ),
    "Adam": lambda groups, lr: dx.optim.RiemannianAdam(groups, lr=lr),
    "Muon": lambda groups, lr: dx.optim.RiemannianMuon(groups, lr=lr),
}


def defect(x):
    """Return the largest ‖XᴴX - 1‖₂, in float64."""
    x = x.detach().to(torch.complex128 if x.is_complex() else torch.float64)
    return float(torch.linalg.matrix_norm(x.mH @ x - torch.eye(x.shape[-1]), 2).max())


def worst(name, build, lr, steps, dtype=torch.float32):
    """Return the worst defect of any step: noisy gradients, of a quadratic and a linear part."""
    manifold, batch = FRAMES[name]
    w = torch.nn.Parameter(manifold.random_point(*batch, dtype=dtype))
    a = torch.randn(w.shape[-2], w.shape[-2], dtype=w.dtype)
    optimizer, largest = BUILDS[build]([{"params": [w], "manifold": manifold}], lr), 0.0
    for _ in range(steps):
        w.grad = a @ w.detach() + torch.randn_like(w)
        optimizer.step()
        largest = max(largest, defect(w))
    assert manifold.check(w.detach())[0]
    return largest


@pytest.mark.parametrize("lr", STEP_SIZES)
@pytest.mark.parametrize("name", FRAMES)
def test_any_step_size(name, lr):
    assert worst(name, "SGD", lr, 60) <= 1e-6


@pytest.mark.parametrize("build", BUILDS)
def test_any_optimiser(build):
    assert max(worst("Stiefel", build, lr, 40) for lr in STEP_SIZES) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.01, 1.0, 1e4])  # and 100 and 10⁶ times too large
@pytest.mark.parametrize("name", ["Stiefel", "Stiefel, complex", "Stiefel, stacked"])
def test_ten_thousand_steps(name, lr):
    assert worst(name, "SGD", lr, 10_000) <= 1e-6


@pytest.mark.parametrize("lr", STEP_SIZES)
def test_double_precision(lr):
    assert worst("Stiefel", "SGD", lr, 40, torch.float64) <= 2e-14


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_stepped_in_float32(dtype):
    manifold = M.Stiefel(32, 4)
    w = torch.nn.Parameter(manifold.random_point().to(dtype))
    optimizer = dx.optim.RiemannianSGD(
        [{"params": [w], "manifold": manifold}], lr=0.1, momentum=0.9
    )
    for _ in range(50):
        w.grad = torch.randn_like(w)
        optimizer.step()
    assert w.dtype == dtype
    assert defect(w) <= 4 * torch.finfo(dtype).eps


def test_autocast_does_not_reach_the_step():
    manifold = M.Stiefel(32, 4)
    w = torch.nn.Parameter(manifold.random_point())
    optimizer = dx.optim.RiemannianAdam([{"params": [w], "manifold": manifold}], lr=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(20):
            w.grad = torch.randn_like(w)
            optimizer.step()
    assert defect(w) <= 1e-6


def test_a_converged_point_stays_there_whatever_the_step():
    """The gradient is a rounding error there, and no tangent vector."""
    manifold, a = M.Stiefel(10, 3), torch.arange(10.0).diag()
    w = torch.nn.Parameter(torch.eye(10)[:, -3:])
    optimizer = dx.optim.RiemannianSGD([{"params": [w], "manifold": manifold}], lr=1e7)
    for _ in range(30):
        w.grad = -1e3 * (a @ w.detach()) + 1e-4 * torch.randn(10, 3)
        optimizer.step()
        assert defect(w) <= 1e-6


def test_short_steps_are_those_of_the_retraction():
    """X - h V and its polar factor, by singular values, for V in the tangent space."""
    x = M.Stiefel(30, 5).random_point(4, dtype=torch.float64)
    v = _frames.tangent(x, torch.randn_like(x))
    v = v / torch.linalg.matrix_norm(v, 2, keepdim=True)
    for h in (1e-3, 0.03, 0.1, 0.25):
        u, _, vh = torch.linalg.svd(x - h * v, full_matrices=False)
        torch.testing.assert_close(_frames.moved(x, v, h), u @ vh, rtol=0, atol=1e-7)


def test_long_steps_keep_their_direction():
    """A step that is cut short ends on the curve of polar factors of X - h V."""
    x = M.Stiefel(30, 5).random_point(dtype=torch.float64)
    v = _frames.tangent(x, torch.randn_like(x))
    v = v / torch.linalg.matrix_norm(v, 2)
    y = _frames.moved(x, v, 1e5)
    angle = float(torch.linalg.svdvals(x.mT @ y).min().acos())
    assert 0.25 < angle < 0.42
    curve = [_frames.moved(x, v, h) for h in torch.linspace(0.2, 0.42, 45).tolist()]
    assert min(float((y - point).abs().max()) for point in curve) < 2e-3


@pytest.mark.parametrize("reach", _frames.SERIES)
def test_series_of_the_inverse_root(reach):
    """They agree at the zeros of a Chebyshev polynomial, and to float32's rounding between."""
    coefficients = torch.tensor([0.0, *_frames.SERIES[reach]], dtype=torch.float64)
    degree = len(coefficients) - 1

    def error(t):
        powers = t[:, None] ** torch.arange(degree + 1)
        return powers @ coefficients - torch.expm1(-0.5 * torch.log1p(t))

    t = torch.linspace(-reach, reach, 2001, dtype=torch.float64)
    assert float(error(t).abs().max()) < 4e-8
    if degree > 1:
        k = torch.arange(degree + 1, dtype=torch.float64)
        nodes = reach * torch.cos(torch.pi * (k + 0.5) / (degree + 1))
        assert float(error(nodes).abs().max()) < 1e-15


@pytest.mark.parametrize("build", BUILDS)
def test_a_point_without_a_gradient_rests_beside_one_with_a_long_step(build):
    """Its defect is exactly 0."""
    manifold = M.Stiefel(6, 2)
    still, moved = torch.eye(6, 2), manifold.random_point()
    still, moved = torch.nn.Parameter(still), torch.nn.Parameter(moved)
    optimizer = BUILDS[build]([{"params": [still, moved], "manifold": manifold}], 1.0)
    still.grad, moved.grad = torch.zeros(6, 2), 10 * torch.randn(6, 2)
    optimizer.step()
    assert torch.equal(still.detach(), torch.eye(6, 2))
    assert defect(moved) < 1e-6


@pytest.mark.parametrize("manifold", [M.SE(3), M.GL(2), M.Affine(2)], ids=str)
@pytest.mark.parametrize("lr", [1e2, 1e6, 1e12])
def test_a_long_step_does_not_leave_a_group(manifold, lr):
    w = torch.nn.Parameter(manifold.random_point(4))
    optimizer = dx.optim.RiemannianSGD([{"params": [w], "manifold": manifold}], lr=lr)
    w.grad = torch.randn_like(w)
    with suppress(FloatingPointError):
        optimizer.step()
    assert manifold.check(w.detach())[0]
