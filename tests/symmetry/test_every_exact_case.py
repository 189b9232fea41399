"""Group x field x nonlinearity x stride x even and odd sizes: rounding, and nothing more."""

import pytest
import torch

from darboux.structure import Equivariant, Kind, claims_of
from darboux.symmetry._feature import Feature
from darboux.testing import check_equivariant
from tests.catalogue.equivariant_networks import CASES

# Even and odd sizes in double precision, both at once in single precision. Five elements of a
# group nearly always generate it, and what commutes with generators commutes with all.
SIZES = {
    2: [((6, 6), torch.float64), ((7, 7), torch.float64), ((6, 7), torch.float32)],
    3: [((4, 4, 4), torch.float64), ((5, 4, 5), torch.float32)],
}


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
    for size, dtype in SIZES[module[0].map.dim]:
        x = torch.randn(1, image.channels, *size, dtype=dtype)
        check_equivariant(module.to(dtype), x, claim.structure, elements=5)
