"""Every nonlinearity and pooling of the catalogue claims what it commutes with, and does."""

import pytest
import torch

from darboux.structure import Equivariant, claims_of
from darboux.testing import check_equivariant
from tests.catalogue.symmetry import LAYERS


@pytest.mark.parametrize("size", [(6, 6), (7, 7), (6, 7)])
@pytest.mark.parametrize("name", LAYERS)
def test_equivariant_on_images(name, size):
    module = LAYERS[name]().double()
    claim = claims_of(module).find(Equivariant)
    x = torch.randn(2, claim.structure.source.channels, *size, dtype=torch.float64)
    check_equivariant(module, x, claim.structure)


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if name not in ("upsample", "space-pooling")]
)
def test_equivariant_on_vectors(name):
    module = LAYERS[name]().double()
    claim = claims_of(module).find(Equivariant)
    x = torch.randn(5, claim.structure.source.channels, dtype=torch.float64)
    check_equivariant(module, x, claim.structure)
