"""Geometric flows under attack: the honest ones stand, each planted fault is found."""

import pytest
import torch

import darboux as dx
from darboux.certification import certify
from tests.catalogue.flow import GEOMETRIC as CASES
from tests.catalogue.flow import example_shape
from tests.certification.geometric_faults import FAULTS, Phase


@pytest.mark.parametrize("name", CASES)
def test_catalogue_stands(name):
    module = CASES[name]()
    certificate = certify(module, torch.randn(3, *example_shape(name)), effort="quick")
    refuted = [row.place + ": " + row.statement for row in certificate.rows if row.refuted]
    assert refuted == [], str(certificate)
    spared = [row.statement for row in certificate.rows if row.status != "not refuted"]
    assert spared == [], str(certificate)


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_refuted(name):
    build, statement = FAULTS[name]
    certificate = certify(build(), torch.randn(3, 4), effort="quick")
    found = {row.statement for row in certificate.refuted}
    assert not certificate.holds
    assert any(statement in text for text in found), found


def test_the_honest_twin_of_the_faults_stands():
    for method in (dx.integrators.StormerVerlet(), dx.integrators.GonzalezGradient()):
        flow = dx.Flow(Phase(), method, horizon=1.0, steps=2)
        certificate = certify(flow, torch.randn(3, 4), effort="quick")
        assert certificate.holds, str(certificate)
        assert len(certificate.rows) > 8


def test_what_flows_promise_is_attacked_and_not_only_listed():
    field = dx.fields.SecondOrderField(dx.linear.Dense(2, 3), dx.activations.Tanh())
    flow = dx.Flow(field, dx.integrators.StormerVerlet(), steps=2)
    certificate = certify(flow, torch.randn(3, 4), effort="quick")
    tried = {row.statement for row in certificate.rows if row.status == "not refuted"}
    for word in ("symplectic", "invertible", "reversible", "J∇energy", "drift(t, p)", "ρf(z)"):
        assert any(word in statement for statement in tried), word
    assert certificate.holds
