"""Group x field x nonlinearity x stride x even and odd sizes: rounding, and nothing more."""

import pytest
import torch

from darboux.structure import Equivariant, Kind, claims_of
from darboux.symmetry._feature import Feature
from darboux.testing._checks.equivariance import check_equivariant
from tests.catalogue.equivariant_networks import CASES

SIZES = {2: [(6, 6), (7, 7), (6, 7)], 3: [(4, 4, 4), (5, 4, 5)]}


def sizes(module):
    return SIZES[module[0].map.dim]


def test_there_are_many_cases():
    assert len(CASES) >= 250


@pytest.mark.parametrize("name", CASES)
def test_equivariant(name):
    module = CASES[name]()
    claim = claims_of(module).find(Equivariant)
    assert claim is not None, claims_of(module).gaps
    assert claim.kind is Kind.CONSTRUCTION
    image = module[0].map.source
    assert isinstance(image, Feature)
    for dtype in (torch.float32, torch.float64):
        for size in sizes(module):
            x = torch.randn(1, image.channels, *size, dtype=dtype)
            check_equivariant(module.to(dtype), x, claim.structure, elements=12)
