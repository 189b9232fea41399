"""Certificates on paper: table, JSON, HTML."""

import dataclasses
import json
import re

import pytest
import torch
from torch import nn

from darboux.certification import Certificate, certify
from darboux.certification._environment import fingerprint
from darboux.certification._finding import Row
from darboux.structure import Gap, Lipschitz
from tests.certification.faults import make


@pytest.fixture(scope="module")
def refuted():
    fault = make("spectral_norm on Conv2d")
    return certify(fault.module, fault.example, claims=fault.claims, effort="quick")


@pytest.fixture(scope="module")
def broken():
    fault = make("activation of slope 1.2")
    return certify(fault.module, fault.example, effort="quick")


def test_table_is_plain_and_narrow(broken):
    text = str(broken)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert all(line == line.rstrip() for line in text.splitlines())


def test_table_puts_equal_rows_together(broken):
    text = str(broken)
    assert "3 × adjoint identity" in text
    assert "2 × slopes of ReLU lie in [0, 1]" in text
    assert re.search(r"slopes of SteepReLU lie in \[0, 1\] +1\.2 +1 +refuted", text)
    assert text.splitlines()[2].startswith("REFUTED: 1 of")


def test_every_row_says_what_was_tried(broken):
    for row in broken.rows:
        assert row.tried or row.note
        assert row.status != "not refuted" or row.samples > 0


def test_json_round_trip(refuted):
    again = Certificate.from_json(refuted.to_json())
    assert again == refuted
    assert again.holds is False
    for before, after in zip(refuted.rows, again.rows, strict=True):
        assert before.refuted
        assert set(before.evidence) == set(after.evidence) == {"x", "y"}
        for name, tensor in before.evidence.items():
            assert after.evidence[name].dtype == tensor.dtype
            assert torch.equal(after.evidence[name], tensor)


def test_json_is_strict(refuted, broken):
    for certificate in (refuted, broken):
        document = json.loads(certificate.to_json(), parse_constant=pytest.fail)
        assert document["schema"] == "darboux.certificate"
        assert document["version"] == 2
        assert document["verdict"] == "refuted"
        assert document["environment"]["torch"] == str(torch.__version__)


def test_json_knows_infinity():
    row = Row("", "claim", "φ", "refuted", measured=float("inf"), claimed=1.0, tolerance=0.0)
    whole = certify(nn.Tanh(), torch.ones(1, 4), effort="quick")
    text = dataclasses.replace(whole, rows=(row,)).to_json()
    json.loads(text, parse_constant=pytest.fail)
    assert Certificate.from_json(text).rows[0].measured == float("inf")


def test_only_counterexamples_are_kept(broken):
    for row in broken.rows:
        assert bool(row.evidence) == row.refuted


def test_representation_is_one_line(broken):
    assert repr(broken).startswith("<Certificate of Flow: REFUTED: 1 of")
    assert "\n" not in repr(broken)
    assert broken._repr_html_() == broken.to_html()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Expected a certificate as JSON"),
        ("[1]", "schema None, version None"),
        ('{"schema": "darboux.certificate", "version": 1}', "got schema .*, version 1"),
        ('{"schema": "darboux.certificate", "version": 3}', "got schema .*, version 3"),
        ('{"schema": "darboux.certificate", "version": 2}', "damaged .KeyError: 'environment'"),
    ],
    ids=["empty", "list", "older", "newer", "damaged"],
)
def test_foreign_files_are_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        Certificate.from_json(text)


def test_html_is_escaped_and_needs_nothing(broken):
    gaps = (Gap("<b>", "a <script> & more"),)
    page = dataclasses.replace(broken, gaps=gaps).to_html()
    assert "<script>" not in page
    assert "&lt;script&gt; &amp; more" in page
    assert "&lt;b&gt;" in page
    assert "http" not in page
    assert page.count("<table>") == page.count("</table>") == 3
    assert "slopes of SteepReLU lie in [0, 1]" in page


def test_holds_and_lipschitz_agree(broken, refuted):
    assert not broken.holds
    assert broken.lipschitz is None  # a premise of its proof is false
    assert len(broken.refuted) == 1
    assert len(refuted.refuted) == 2


def test_fingerprint_sees_every_bit():
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).bfloat16()
    before = fingerprint(module)
    assert fingerprint(module) == before
    with torch.no_grad():
        module[0].weight[1, 2] += 0.25
    after = fingerprint(module)
    assert after != before
    module[1].num_batches_tracked += 1
    assert fingerprint(module) not in (before, after)


def test_environment_tells_how_to_do_it_again():
    generator = torch.Generator().manual_seed(17)
    module = nn.Tanh()
    made = certify(
        module, torch.ones(1, 4), claims=[Lipschitz(1.0)], effort="quick", generator=generator
    ).environment
    assert (made.seed, made.effort, made.shape, made.dtype) == (17, "quick", (1, 4), "float32")
    assert made.device == "cpu"
    assert made.fingerprint == fingerprint(module)
