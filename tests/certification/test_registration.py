"""Attacks of one's own."""

import torch
from torch import nn

import darboux as dx
from darboux.certification import Finding, NotAttackedError, Trial, attack, attacks
from darboux.structure import Claim, Claims, Condition, Kind, Structure
from tests.certification.small import flow, quick


class Small(Structure):
    def describe(self):
        return "|φ| <= 1"

    def after(self, first):
        return self


odd = Condition("σ(-x) = -σ(x) for {subject}")


class Bounded(nn.Module):
    def forward(self, x):
        return torch.sin(x)

    def claims(self):
        return Claims((Claim(Small(), Kind.CONSTRUCTION, "sine", (odd(self),)),))


def test_without_an_attack_a_row_says_so():
    rows = quick(Bounded(), torch.randn(2, 4)).rows
    assert [row.status for row in rows] == ["not attacked"] * 3
    assert "no attack is registered for Small" in rows[0].note
    assert "no attack is registered for the premise 'σ(-x)" in rows[2].note


def test_attacks_can_be_registered():
    class Mine(Small):
        pass

    theirs = Condition("{subject} is theirs")

    class Module(Bounded):
        def claims(self):
            return [Claim(Mine(), Kind.CONSTRUCTION, "sine", (theirs(self),))]

    @attack.register(Mine)
    def _(structure, target):
        size = float(target.module(target.inputs).abs().max())
        return Finding(1.0, (Trial("the inputs", len(target.inputs), size, 0.0),))

    @attacks(theirs)
    def _(premise, target):
        msg = "not today"
        raise NotAttackedError(msg)

    rows = quick(Module(), torch.randn(2, 4)).rows
    assert [row.status for row in rows] == ["not refuted", "not refuted", "not attacked"]
    assert rows[0].tried == "the inputs (2)"
    assert rows[2].note == "not today"


def test_normal_effort_is_the_default():
    certificate = dx.certify(flow(1), torch.randn(2, 4))
    assert certificate.holds
    assert certificate.environment.effort == "normal"
    assert str(certificate).startswith("Certificate of Flow")
