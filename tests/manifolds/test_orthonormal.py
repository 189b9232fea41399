"""Polar factors by Newton and Schulz, with minimax polynomials."""

import numpy as np
import pytest
import torch

from darboux.manifolds._orthonormal import MINIMAX, msign, polar, qr_factor


def test_polynomials_are_minimax():
    """Each takes its largest error four times with alternating signs (Chebyshev)."""
    low, high = 1e-3, 1.0
    for a, b, c in MINIMAX:
        inner = np.sqrt(np.roots([5 * c, 3 * b, a]).real)
        points = np.array([low, *sorted(inner), high])
        errors = 1 - (a * points + b * points**3 + c * points**5)
        assert ((low < inner) & (inner < high)).all()
        np.testing.assert_allclose(errors * [1, -1, 1, -1], errors[0], rtol=1e-9)
        low, high = 1 - errors[0], 1 + errors[0]
    assert errors[0] < 1e-3


def _spectrum(n, p, condition, dtype):
    left, _, right = torch.linalg.svd(torch.randn(n, p, dtype=dtype), full_matrices=False)
    values = torch.logspace(0, -np.log10(condition), p, dtype=torch.float64).to(dtype)
    return (left * values) @ right, left @ right


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e6])
@pytest.mark.parametrize(("n", "p"), [(5, 5), (40, 6), (3, 1)])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_polar(n, p, condition, dtype, scale):
    y, wanted = _spectrum(n, p, condition, dtype)
    torch.testing.assert_close(polar(scale * y), wanted, rtol=0, atol=1e-14 * condition)
    if condition <= 100:
        off = torch.linalg.svdvals(msign(scale * y)) - 1
        assert off.abs().max() < 1e-3


def test_polar_in_float32():
    q = polar(torch.randn(256, 256)).double()
    defect = q.T @ q - torch.eye(256, dtype=torch.float64)
    assert torch.linalg.matrix_norm(defect, 2) <= 1e-6


@pytest.mark.parametrize("start", ["any", "orthonormal"])
def test_polar_has_two_derivatives(start):
    y = torch.randn(4, 3, dtype=torch.float64)
    y = (polar(y) if start == "orthonormal" else y).requires_grad_()
    assert torch.autograd.gradcheck(polar, y, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(polar, y)


def test_polar_is_refused_where_it_is_not_unique():
    bad, good = torch.ones(3, 2), torch.eye(3, 2)
    with pytest.raises(ValueError, match="expected matrices with linearly independent columns"):
        polar(bad)
    both = torch.func.vmap(polar)(torch.stack([bad, good]))
    assert both[0].isnan().all()
    torch.testing.assert_close(both[1], good)


def test_qr_factor():
    y = torch.randn(5, 3, dtype=torch.float64)
    q = qr_factor(y)
    triangle = q.T @ y
    torch.testing.assert_close(triangle.tril(-1), torch.zeros(3, 3, dtype=torch.float64))
    assert (triangle.diagonal() > 0).all()
