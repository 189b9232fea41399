"""Eigenvalues of Jacobians, and why they decide nothing."""

import math

import pytest
import torch

import darboux as dx
from darboux.diagnostics import spectrum
from darboux.integrators import Kutta4


def markus_yamabe(t, z):
    """A linear field with constant eigenvalues (-1 ± i√7)/4 and growing solutions."""
    c, s = math.cos(t), math.sin(t)
    rows = [[-1 + 1.5 * c * c, 1 - 1.5 * c * s], [-1 - 1.5 * c * s, -1 + 1.5 * s * s]]
    return z @ torch.tensor(rows, dtype=z.dtype).T


def test_a_linear_field_has_the_eigenvalues_of_its_matrix():
    matrix = torch.randn(5, 5, dtype=torch.float64)
    found = spectrum(lambda t, z: z @ matrix.T, torch.randn(3, 5, dtype=torch.float64))
    expected = torch.linalg.eigvals(matrix)
    assert found.shape == (3, 5)
    for row in found:  # as sets: a conjugate pair may come in either order
        assert float((row[:, None] - expected[None]).abs().amin(dim=1).max()) < 1e-12
        assert float((row[:, None] - expected[None]).abs().amin(dim=0).max()) < 1e-12
        assert bool((row.real.diff() <= 0).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_each_sample_has_its_own(dtype):
    found = spectrum(lambda t, z: -t * z.square(), torch.tensor([[1.0], [2.0]], dtype=dtype), t=0.5)
    assert found.dtype == (torch.complex128 if dtype == torch.float64 else torch.complex64)
    assert found.tolist() == [[-1], [-2]]


def test_fields_of_the_library_and_pictures():
    field = dx.fields.GradientField(
        dx.linear.Conv(2, 3, kernel_size=3, dim=2), dx.activations.Tanh()
    )
    z = torch.randn(2, 2, 4, 3)
    found = spectrum(field, z)
    assert found.shape == (2, 24)
    assert not found.requires_grad
    # minus a metric times a Hessian of a convex function
    assert float(found.real.max()) <= 1e-5
    assert float(found.imag.abs().max()) <= 1e-5
    assert float(found.abs().max()) <= float(field.lipschitz()) * (1 + 1e-5)
    antisymmetric = dx.fields.AntisymmetricField(dx.linear.Dense(4, 4), dx.activations.Identity())
    assert float(spectrum(antisymmetric, torch.randn(2, 4)).real.max()) <= 1e-5


def test_no_samples():
    assert spectrum(lambda t, z: -z, torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("t", [0.0, 0.7, 2.0, 10.0])
def test_eigenvalues_that_are_stable_at_every_time(t):
    found = spectrum(markus_yamabe, torch.zeros(1, 2, dtype=torch.float64), t=t)
    expected = torch.complex(*torch.tensor([[-1.0, -1.0], [7**0.5, -(7**0.5)]]).double() / 4)
    torch.testing.assert_close(found.imag.abs(), expected.imag.abs()[None])
    torch.testing.assert_close(found.real, expected.real[None])


@pytest.mark.long
def test_and_solutions_that_grow_all_the_same():
    """The warning of the paper: e^(t/2) (-cos t, sin t) solves the field of the test above."""
    z, h = torch.tensor([[-1.0, 0.0]], dtype=torch.float64), 0.01
    for k in range(1000):
        z = Kutta4().step(markus_yamabe, k * h, h, z)
    exact = math.exp(5.0) * torch.tensor([[-math.cos(10.0), math.sin(10.0)]], dtype=torch.float64)
    torch.testing.assert_close(z, exact, rtol=1e-6, atol=0)
    assert float(z.norm()) > 148


def test_bad_input():
    with pytest.raises(ValueError, match=r"at most 1024 entries in a sample.*got 1025"):
        spectrum(lambda t, z: z, torch.zeros(1, 1025))
    with pytest.raises(ValueError, match=r"samples \(batch, features, \*space\); got shape \(3,\)"):
        spectrum(lambda t, z: z, torch.zeros(3))
    with pytest.raises(ValueError, match=r"got \(1,\) for samples \(3,\)"):
        spectrum(lambda t, z: z[:, :1], torch.zeros(2, 3))
    # eigenvalues of NaN may end the process
    with pytest.raises(ValueError, match="finite derivatives; got NaN or infinity at sample 1"):
        spectrum(lambda t, z: z.log(), torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
