"""GMRES against elimination."""

import pytest
import torch

from darboux.solvers._gmres import gmres


def product(a):
    return lambda v: torch.einsum("bij,bj->bi", a, v)


@pytest.mark.parametrize("restart", [60, 7], ids=["full", "restarted"])
def test_solves_what_elimination_solves(restart):
    a = torch.eye(20, dtype=torch.float64) + torch.randn(4, 20, 20, dtype=torch.float64) / 20
    b = torch.randn(4, 20, dtype=torch.float64)
    found = gmres(product(a), b, tol=1e-13, restart=restart)
    torch.testing.assert_close(found.x, torch.linalg.solve(a, b), rtol=1e-12, atol=1e-12)
    exact = torch.linalg.vector_norm(b - product(a)(found.x), dim=1)
    torch.testing.assert_close(found.residual, exact, rtol=0.1, atol=1e-14)


def test_samples_of_different_difficulty():
    """The identity is done after one product, a rotation after all of them; 0 at once."""
    rotation = torch.roll(torch.eye(6, dtype=torch.float64), 1, 0)
    a = torch.stack([torch.eye(6, dtype=torch.float64), rotation, rotation])
    b = torch.eye(6, dtype=torch.float64)[:3].clone()
    b[2] = 0
    found = gmres(product(a), b, tol=1e-14)
    torch.testing.assert_close(found.x, torch.linalg.solve(a, b), rtol=0, atol=1e-14)


def test_singular_equations_say_so():
    a = torch.diag_embed(torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    found = gmres(product(a), torch.ones(1, 2, dtype=torch.float64), tol=1e-12)
    assert float(found.residual) == pytest.approx(1.0)
    assert bool(found.x.isfinite().all())


def test_products_are_no_more_than_the_dimension():
    calls = []

    def counted(v):
        calls.append(1)
        return 2 * v

    gmres(counted, torch.ones(3, 50, dtype=torch.float64), tol=1e-12)
    assert len(calls) == 2  # one Krylov vector, one residual
