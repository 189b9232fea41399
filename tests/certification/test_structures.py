"""Each structure: a map that has it, and one that nearly does."""

import inspect

import pytest
import torch
from torch import nn

from darboux import structure as room
from darboux.certification import certify
from darboux.structure import EnergyPreserving, Invertible, Structure, Symplectic, VolumePreserving
from tests.catalogue.structures import FALSE, HONEST, Call, example_of

EXPORTED = [getattr(room, name) for name in room.__all__]
STRUCTURES = {
    thing
    for thing in EXPORTED
    if inspect.isclass(thing) and issubclass(thing, Structure) and not inspect.isabstract(thing)
}


@pytest.mark.parametrize("cases", [HONEST, FALSE], ids=["honest", "false"])
def test_every_structure_is_in_the_catalogue(cases):
    lacking = STRUCTURES - {type(structure) for structure, _ in cases.values()}
    assert not lacking, f"tests.catalogue.structures lacks a case of {lacking}"


def attacked(cases, name):
    structure, module = cases[name]
    example = example_of(name)
    return certify(module, example, claims=[structure], effort="normal")


@pytest.mark.parametrize("name", HONEST)
def test_honest_map_is_not_refuted(name):
    certificate = attacked(HONEST, name)
    assert [row.status for row in certificate.rows] == ["not refuted"] * 2, str(certificate)


@pytest.mark.parametrize("name", FALSE)
def test_false_claim_is_refuted(name):
    certificate = attacked(FALSE, name)
    assert certificate.rows[0].refuted, str(certificate)
    assert not certificate.holds


@pytest.mark.parametrize("name", HONEST)
def test_what_is_concluded_about_a_map_twice_is_not_refuted(name):
    structure, module = HONEST[name]
    whole = structure.after(structure)
    if whole is not None:
        twice, example = nn.Sequential(module, module), example_of(name)
        certificate = certify(twice, example, claims=[whole], effort="quick")
        assert not certificate.rows[0].refuted, str(certificate)


@pytest.mark.parametrize("name", ["symplectic", "volume", "reversible", "isometric"])
def test_images_are_split_along_channels(name):
    structure, module = HONEST[name]
    certificate = certify(module, torch.randn(2, 4, 3, 3), claims=[structure], effort="quick")
    assert certificate.rows[0].status == "not refuted", str(certificate)


@pytest.mark.parametrize(("stretch", "status"), [(1.0, "not refuted"), (1.001, "refuted")])
def test_determinants_of_large_images_are_computed_at_small_ones(stretch, status):
    module = Call(lambda x: stretch * x)
    example = torch.randn(1, 3, 40, 40)
    row = certify(module, example, claims=[VolumePreserving()], effort="quick").rows[0]
    assert row.status == status
    assert "at 3×8×8" in row.note


@pytest.mark.parametrize(
    ("structure", "shape", "reason"),
    [
        (Symplectic(), (2, 3), "even number of channels"),
        (VolumePreserving(), (1, 2000), "too large at this effort"),
        (Invertible(), (2, 4), r"no method inverse"),
        (EnergyPreserving(), (2, 4), r"no method energy"),
    ],
    ids=["odd channels", "large", "no inverse", "no energy"],
)
def test_what_cannot_be_attacked_says_why(structure, shape, reason):
    row = certify(nn.Identity(), torch.randn(shape), claims=[structure], effort="quick").rows[0]
    assert row.status == "not attacked"
    assert reason in row.note
