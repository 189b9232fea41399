"""Denoisers with a strength, one-step denoisers with their energy, and convex networks."""

import pytest
import torch

import darboux as dx
from darboux.activations import LeakyReLU, Tanh
from darboux.imaging import (
    GradientDenoiser,
    InputConvexPrior,
    NonexpansiveDenoiser,
    ProximalDenoiser,
    RidgeRegularizer,
)
from darboux.structure import Convex, Kind, Smooth, claims_of
from darboux.testing import LIFECYCLE
from tests.catalogue.denoisers import CASES as DENOISERS
from tests.catalogue.denoisers import averaged, field
from tests.catalogue.priors import CASES as PRIORS
from tests.lifecycles import once_a_class

# those that claim something, and live as all modules do
CASES = {
    **{name: build for name, build in DENOISERS.items() if name.startswith(("aver", "grad"))},
    "input-convex": PRIORS["input-convex"],
}

QUICK = [check for check in LIFECYCLE if check != "compile"]


def _image(*, batch=2, size=8):
    return torch.rand(batch, 1, size, size)


@pytest.mark.parametrize("name", once_a_class(CASES))
def test_certificate(name):
    module = CASES[name]()
    certificate = dx.certify(module, _image(), effort="quick")
    assert certificate.holds, str(certificate)


@pytest.mark.parametrize("check", [*QUICK, pytest.param("compile", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", once_a_class(CASES))
def test_lifecycle(name, check):
    LIFECYCLE[check](CASES[name], _image())


@pytest.mark.parametrize("check", [check for check in QUICK if check != "vmap"])
def test_lifecycle_of_the_energy_of_a_step(check):
    LIFECYCLE[check](PRIORS["gradient-step"], _image())


def test_the_energy_of_a_step_is_not_mapped():
    with pytest.raises(RuntimeError, match="Put the samples on the first axis"):
        LIFECYCLE["vmap"](PRIORS["gradient-step"], _image())


def test_strength_scales_the_change_and_the_constant():
    plain, denoiser, x = averaged(), averaged(strength=0.25), _image()
    denoiser.load_state_dict(plain.state_dict())
    assert torch.allclose(denoiser(x) - x, 0.25 * (plain(x) - x), atol=1e-6)
    assert claims_of(denoiser).find(dx.Averaged).structure.alpha == 0.25 * plain.alpha
    assert torch.allclose(denoiser(x, denoiser.sigma / 2) - x, (plain(x) - x) / 16, atol=1e-6)


def test_noise_levels_of_samples():
    denoiser, x = averaged(), _image(batch=3)
    levels = torch.tensor([0.01, 0.05, 0.0])
    both = denoiser(x, levels)
    for k, level in enumerate(levels.tolist()):
        assert torch.allclose(both[k : k + 1], denoiser(x[k : k + 1], level), atol=1e-6)
    assert torch.equal(both[2], x[2])


def test_the_strongest_is_nonexpansive_and_a_stronger_one_is_refused():
    alpha = averaged().alpha
    assert claims_of(averaged(strength=1 / alpha)).find(dx.Averaged) is None
    assert claims_of(averaged(strength=1 / alpha)).find(dx.Lipschitz).structure.constant == 1
    with pytest.raises(ValueError, match=r"expected strength <= 1/α = 1\.\d+; got 1\.2"):
        averaged(strength=1.2)
    denoiser = averaged(strength=0.5)
    most = denoiser.sigma / (0.5 * alpha) ** 0.5
    denoiser(_image(), most)
    with pytest.raises(ValueError, match=r"expected sigma from 0 to σ₀ / \(α s\)\^½"):
        denoiser(_image(), 1.01 * most)
    with pytest.raises(ValueError, match="expected finite sigma of 0 or more"):
        denoiser(_image(), torch.tensor([0.01, float("nan")]))


def test_a_denoiser_without_claims_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="expected a denoiser that claims to be averaged"):
        NonexpansiveDenoiser(dx.models.unconstrained_denoiser(features=4, units=4, depth=1))
    with pytest.raises(TypeError, match="no claims are known for Bilinear"):
        NonexpansiveDenoiser(torch.nn.Bilinear(1, 1, 1))
    nonexpansive = NonexpansiveDenoiser(torch.nn.Tanh(), strength=0.5)
    assert claims_of(nonexpansive).find(dx.Averaged).structure.alpha <= 0.5


@pytest.mark.parametrize("fraction", [0.1, 0.45])
def test_one_step_is_the_proximal_map_of_its_energy(fraction):
    denoiser = GradientDenoiser(field("norm"), fraction=fraction).double()
    prior, x = denoiser.prior, _image().double()
    with torch.no_grad():
        cleaned = denoiser(x)
        assert torch.allclose(prior.grad(cleaned), x - cleaned, atol=1e-12)
        best = prior(cleaned) + ((cleaned - x) ** 2).flatten(1).sum(1) / 2
        for _ in range(20):
            other = cleaned + 0.1 * torch.randn_like(x)
            assert bool((prior(other) + ((other - x) ** 2).flatten(1).sum(1) / 2 > best).all())


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0, 30.0])
def test_other_proximal_maps_of_the_energy_solve_their_equation(gamma):
    prior, x = GradientDenoiser(field()).double().prior, _image().double()
    with torch.no_grad():
        z = prior.prox(x, gamma=gamma)
        assert torch.allclose(z + gamma * prior.grad(z), x, atol=1e-10)


