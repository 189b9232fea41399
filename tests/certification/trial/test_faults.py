"""A trial: every planted fault is found, in either precision, whatever the effort."""

import pytest

from darboux.certification import certify
from tests.certification.trial.faults import FAULTS
from tests.certification.trial.seeds import RUNS, dtypes, example, seeded

# a fault may leave the claim true and the model unfit for any: what the certificate has to say
EXCUSES = {"float32": "disagree", "state": "two calls", "hidden": "derivatives of autograd"}

# narrower, smaller or further out than quick effort looks for in so many dimensions
NARROW = {
    "a kink": ("volume pairs", "symplectic images"),
    "tiny entries": ("lipschitz pool", "averaged relu"),
    "far entries": ("equivariant conv", "equivariant strided"),
}


def marks(k, name):
    """Return the marks of a fault: of the many "map: spoiler" every fifth one runs always."""
    base, _, bend = name.partition(": ")
    seldom = bend and (k % 5 or (bend == "batch mates" and "inverse" in base))
    return [pytest.mark.slow] if seldom else []


CASES = [pytest.param(name, marks=marks(k, name)) for k, name in enumerate(FAULTS)]


@pytest.mark.parametrize(("effort", "other"), RUNS)
@pytest.mark.parametrize("name", CASES)
def test_fault_is_found(name, effort, other):
    base, _, bend = name.partition(": ")
    if effort == "quick" and base.startswith(NARROW.get(bend, ("?",))):
        pytest.skip("for normal effort")
    make, shape = FAULTS[name]
    dtype = dtypes(FAULTS, name)[other]
    with seeded(name):
        module, x = make(dtype), example(shape, dtype)
    certificate = certify(module, x, effort=effort)
    words = [said for word, said in EXCUSES.items() if word in name]
    excused = any(said in text for said in words for text in certificate.missing)
    assert certificate.verdict == "refuted" or excused, str(certificate)
