"""The denoiser and its twin: claims, sizes, life cycle."""

import pytest
import torch

import darboux as dx
from darboux.structure import Kind, claims_of
from darboux.testing import LIFECYCLE

SMALL = {"features": 8, "units": 12, "depth": 2}


def test_the_denoiser_is_averaged_by_construction():
    claim = claims_of(dx.models.denoiser(**SMALL, fraction=0.5)).find(dx.Averaged)
    assert claim.structure.alpha == pytest.approx(2 / 3)
    assert claim.kind is Kind.CONSTRUCTION


def test_the_twin_promises_no_contraction():
    claim = claims_of(dx.models.unconstrained_denoiser(**SMALL)).find(dx.Lipschitz)
    assert claim.structure.constant > 1
    assert claim.kind is Kind.BOUND


def test_trained_weights_do_not_matter_for_the_claim():
    model = dx.models.denoiser(**SMALL).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=3.0)
    x, y = (torch.rand(16, 1, 7, 9, dtype=torch.float64) for _ in range(2))
    ratio = (model(x) - model(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert float(ratio.detach().max()) <= 1


@pytest.mark.parametrize("build", [dx.models.denoiser, dx.models.unconstrained_denoiser])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 16)])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_size(build, size, channels):
    x = torch.rand(2, channels, *size)
    assert build(**SMALL, channels=channels)(x).shape == x.shape


@pytest.mark.parametrize("check", LIFECYCLE)
@pytest.mark.parametrize("build", [dx.models.denoiser, dx.models.unconstrained_denoiser])
def test_lifecycle(build, check):
    LIFECYCLE[check](lambda: build(**SMALL), torch.rand(2, 1, 7, 6))


def test_too_few_features_are_refused():
    with pytest.raises(ValueError, match=r"expected features >= in_channels · shuffle\^dim = 12"):
        dx.models.denoiser(channels=3, features=8)