def test_the_step_follows_the_noise_level_of_each_sample():
    denoiser, x = GradientDenoiser(field()).double(), _image().double()
    levels = denoiser.prior.sigma * torch.tensor([0.5, 1.0])
    change = (denoiser(x) - x) * torch.tensor([0.25, 1.0]).reshape(2, 1, 1, 1)
    assert torch.allclose(denoiser(x, levels) - x, change)
    assert torch.allclose(
        denoiser.prior.prox(x, levels, gamma=0.5)[:1],
        denoiser.prior.prox(x[:1], levels[:1], gamma=0.5),
    )
    with pytest.raises(ValueError, match="expected sigma from 0 to"):
        denoiser(x, 1.1 * denoiser.prior.sigma)


def test_what_a_step_needs():
    with pytest.raises(ValueError, match=r"fraction to be a number in \(0, 1/2\]"):
        GradientDenoiser(field(), fraction=0.6)
    with pytest.raises(ValueError, match="slopes >= 0"):
        GradientDenoiser(field(activation=LeakyReLU(slope=-0.1)))


def test_the_constants_of_a_step_hold_at_the_border():
    prior = GradientDenoiser(field(activation=Tanh()), fraction=0.5).prior
    assert prior.lipschitz() == float("inf")
    assert claims_of(prior).find(Smooth) is None
    assert claims_of(prior).find(Convex) is not None


def test_a_convex_network_has_a_curvature_between_its_bounds():
    prior, x = InputConvexPrior(features=4, depth=3, kernel_size=3).double(), _image(batch=1)
    hessian = torch.func.hessian(lambda v: prior(v.reshape(1, 1, 6, 6)).sum())
    curvature = torch.linalg.eigvalsh(hessian(x.double()[..., :6, :6].reshape(36)))
    assert curvature[0] >= -1e-12
    assert 0.001 * prior.lipschitz() < curvature[-1] <= prior.lipschitz()
    assert claims_of(prior).find(Convex).kind is Kind.CONSTRUCTION


def test_a_denoiser_of_a_prior_is_its_proximal_map():
    prior, x = RidgeRegularizer(filters=8, kernel_size=5), _image()
    denoiser = ProximalDenoiser(prior, gamma=0.5)
    assert torch.equal(denoiser(x, 25 / 255), prior.prox(x, gamma=0.5))
    claims = claims_of(denoiser)
    assert not claims.claims
    assert "up to a tolerance" in claims.gaps[0].reason
    assert dx.certify(denoiser, x, effort="quick").verdict == "undecided"
