"""Every composed map of the catalogue through state, dtypes, transforms and compilation."""

import pytest
import torch

from darboux.testing import LIFECYCLE
from tests.catalogue.flow import CASES, example_shape


def _example(name):
    return torch.randn(2, *example_shape(name))


@pytest.mark.parametrize("check", LIFECYCLE)
@pytest.mark.parametrize("name", CASES)
def test_lifecycle(name, check):
    LIFECYCLE[check](CASES[name], _example(name))
