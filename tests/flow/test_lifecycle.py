"""Every composed map of the catalogue through state, dtypes, transforms and compilation."""

import pytest
import torch

from darboux.testing import LIFECYCLE
from tests.catalogue.flow import COMPOSED as CASES
from tests.catalogue.flow import example_shape
from tests.lifecycles import lifecycle_cases


def _example(name):
    return torch.randn(2, *example_shape(name))


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check):
    LIFECYCLE[check](CASES[name], _example(name))
