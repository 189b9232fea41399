"""Every field of the catalogue through state, dtypes, transforms and compilation."""

import pytest
import torch

from darboux.testing import LIFECYCLE
from tests.catalogue.fields.general import CASES, features_of
from tests.lifecycles import lifecycle_cases


def _example(name):
    features, dim = features_of(CASES[name]())
    return 0.0, torch.randn(2, features, *(5, 4, 3)[:dim])


# Parametrised modules do not pickle: torch refuses with a sentence of its own.
REFUSED = {("zhang-schaeffer-nonnegative", "pickle")}


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check):
    if (name, check) in REFUSED:
        with pytest.raises(AssertionError, match="Serialization of parametrized modules"):
            LIFECYCLE[check](CASES[name], _example(name))
        return
    LIFECYCLE[check](CASES[name], _example(name))
