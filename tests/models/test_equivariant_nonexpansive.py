"""The nonexpansive and equivariant denoiser: claims for all parameters, and its frozen form."""

import pytest
import torch

import darboux as dx
from darboux.models._equivariant_nonexpansive import equivariant_nonexpansive_denoiser
from darboux.structure import Kind, claims_of
from darboux.symmetry import Cyclic, Dihedral, scalars
from darboux.testing import LIFECYCLE
from tests.models.checks import CHECKS

SMALL = {"fields": ["regular"] * 2, "units": ["regular"] * 3, "steps": 2}
GROUPS = pytest.mark.parametrize("group", [Cyclic(4), Dihedral(4), Cyclic(8)], ids=repr)


def wild(group, **options):
    """A denoiser with large random parameters, in float64."""
    model = equivariant_nonexpansive_denoiser(group=group, **{**SMALL, **options}).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=2.0)
    return model


@GROUPS
def test_both_promises_hold_by_construction(group):
    claims = claims_of(equivariant_nonexpansive_denoiser(group=group, **SMALL, fraction=0.5))
    averaged, equivariant = claims.find(dx.Averaged), claims.find(dx.Equivariant)
    assert averaged.structure.alpha == pytest.approx(2 / 3)
    assert averaged.kind is equivariant.kind is Kind.CONSTRUCTION
    assert equivariant.structure.source == equivariant.structure.target == scalars(group, 1)


def test_a_periodic_image_may_also_be_shifted():
    model = equivariant_nonexpansive_denoiser(group=Cyclic(4), **SMALL, padding_mode="circular")
    assert claims_of(model).find(dx.Equivariant).structure.translations == (1, 1)


@GROUPS
@pytest.mark.parametrize("size", [6, 7])
def test_quarter_turns_commute_whatever_the_parameters(group, size):
    model, x = wild(group), torch.randn(3, 1, size, size, dtype=torch.float64)
    turned = model(torch.rot90(x, 1, dims=(2, 3)))
    torch.testing.assert_close(turned, torch.rot90(model(x), 1, dims=(2, 3)), rtol=0, atol=1e-12)
    assert float((model(x) - x).detach().abs().max()) > 1e-3


@GROUPS
def test_it_is_nonexpansive_whatever_the_parameters(group):
    model = wild(group)
    x, y = (torch.randn(16, 1, 6, 7, dtype=torch.float64) for _ in range(2))
    ratio = (model(x) - model(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert float(ratio.detach().max()) <= 1


def test_one_certificate_shows_both():
    model = equivariant_nonexpansive_denoiser(group=Cyclic(4), **SMALL)
    certificate = dx.certify(model, torch.randn(2, 1, 8, 8), effort="quick")
    assert certificate.holds, str(certificate)
    kinds = {type(row.structure) for row in certificate.rows if row.level == "claim"}
    assert kinds == {dx.Averaged, dx.Equivariant}


@GROUPS
def test_the_frozen_form_gives_the_same_images(group):
    model = wild(group)
    x = torch.randn(2, 1, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(dx.freeze(model)(x), model(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("check", CHECKS)
def test_lifecycle(check):
    LIFECYCLE[check](
        lambda: equivariant_nonexpansive_denoiser(group=Cyclic(4), **SMALL),
        torch.randn(2, 1, 7, 6),
    )


def test_three_channels_need_three_fields():
    with pytest.raises(ValueError, match="expected 1 to 2 channels"):
        equivariant_nonexpansive_denoiser(3, group=Cyclic(4), **SMALL)


def test_units_that_are_mixed_are_refused():
    with pytest.raises(ValueError, match=r"so that clips commute; got ψ1 of C8.*Use regular"):
        equivariant_nonexpansive_denoiser(group=Cyclic(8), units=["1"])


def test_no_step_is_refused():
    with pytest.raises(ValueError, match="steps to be an integer from 1 to 10000; got 0"):
        equivariant_nonexpansive_denoiser(group=Cyclic(4), steps=0)
