"""Every linear map of the catalogue keeps what it reports."""

import math

import pytest
import torch
from torch.nn.utils import parametrize

from darboux.linear import Lift
from darboux.structure import claims_of
from darboux.testing import (
    LIFECYCLE,
    check_adjoint,
    check_estimate,
    check_fused,
    check_lower_bound,
    check_norm_bound,
    check_row_bound,
    check_symbol,
)
from tests.catalogue.linear import CASES, example_shape
from tests.lifecycles import lifecycle_cases

SIZES = {0: [()], 1: [(1,), (2,), (7,)], 2: [(1, 2), (4, 5)], 3: [(1, 2, 2), (3, 4, 2)]}
CIRCULAR = [
    name
    for name in CASES
    if not any(word in name for word in ("zeros", "product", "mixed", "lift", "composed-one"))
    or name == "conv2d-pointwise"
]


def _sizes(linear):
    """Sizes of images; those of a lift must be divided by its shuffle to be one map."""
    if any(isinstance(part, Lift) and part.shuffle > 1 for part in linear.modules()):
        return [(2,) * linear.dim, (4, 2, 2)[: linear.dim]]
    return SIZES[linear.dim]


@pytest.mark.parametrize("name", CASES)
def test_adjoint(name):
    linear = CASES[name]()
    check_adjoint(linear, torch.randn(example_shape(linear)))
    linear = linear.double()
    for size in _sizes(linear):
        check_adjoint(linear, torch.randn(2, linear.in_features, *size, dtype=torch.float64))


@pytest.mark.parametrize("name", CASES)
def test_bounds(name):
    linear = CASES[name]().double()
    for size in _sizes(linear):
        check_norm_bound(linear, size)
        check_row_bound(linear, size)
        check_lower_bound(linear, size)


@pytest.mark.parametrize("name", CIRCULAR)
def test_symbol(name):
    check_symbol(CASES[name]().double(), 3)


@pytest.mark.parametrize("name", CASES)
def test_fused(name):
    linear = CASES[name]()
    check_fused(linear, torch.randn(example_shape(linear)))


@pytest.mark.parametrize("name", CASES)
def test_estimate(name):
    check_estimate(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_claims_something(name):
    claims = claims_of(CASES[name]())
    assert len(claims) == 1
    assert not claims.gaps


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check):
    linear = CASES[name]()
    if check == "pickle" and any(parametrize.is_parametrized(m) for m in linear.modules()):
        with pytest.raises(AssertionError, match="does not pickle"):
            LIFECYCLE[check](CASES[name], torch.randn(example_shape(linear)))
        return
    LIFECYCLE[check](CASES[name], torch.randn(example_shape(linear)))


@pytest.mark.parametrize("name", CASES)
def test_nan_stays_nan(name):
    linear = CASES[name]()
    for channel in range(linear.in_features):
        x = torch.randn(example_shape(linear))[:1].expand(2, *(-1,) * (linear.dim + 1)).clone()
        x[0, channel].view(-1)[0] = math.nan
        y = linear(x)
        assert y[0].isnan().any(), f"channel {channel} is swallowed"
        assert y[1].isfinite().all()


def _says_so(call):
    """Whether a value is NaN, or its computation refused by name."""
    try:
        return bool(call().isnan().any())
    except (ValueError, RuntimeError) as error:
        return "finite" in str(error)


@pytest.mark.parametrize("name", CASES)
def test_nan_in_a_parameter_stays_or_is_refused(name):
    linear, x = CASES[name](), torch.randn(example_shape(CASES[name]()))
    for parameter in linear.parameters():
        with torch.no_grad():
            parameter.view(-1)[0] = math.nan
        assert _says_so(lambda: linear(x))
        if not isinstance(linear, Lift):  # which has the norm 1 by construction
            assert _says_so(linear.norm_bound)
            assert _says_so(linear.row_bound)
