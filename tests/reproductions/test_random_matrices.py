"""The laws beside closed forms, Jacobians beside autograd; and statements that can fail."""

import dataclasses
import math

import pytest
import torch

from reproductions.random_matrices import statements
from reproductions.random_matrices.laws import Law, Slopes
from reproductions.random_matrices.plain import PLAIN, Spectrum, spectra
from reproductions.random_matrices.stable import Fitted, singular_values
from reproductions.random_matrices.statements import Bars

ONE = torch.ones(1, dtype=torch.float64)
BARS = Bars(0.06, 0.2, 0.3, (0.6, 1.4), 0.75)
CASES = {case.words: case for case in PLAIN}


def test_one_gaussian_matrix_has_the_law_of_marchenko_and_pastur():
    x = torch.linspace(0.05, 3.95, 40, dtype=torch.float64)
    found = Law(Slopes(ONE, ONE), 1.0, 1, gaussian=True).density(x)
    torch.testing.assert_close(found, (x * (4 - x)).sqrt() / (2 * math.pi), rtol=1e-5, atol=0)


def test_two_free_projections_have_the_law_of_arcsine():
    law = Law(Slopes(ONE, ONE / 2), 2.0, 2, gaussian=False)
    x = torch.linspace(0.1, 3.9, 40, dtype=torch.float64)
    expected = x / (2 * math.pi * (x * (4 - x)).sqrt())  # of log λ; half of all λ are 0
    torch.testing.assert_close(law.density(x), expected, rtol=1e-5, atol=0)
    assert law.edge == pytest.approx(4, abs=1e-6)


@pytest.mark.parametrize("words", ["ReLU, Gaussian", "tanh, Gaussian", "tanh, orthogonal"])
def test_moments_of_densities_are_those_of_the_formulas(words):
    law = CASES[words].law(3)
    low = 0.2 if "orthogonal" in words else 1e-9
    x = torch.linspace(math.log(low), math.log(1.001 * law.edge), 600, dtype=torch.float64)
    density = law.density(x.exp())
    first, second = (float(torch.trapezoid(density * (k * x).exp(), x)) for k in (1, 2))
    assert first == pytest.approx(law.mean, rel=2e-2)
    assert second == pytest.approx(law.second * law.mean**2, rel=2e-2)


def test_spectra_are_those_of_autograd():
    case, width = CASES["tanh, orthogonal"], 7
    (found,) = spectra(case, width, (3,), torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    z = case.input * torch.randn(1, width, generator=generator, dtype=torch.float64)
    layers = case.layers(width, 3, generator)

    def network(x):
        for layer in layers:
            x = layer(x).tanh()
        return x

    jacobian = torch.autograd.functional.jacobian(network, z[0])
    torch.testing.assert_close(found, torch.linalg.svdvals(jacobian))


def test_other_weights_are_refuted():
    runs = [
        spectra(CASES["tanh, Gaussian"], 64, (4,), torch.Generator().manual_seed(k))[0]
        for k in (0, 1)
    ]
    right = Spectrum(CASES["tanh, Gaussian"], 4, torch.stack(runs))
    wrong = dataclasses.replace(right, case=CASES["tanh, orthogonal"])
    assert statements.lawful([right], BARS)[0].holds
    assert not any(each.holds for each in statements.lawful([wrong], BARS))


def test_jacobians_through_depth_are_products():
    layers = [torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh()) for _ in range(2)]
    z = torch.randn(4, 3)
    found = singular_values(layers, z)
    whole = torch.func.vmap(torch.func.jacrev(torch.nn.Sequential(*layers).double()))(z.double())
    torch.testing.assert_close(found[-1], torch.linalg.svdvals(whole).detach())
    assert found.shape == (2, 4, 3)


def test_values_without_structure_are_refuted():
    values = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64).expand(5, 4, 3)
    paired = Fitted(values, values, (0.1, 0.9))
    off = dataclasses.replace(paired, end=1.001 * values)
    assert statements._pairs(paired).holds
    assert not statements._pairs(off).holds
    assert not statements._contracts(paired).holds
