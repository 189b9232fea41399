"""The minimiser by splitting, its derivatives by parameters, and what comes trained."""

from importlib import resources

import pytest
import torch

import darboux as dx
from darboux.imaging import BilevelDenoiser, RidgeRegularizer, pretrained
from darboux.symmetry import Cyclic, Dihedral


def prior_of(**settings):
    return RidgeRegularizer(
        **{"filters": 8, "kernel_size": 3, "sharpness": 20.0, **settings}
    ).double()


def parameters(prior):
    return torch.nn.utils.parameters_to_vector(prior.parameters()).detach()


CASES = {
    "convex": {},
    "weakly convex": {"weak": 1.0},
    "in between, periodic": {"weak": 0.5, "padding_mode": "circular"},
    "flips only": {"weak": 1.0, "group": Dihedral(2)},
    "colour": {"channels": 3},
    "two channels, untied, periodic": {
        **{"channels": 2, "filters": 3, "group": Cyclic(1), "padding_mode": "circular"}
    },
    "line, kernel longer than the image": {"dim": 1, "filters": 4, "kernel_size": 9},
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_splitting_converges_to_the_minimiser(settings):
    prior = prior_of(**settings)
    x = torch.rand(2, prior.channels, *(7, 9)[: prior.dim]).double()
    with torch.no_grad():
        z = BilevelDenoiser(prior, iterations=400)(x)
        gradient = z - x + prior.grad(z)
    assert (z - x).abs().max() > 1e-2
    assert gradient.abs().max() < 1e-4


@pytest.mark.parametrize("derivative", ["implicit", "unrolled"])
@pytest.mark.parametrize("weak", [0.0, 1.0])
def test_derivatives_by_parameters_are_those_of_the_minimiser(derivative, weak):
    prior = prior_of(weak=weak)
    x, weights = torch.rand(2, 1, 1, 8, 8, dtype=torch.float64)
    start = parameters(prior)
    direction = torch.randn_like(start)

    def loss(shift, **options):
        vector = start + shift * direction
        torch.nn.utils.vector_to_parameters(vector, prior.parameters())
        return (BilevelDenoiser(prior, iterations=120, **options)(x) * weights).sum()

    with torch.no_grad():
        difference = (loss(1e-6) - loss(-1e-6)) / 2e-6
    value = loss(0.0, derivative=derivative)
    found = torch.autograd.grad(value, list(prior.parameters()))
    slope = torch.cat([part.flatten() for part in found]) @ direction
    assert slope == pytest.approx(float(difference), rel=2e-2)


def test_jacobian_free_direction_descends():
    prior = prior_of()
    clean = torch.zeros(4, 1, 12, 12, dtype=torch.float64)
    x = torch.randn_like(clean) / 10
    optimizer = torch.optim.SGD(prior.parameters(), lr=1.0)
    denoiser, losses = BilevelDenoiser(prior), []
    for _ in range(5):
        losses.append((denoiser(x) - clean).square().mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_samples_with_noise_levels_of_their_own_are_as_alone():
    prior = prior_of(levels=(0.05, 0.2))
    with torch.no_grad():
        prior.log_threshold += torch.rand_like(prior.log_threshold)
        x, sigma = torch.rand(3, 1, 8, 8).double(), torch.tensor([0.05, 0.1, 0.2]).double()
        together = BilevelDenoiser(prior)(x, sigma)
        alone = [BilevelDenoiser(prior)(x[k : k + 1], sigma[k : k + 1]) for k in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_images_continued_by_zeros_are_refused():
    with pytest.raises(ValueError, match=r"'symmetric' or 'circular'.*got 'zeros'. Use prior.prox"):
        BilevelDenoiser(prior_of(padding_mode="zeros"))


@pytest.mark.parametrize(("name", "rho"), [("crr", 0.0), ("wcrr", 1.0)])
def test_pretrained_regularisers_denoise_and_keep_their_promises(name, rho):
    prior = pretrained(name)
    ramp = torch.linspace(0.2, 0.8, 48).expand(1, 1, 48, 48)
    noisy = ramp + 25 / 255 * torch.randn_like(ramp)
    with torch.no_grad():
        found = BilevelDenoiser(prior, iterations=20)(noisy)
    assert (found - ramp).square().mean() < (noisy - ramp).square().mean() / 10
    assert rho - 1e-3 <= prior.weak_convexity() <= rho
    turned = prior.grad(torch.rot90(noisy, 1, (2, 3)))
    torch.testing.assert_close(turned, torch.rot90(prior.grad(noisy), 1, (2, 3)))


def test_pretrained_denoiser_denoises_and_is_averaged():
    denoiser = pretrained("averaged")
    ramp = torch.linspace(0.2, 0.8, 48).expand(1, 1, 48, 48)
    noisy = ramp + 25 / 255 * torch.randn_like(ramp)
    with torch.no_grad():
        assert (denoiser(noisy) - ramp).square().mean() < (noisy - ramp).square().mean() / 10
    assert dx.structure.claims_of(denoiser).find(dx.Averaged).kind.name == "CONSTRUCTION"


@pytest.mark.parametrize("name", ["crr", "wcrr", "averaged"])
def test_certificates_of_pretrained_networks_are_shipped_and_hold(name):
    text = (resources.files(dx.imaging) / "weights" / f"{name}.certificate.json").read_text()
    assert dx.Certificate.from_json(text).holds


def test_pretrained_name_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="'crr' or 'wcrr' or 'averaged'; got 'drunet'"):
        dx.imaging.pretrained("drunet")
