"""Every equivariant linear map of the catalogue keeps what it reports, and commutes."""

import pytest
import torch

from darboux.structure import claims_of
from darboux.testing import (
    LIFECYCLE,
    check_adjoint,
    check_equivariant,
    check_estimate,
    check_fused,
    check_lower_bound,
    check_norm_bound,
    check_row_bound,
    check_symbol,
)
from tests.catalogue.linear import example_shape
from tests.catalogue.symmetry import MAPS
from tests.lifecycles import lifecycle_cases

SIZES = {0: [()], 2: [(4, 5), (3, 2), (1, 4)], 3: [(2, 3, 2)]}
SQUARE = {0: [()], 2: [(6, 6), (7, 7), (6, 7), (5, 2), (1, 1)], 3: [(4, 4, 4), (5, 4, 3)]}
COMBINED = [n for n in MAPS if n.startswith(("scaled", "skew", "transposed", "stacked", "shrunk"))]
STRIDED = [name for name in MAPS if "stride" in name or "sample" in name]
CIRCULAR = [n for n in MAPS if n not in STRIDED and n not in ("conv-c4", "conv-so2", "conv-so3")]


@pytest.mark.parametrize("name", MAPS)
def test_equivariant_in_float64(name):
    linear = MAPS[name]().double()
    for size in SQUARE[linear.dim]:
        x = torch.randn(2, linear.in_features, *size, dtype=torch.float64)
        check_equivariant(linear, x, linear.equivariant())


@pytest.mark.parametrize("name", MAPS)
def test_equivariant_in_float32(name):
    linear = MAPS[name]()
    for size in SQUARE[linear.dim]:
        check_equivariant(linear, torch.randn(2, linear.in_features, *size), linear.equivariant())


@pytest.mark.parametrize("name", MAPS)
def test_equivariant_with_bias(name):
    linear = MAPS[name]().double()
    bias = torch.randn_like(linear.bias())
    x = torch.randn(2, linear.in_features, *SQUARE[linear.dim][0], dtype=torch.float64)

    class Affine(torch.nn.Module):
        def forward(self, x):
            return linear.affine(x, bias)

    check_equivariant(Affine(), x, linear.equivariant())


@pytest.mark.parametrize("name", MAPS)
def test_adjoint(name):
    linear = MAPS[name]()
    check_adjoint(linear, torch.randn(example_shape(linear)))
    linear = linear.double()
    for size in SIZES[linear.dim]:
        check_adjoint(linear, torch.randn(2, linear.in_features, *size, dtype=torch.float64))


@pytest.mark.parametrize("name", MAPS)
def test_bounds(name):
    linear = MAPS[name]().double()
    for size in SIZES[linear.dim]:
        check_norm_bound(linear, size)
        check_row_bound(linear, size)
        check_lower_bound(linear, size)


@pytest.mark.parametrize("name", MAPS)
def test_rows_are_equal_on_a_field(name):
    linear = MAPS[name]()
    rows = linear.row_bound().detach()
    assert torch.equal(rows, linear.equivariant().target.tie(rows))


@pytest.mark.parametrize("name", CIRCULAR)
def test_symbol(name):
    check_symbol(MAPS[name]().double(), 3)


@pytest.mark.parametrize("name", STRIDED)
def test_a_strided_map_has_no_symbol(name):
    with pytest.raises(TypeError, match=r"symbol|grid|stride"):
        MAPS[name]().symbol(3)


@pytest.mark.parametrize("name", MAPS)
def test_fused(name):
    linear = MAPS[name]()
    check_fused(linear, torch.randn(example_shape(linear)))


@pytest.mark.parametrize("name", MAPS)
def test_estimate(name):
    check_estimate(MAPS[name]())


@pytest.mark.parametrize("name", MAPS)
def test_claims_a_bound_and_the_group(name):
    found = [type(claim.structure).__name__ for claim in claims_of(MAPS[name]())]
    assert "Equivariant" in found
    assert {"Lipschitz", "Isometric"} & set(found)


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(MAPS, elsewhere=COMBINED))
def test_lifecycle(name, check):
    linear = MAPS[name]()
    LIFECYCLE[check](MAPS[name], torch.randn(example_shape(linear)))
