"""What a certificate concludes: it holds, is refuted, or says what is missing."""

import dataclasses
import json

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.certification import Certificate, Finding, NotCertifiedError, Row, Trial, attack
from darboux.structure import Averaged, Claim, Claims, Condition, Kind, Structure
from tests.certification.small import Returns, flow, quick

EXAMPLE = torch.linspace(-1, 1, 8).reshape(2, 4)
NOBODY_TRIES = Condition("nobody tries to break this of {subject}")


class Leaves(Structure):
    """A promise whose attack concludes nothing."""

    def describe(self):
        return "leaves"

    def after(self, first):
        return self


@attack.register
def _(structure: Leaves, target) -> Finding:
    return Finding(1.0, (Trial("a look", 3, 0.5, 0.0),), "a note", undecided="too noisy")


class Claiming(nn.Module):
    """A map that claims what it is told to, on premises if any."""

    def __init__(self, *structures, premises=(), map=torch.tanh):
        super().__init__()
        self.structures, self.stated, self.map = structures, premises, map

    def forward(self, x):
        return self.map(x)

    def claims(self):
        premises = tuple(condition(self) for condition in self.stated)
        return Claims(tuple(Claim(s, Kind.BOUND, "says so", premises) for s in self.structures))


@pytest.fixture(scope="module")
def sound():
    return quick(flow(), EXAMPLE)


def test_what_was_attacked_and_stands_holds(sound):
    assert (sound.verdict, sound.holds, sound.missing) == ("holds", True, ())
    assert f"HOLDS: {len(sound.rows)} of {len(sound.rows)} rows attacked" in str(sound)


@pytest.mark.parametrize(
    ("module", "claims", "missing"),
    [
        (Returns(torch.sin), None, "nothing is claimed of the whole map; whole map: no claims"),
        (nn.Sequential(nn.ReLU(), Returns(torch.sin)), None, "; 1: no claims are known for Ret"),
        (Claiming(), None, "nothing is claimed of the whole map"),
        (nn.Tanh(), [dx.Invertible()], "invertible: φ⁻¹(φ(x)) = x (whole map) was not attacked: "),
        (Returns(torch.nn.functional.dropout), [dx.Lipschitz(9.0)], "was not attacked: two calls"),
        (Claiming(Leaves()), None, "leaves (whole map) is undecided: too noisy; a note"),
        (Claiming(dx.Lipschitz(1.0), premises=[NOBODY_TRIES]), None, "of Claiming (whole map) was"),
    ],
    ids=["unknown", "lost", "empty", "no inverse", "random", "no conclusion", "premise"],
)
def test_what_is_missing_is_said(module, claims, missing):
    certificate = quick(module, EXAMPLE, claims=claims)
    assert certificate.verdict == "undecided"
    assert not certificate.holds
    assert certificate.lipschitz is None
    assert missing in certificate.missing[0]
    for shown in (str(certificate).replace("\n", " "), repr(certificate)):
        assert "UNDECIDED: " in shown
    assert "What is missing" in str(certificate)
    assert '<p class="open"><strong>UNDECIDED' in certificate.to_html()
    document = json.loads(certificate.to_json())
    assert (document["verdict"], document["missing"]) == ("undecided", list(certificate.missing))
    assert Certificate.from_json(certificate.to_json()).missing == certificate.missing


def test_a_refuted_row_outweighs_what_is_missing():
    claims = [dx.Lipschitz(0.5), dx.Invertible()]
    certificate = quick(nn.Tanh(), EXAMPLE, claims=claims)
    assert certificate.verdict == "refuted"
    assert certificate.missing


def test_an_unknown_status_is_no_success(sound):
    with pytest.raises(ValueError, match=r"expected status to be 'not refuted' or .*'approved'"):
        dataclasses.replace(sound.rows[0], status="approved")
    odd = dataclasses.replace(sound.rows[0])
    object.__setattr__(odd, "status", "approved")  # as a later version may have it
    assert dataclasses.replace(sound, rows=(odd, *sound.rows[1:])).verdict == "undecided"


