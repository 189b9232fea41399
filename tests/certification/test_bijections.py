"""Bijections under attack: the catalogue stands, each planted fault is found."""

import math

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    Bijection,
    Chain,
    LULinear,
    bijective,
)
from darboux.certification import certify
from darboux.structure import BiLipschitz, Claim, Claims, Invertible, Kind, LogDeterminant
from tests.catalogue.bijections import CASES, CONTEXTS, SHAPES
from tests.lifecycles import once_a_class

UNCONDITIONED = {case: build for case, build in CASES.items() if case not in CONTEXTS}
# layers of one class with constants of their own: only the small ones show a bound too small
CONSTANTS = [case for case in UNCONDITIONED if "residual-dense" in case]
OTHERS = {case: build for case, build in UNCONDITIONED.items() if case not in CONSTANTS}


@pytest.mark.parametrize("case", [*CONSTANTS, *once_a_class(OTHERS)])
def test_catalogue_stands(case):
    certificate = certify(CASES[case]().eval(), torch.randn(3, *SHAPES[case]), effort="quick")
    refuted = [f"{row.place}: {row.statement}" for row in certificate.rows if row.refuted]
    assert refuted == [], str(certificate)
    tried = [row.statement for row in certificate.rows if row.status == "not refuted"]
    assert any("invertible" in statement for statement in tried), str(certificate)


HONEST = BiLipschitz(0.5, 1.5)


class Fault(Bijection):
    """y = (1 + a) x + sin(x)/2 on each entry, with one of its promises broken."""

    def __init__(self, fault, bounds=HONEST):
        super().__init__()
        self.fault, self.bounds = fault, bounds

    def forward_and_log_det(self, x, context=None):
        y, slopes = x + torch.sin(x) / 2, 1 + torch.cos(x) / 2
        if self.fault == "log-determinant":
            slopes = slopes.where(x < 1, slopes * 1.01)
        return y, slopes.log().flatten(1).sum(1)

    def inverse_and_log_det(self, y, context=None):
        x = y
        for _ in range(3 if self.fault == "inverse" else 80):
            x = y - torch.sin(x) / 2
        return x, -self.forward_and_log_det(x)[1]

    def claims(self):
        return bijective("a monotone function", bounds=self.bounds)


def test_the_honest_twin_stands():
    certificate = certify(Fault(""), torch.randn(3, 4), effort="quick")
    assert certificate.holds, str(certificate)
    assert {row.status for row in certificate.rows} == {"not refuted"}


@pytest.mark.parametrize(
    ("fault", "bounds", "statement"),
    [
        ("inverse", HONEST, "invertible"),
        ("log-determinant", HONEST, "log-determinant"),
        ("", BiLipschitz(0.55, 1.5), "bi-Lipschitz"),
        ("", BiLipschitz(0.5, 1.45), "bi-Lipschitz"),
    ],
)
def test_faults_are_refuted(fault, bounds, statement):
    certificate = certify(Fault(fault, bounds), 3 * torch.randn(8, 4), effort="quick")
    assert not certificate.holds
    assert any(statement in row.statement for row in certificate.refuted), str(certificate)


def network(features, outputs):
    return nn.Sequential(nn.Linear(features, 6), nn.Tanh(), nn.Linear(6, outputs))


def test_bounds_of_a_chain_are_products():
    """4.3.2: the user sees how stable the inverse is before trusting it."""
    layers = [AdditiveCoupling(network(2, 2), swap=k % 2 == 1) for k in range(4)]
    chain = Chain([*layers, LULinear(4)])
    parts = [dx.structure.claims_of(layer).find(dx.BiLipschitz).structure for layer in chain.layers]
    whole = chain.claims().find(dx.BiLipschitz).structure
    assert math.isclose(whole.lower, math.prod(part.lower for part in parts))
    assert math.isclose(whole.upper, math.prod(part.upper for part in parts))
    assert whole.condition > 1
    certificate = certify(chain, torch.randn(3, 4), effort="quick")
    assert certificate.holds
    assert any("bi-Lipschitz" in row.statement for row in certificate.rows)


def test_a_chain_without_bounds_says_which_layer():
    chain = Chain([AdditiveCoupling(network(2, 2)), AffineCoupling(network(2, 4))])
    assert chain.claims().find(dx.BiLipschitz) is None
    assert any("AffineCoupling" in gap.path for gap in chain.claims().gaps)


def test_structures_compose():
    found = Claims(tuple(Claim(s, Kind.BOUND, "") for s in (Invertible(), LogDeterminant())))
    whole = dx.structure.composition([("a", found), ("b", found)])
    assert {claim.structure for claim in whole} == {Invertible(), LogDeterminant()}
    with pytest.raises(ValueError, match="μ <= L"):
        BiLipschitz(2.0, 1.0)
    assert BiLipschitz(0.0, 1.0).condition == math.inf
    assert BiLipschitz(0.5, 2.0).at_least(BiLipschitz(0.4, 2.5))
    assert not BiLipschitz(0.5, 2.0).at_least(BiLipschitz(0.6, 2.5))
    assert BiLipschitz(0.5, 2.0).at_least(dx.Lipschitz(2.0))
