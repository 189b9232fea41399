"""Priors, denoisers and operators inside deepinv, and its operators here. Needs deepinv."""

import sys
import types
import warnings

import pytest
import torch

import darboux as dx
from darboux.imaging import (
    Blur,
    GradientDenoiser,
    NonexpansiveDenoiser,
    ProximalDenoiser,
    RidgeRegularizer,
    as_physics,
    reconstruct,
)
from darboux.structure import Kind


@pytest.fixture(scope="module")
def deepinv():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # torchvision has no build beside every torch, and of it deepinv needs what is Python only
        name = "torchvision._meta_registrations"
        if "torchvision" not in sys.modules:
            sys.modules.setdefault(name, types.ModuleType(name))
        return pytest.importorskip("deepinv")


pytestmark = pytest.mark.filterwarnings("ignore")


def _physics(deepinv):
    """Operators of deepinv, each with the channels of its images."""
    kernel = Blur.gaussian(0.7).kernel[None, None]
    mask = (torch.rand(24, 24) < 0.6).float()
    lines = dx.imaging.line_mask((24, 24), keep=0.5).float()
    return {
        "blur": (deepinv.physics.BlurFFT(img_size=(1, 24, 24), filter=kernel), 1),
        "blur-valid": (deepinv.physics.Blur(filter=kernel, padding="valid"), 1),
        "inpainting": (deepinv.physics.Inpainting(img_size=(1, 24, 24), mask=mask), 1),
        "mri": (deepinv.physics.MRI(mask=lines, img_size=(2, 24, 24)), 2),
        "downsampling": (
            deepinv.physics.Downsampling(img_size=(1, 24, 24), factor=2, filter="gaussian"),
            1,
        ),
        "denoising": (deepinv.physics.Denoising(), 1),
    }


NAMES = ["blur", "blur-valid", "inpainting", "mri", "downsampling", "denoising"]


@pytest.mark.parametrize("name", NAMES)
def test_operators_are_taken_with_a_margin_above_their_norm(deepinv, name):
    physics, channels = _physics(deepinv)[name]
    x = torch.rand(2, channels, 24, 24)
    y = physics.A(x)
    map = as_physics(physics, y)
    assert torch.equal(map(x), y)
    theirs = float(physics.compute_sqnorm(x[:1], max_iter=500, tol=1e-7, verbose=False)) ** 0.5
    assert theirs <= float(map.norm_bound()) <= 1.052 * theirs
    assert map.norm_kind is Kind.MEASURED


@pytest.mark.parametrize("name", ["blur", "inpainting", "denoising"])
def test_priors_have_the_same_minimiser_there(deepinv, name):
    physics, channels = _physics(deepinv)[name]
    torch.manual_seed(0)
    prior = RidgeRegularizer(channels, filters=8, kernel_size=3, sharpness=3.0, levels=(0.05, 0.1))
    y = physics.A(torch.rand(2, channels, 24, 24))
    ours = reconstruct(physics, prior, y, weight=0.3, sigma=0.1, tol=1e-7, max_iter=5000)
    assert ours.status == "converged"
    model = deepinv.optim.PGD(
        data_fidelity=deepinv.optim.L2(),
        prior=prior,
        lambda_reg=0.3,
        stepsize=0.8,
        g_param=0.1,
        max_iter=3000,
        thres_conv=1e-8,
        early_stop=True,
        g_first=True,
    )
    with torch.no_grad():
        theirs = model(y, physics, init=physics.A_adjoint(y))
    if name == "inpainting":  # the minimiser need not be unique; its energy is
        map = as_physics(physics, y)
        values = [
            ((map(x) - y) ** 2).flatten(1).sum(1) / 2 + 0.3 * prior(x, 0.1)
            for x in (ours.image, theirs)
        ]
        assert torch.allclose(*values, rtol=1e-5)
    else:
        assert (ours.image - theirs).norm() <= 1e-5 * theirs.norm()


def test_proximal_maps_are_those_that_its_algorithm_calls(deepinv):
    physics, _ = _physics(deepinv)["denoising"]
    prior, y = RidgeRegularizer(filters=8, kernel_size=3, sharpness=3.0), torch.rand(1, 1, 24, 24)
    model = deepinv.optim.PGD(
        data_fidelity=deepinv.optim.L2(), prior=prior, lambda_reg=0.3, stepsize=0.5, max_iter=60
    )
    with torch.no_grad():
        theirs = model(y, physics, init=y)
        ours = reconstruct(None, prior, y, weight=0.3, tol=1e-7)
    assert (ours.image - theirs).norm() <= 1e-4 * theirs.norm()  # of the inner solver


@pytest.mark.parametrize("name", ["blur", "inpainting", "downsampling"])
def test_denoisers_have_the_same_fixed_point_there(deepinv, name):
    physics, channels = _physics(deepinv)[name]
    torch.manual_seed(0)
    network = dx.models.denoiser(features=8, units=8, depth=2)
    denoiser = NonexpansiveDenoiser(network, strength=0.9)
    y = physics.A(torch.rand(2, channels, 24, 24))
    # x_k of both, because the iterations are the same ones
    ours = reconstruct(
        physics, denoiser, y, x0=physics.A_adjoint(y), sigma=0.08, box=None, tol=1e-9, max_iter=50
    )
    model = deepinv.optim.PGD(
        data_fidelity=deepinv.optim.L2(),
        prior=deepinv.optim.PnP(denoiser),
        stepsize=1 / float(as_physics(physics, y).norm_bound()) ** 2,
        sigma_denoiser=0.08,
        max_iter=50,
    )
    with torch.no_grad():
        theirs = model(y, physics, init=physics.A_adjoint(y))
    assert (ours.image - theirs).norm() <= 1e-5 * theirs.norm()
    assert (ours.image - physics.A_adjoint(y)).norm() > 1e-2 * theirs.norm()


def test_one_step_denoisers_run_there(deepinv):
    physics, _ = _physics(deepinv)["denoising"]
    filters = dx.linear.Conv(1, 8, kernel_size=3, dim=2, padding_mode="zeros")
    field = dx.fields.GradientField(filters, dx.activations.Clip(8, dim=2, threshold=0.05))
    denoiser, y = GradientDenoiser(field), torch.rand(1, 1, 24, 24)
    with torch.no_grad():
        for one in (denoiser, ProximalDenoiser(denoiser.prior)):
            model = deepinv.optim.PGD(
                data_fidelity=deepinv.optim.L2(),
                prior=deepinv.optim.PnP(one),
                stepsize=0.5,
                sigma_denoiser=25 / 255,
                max_iter=200,
            )
            theirs = model(y, physics, init=y)
            # the minimiser of ‖x - y‖² / 2 + 2 φ(x), whose proximal map with step 1/2 is D
            expected = denoiser.prior.prox(y, gamma=2.0)
            assert (theirs - expected).norm() <= 1e-5 * expected.norm()
