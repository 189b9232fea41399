"""Every constant and attribute that a theorem reads is a premise, and false ones are refuted."""

import pytest
import torch

from darboux.certification import certify
from tests.certification import field_faults, method_faults

FAULTS = {**field_faults.FAULTS, **method_faults.FAULTS}


@pytest.mark.parametrize("name", FAULTS)
def test_false_declaration_is_refuted_as_a_premise(name):
    build, words = FAULTS[name]
    certificate = certify(build(), torch.randn(3, 4), effort="quick")
    refuted = [row.statement for row in certificate.refuted if row.level == "premise"]
    assert any(words in statement for statement in refuted), str(certificate)
