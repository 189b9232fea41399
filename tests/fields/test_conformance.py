"""Every field of the catalogue keeps what it reports."""

import pytest
import torch

from darboux.testing import check_constants, check_energy, check_prepare, check_shape
from tests.catalogue.fields.general import CASES, features_of

WITH_ENERGY = [name for name, build in CASES.items() if hasattr(build(), "energy")]


def _states(field, dtype=torch.float64):
    features, dim = features_of(field)
    return torch.randn(2, features, *(5, 4, 3)[:dim], dtype=dtype)


@pytest.mark.parametrize("name", CASES)
def test_shape(name):
    field = CASES[name]()
    check_shape(field, _states(field, torch.float32))
    check_shape(field.double(), _states(field))


@pytest.mark.parametrize("name", CASES)
def test_constants(name):
    field = CASES[name]().double()
    check_constants(field, _states(field))


@pytest.mark.parametrize("name", CASES)
def test_constants_of_other_parameters(name):
    """Parameters that start alike hide a minimum where a maximum belongs."""
    field = CASES[name]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    check_constants(field, _states(field))


@pytest.mark.parametrize("name", WITH_ENERGY)
def test_energy(name):
    field = CASES[name]().double()
    check_energy(field, _states(field))


@pytest.mark.parametrize("name", CASES)
def test_bind(name):
    field = CASES[name]()
    check_prepare(field, _states(field, torch.float32))