def test_a_refuted_finding_stays_refuted_where_another_sample_is_undecided():
    finding = Finding(1.0, (Trial("a look", 3, 1.5, 0.0),), undecided="too noisy")
    assert finding.refuted


def test_required_claims_come_with_their_kind(sound):
    claim = sound.require(dx.Lipschitz(1.0))
    assert (claim.structure, claim.kind) == (dx.Lipschitz(1.0), Kind.CONSTRUCTION)
    assert "follows from averaged" in claim.reason
    assert sound.require(dx.Lipschitz(3.0)).kind is Kind.CONSTRUCTION
    measured = quick(Returns(torch.sin), EXAMPLE, claims=[dx.Lipschitz(1.0)])
    assert measured.require(dx.Lipschitz(2.0)).kind is Kind.MEASURED
    assert measured.lipschitz is None


def test_a_smaller_constant_than_was_shown_is_refused(sound):
    message = r"Lipschitz: .* <= 0.5 .*; this one is about averaged: .*claims=\[Lipschitz\(constant"
    with pytest.raises(NotCertifiedError, match=message):
        sound.require(dx.Lipschitz(0.5))
    assert issubclass(NotCertifiedError, ValueError)


def test_nothing_is_handed_out_while_a_row_is_refuted():
    certificate = quick(nn.Tanh(), EXAMPLE, claims=[dx.Lipschitz(1.0), dx.Isometric()])
    with pytest.raises(NotCertifiedError, match="this one refutes whole map: isometric"):
        certificate.require(dx.Lipschitz(1.0))
    assert certificate.lipschitz is None


def test_what_nothing_claims_is_refused():
    with pytest.raises(NotCertifiedError, match="this one says: nothing is claimed of the whole"):
        quick(Returns(torch.sin), EXAMPLE).require(dx.Lipschitz(1.0))


def test_an_unrelated_claim_holds_nothing_back():
    certificate = quick(nn.Tanh(), EXAMPLE, claims=[dx.Lipschitz(1.0), dx.Invertible()])
    assert certificate.verdict == "undecided"
    assert certificate.lipschitz == 1.0
    assert certificate.require(dx.Lipschitz(1.0)).kind is Kind.CONSTRUCTION
    with pytest.raises(NotCertifiedError, match=r"this one leaves open invertible: .* no method"):
        certificate.require(dx.Invertible())


def test_a_premise_that_was_not_attacked_holds_back():
    certificate = quick(Claiming(Averaged(0.5), premises=[NOBODY_TRIES]), EXAMPLE)
    with pytest.raises(NotCertifiedError, match="leaves open nobody tries to break this"):
        certificate.require(dx.Lipschitz(1.0))


def test_a_claim_rests_on_its_parts_and_on_both_precisions(sound):
    def without(row):
        missed = dataclasses.replace(row, status="not attacked", note="by nobody")
        rows = tuple(missed if other is row else other for other in sound.rows)
        return dataclasses.replace(sound, rows=rows)

    for row in sound.rows:
        if row.level != "part" or isinstance(row.structure, Averaged):
            assert without(row).lipschitz is None, row.statement
            assert without(row).verdict == "undecided"
    unrelated = Row("0", "part", "isometric", "not attacked", dx.Invertible(), note="by nobody")
    assert dataclasses.replace(sound, rows=(*sound.rows, unrelated)).lipschitz == 1.0


def test_constants_that_other_structures_imply_are_handed_out():
    bends = Claiming(dx.BiLipschitz(0.5, 1.5), map=lambda x: x + torch.sin(x) / 2)
    assert quick(bends, EXAMPLE).lipschitz == 1.5


@pytest.mark.parametrize("structure", [dx.Lipschitz, "nonexpansive", None], ids=str)
def test_only_structures_can_be_required(sound, structure):
    with pytest.raises(TypeError, match="expected structure to be a Structure"):
        sound.require(structure)
