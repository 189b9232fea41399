"""A trial: every sound model holds, in either precision, whatever the effort."""

import pytest

from darboux.certification import certify
from tests.certification.trial.seeds import RUNS, dtypes, seeded
from tests.certification.trial.sound import LONG, SOUND


def seldom(k, name):
    """Return whether a model waits for --slow: the long ones, and two of five others."""
    return k % 5 in (1, 3) or any(word in name for word in LONG)


CASES = [
    pytest.param(name, marks=pytest.mark.slow if seldom(k, name) else ())
    for k, name in enumerate(SOUND)
]


@pytest.mark.parametrize(("effort", "other"), RUNS)
@pytest.mark.parametrize("name", CASES)
def test_sound_model_holds(name, effort, other):
    case, dtype = SOUND[name], dtypes(SOUND, name)[other]
    with seeded(name):
        module = case.module()
        module, x = module.to(dtype), case.example(module).to(dtype)
    certificate = certify(module, x, claims=case.claims, effort=effort)
    assert certificate.verdict == "holds", str(certificate)
