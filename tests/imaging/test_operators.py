"""Every measurement of the catalogue has its adjoint and its bounds, and lives like other maps."""

import pytest
import torch

import darboux as dx
from darboux.structure import claims_of
from darboux.testing import (
    LIFECYCLE,
    check_adjoint,
    check_estimate,
    check_fused,
    check_lower_bound,
    check_norm_bound,
    check_row_bound,
    explicit_matrix,
)
from tests.catalogue.operators import CASES, example_shape
from tests.lifecycles import once_a_class

SIZES = {1: [(4,), (7,)], 2: [(5, 7), (6, 9)], 3: [(2, 3, 2)]}


def _sizes(operator):
    if operator.image_size is not None:
        return [operator.image_size]
    return [(8, 6, 4)[: operator.dim], *SIZES[operator.dim]]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adjoint(name, dtype):
    operator = CASES[name]().to(dtype)
    for size in _sizes(operator):
        check_adjoint(operator, torch.randn(2, operator.in_features, *size, dtype=dtype))


@pytest.mark.parametrize("name", CASES)
def test_bounds(name):
    operator = CASES[name]().double()
    assert operator.norm_bound().dtype == operator.lower_bound().dtype == torch.float64
    for size in _sizes(operator):
        check_norm_bound(operator, size)
        check_row_bound(operator, size)
        check_lower_bound(operator, size)
    check_estimate(operator)
    check_fused(operator, torch.randn(example_shape(operator), dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "looseness"),
    [("blur-signed", 1.05), ("downsampling", 1.001), ("tomography", 1.001), ("fourier-all", 1.001)],
)
def test_bounds_are_tight(name, looseness):
    operator = CASES[name]().double()
    size = operator.image_size or (24,) * operator.dim
    largest = torch.linalg.svdvals(explicit_matrix(operator, size))[0]
    assert operator.norm_bound() <= looseness * largest


@pytest.mark.parametrize("check", LIFECYCLE)
@pytest.mark.parametrize("name", once_a_class(CASES))
def test_lifecycle(name, check):
    LIFECYCLE[check](CASES[name], torch.randn(example_shape(CASES[name]())))


@pytest.mark.parametrize("name", once_a_class(CASES))
def test_certificate(name):
    operator = CASES[name]()
    certificate = dx.certify(operator, torch.randn(example_shape(operator)), effort="quick")
    assert certificate.holds, str(certificate)
    assert len(claims_of(operator)) == 1


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name]().resolvent is not None])
def test_resolvent(name):
    operator = CASES[name]().double()
    u = torch.randn(example_shape(operator), dtype=torch.float64)
    b = u + 0.7 * operator.restore(operator(u), size=u.shape[2:])
    assert torch.allclose(operator.resolvent(b, gamma=0.7), u)
    assert operator.resolvent(b[:0].float(), gamma=0.7).dtype == torch.float32
