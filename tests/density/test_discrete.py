"""Dequantised data, the logit map, and bits per dimension."""

import math

import pytest
import torch

from darboux.density import (
    LogitTransform,
    NormalizingFlow,
    StandardNormal,
    bits_per_dimension,
    dequantize,
    quantize,
)
from darboux.testing import check_log_det, check_round_trip, check_undo


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 17, 255, 256, 65536])
def test_levels_come_back(levels, dtype):
    x = torch.arange(levels).repeat(200_000 // levels + 1)
    y = dequantize(x, levels, dtype=dtype)
    assert y.dtype == dtype
    assert bool(((y >= 0) & (y < 1)).all())
    assert torch.equal(quantize(y, levels), x)


class Ends:
    """A stand-in for the noise: as close to 0 or 1 as it comes."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, **options):
        return torch.full(shape, self.value, dtype=torch.float64)


@pytest.mark.parametrize("levels", [3, 17, 256, 1000])
@pytest.mark.parametrize("noise", [0.0, 1 - 2**-53])
def test_levels_come_back_from_the_borders_of_cells(levels, noise, monkeypatch):
    monkeypatch.setattr(torch, "rand", Ends(noise))
    x = torch.arange(levels)
    assert torch.equal(quantize(dequantize(x, levels), levels), x)


def test_noise_is_uniform():
    y = dequantize(torch.full((20_000,), 3), 17, generator=torch.Generator().manual_seed(0))
    u = y.double() * 17 - 3
    assert abs(float(u.mean()) - 0.5) < 0.01
    assert abs(float(u.var()) - 1 / 12) < 0.005


def test_uniform_density_costs_log2_of_the_levels():
    assert bits_per_dimension(0.0, dimensions=64, levels=17) == math.log2(17)
    assert round(math.log2(17), 2) == 4.09


def test_a_histogram_costs_its_entropy():
    # the density that is constant in every cell has exactly the bits of its probabilities
    weights = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    data = torch.tensor([0] * 4 + [1] * 2 + [2, 3])
    y = dequantize(data, 4)
    density = weights[quantize(y, 4)] * 4
    found = bits_per_dimension(-density.log().mean(), dimensions=1, levels=4)
    torch.testing.assert_close(found, torch.tensor(1.75, dtype=torch.float64))


@pytest.mark.parametrize("alpha", [0.0, 0.05, 1e-6])
def test_logit_is_a_bijection(alpha):
    x = torch.rand(4, 3, dtype=torch.float64).clamp(0.01, 0.99)
    layer = LogitTransform(alpha)
    check_round_trip(layer, x)
    check_log_det(layer, x)
    check_undo(layer, x)


def test_logit_close_to_the_ends():
    x = torch.tensor([[1e-30, 0.5, 1 - 2**-24]])
    y, log_det = LogitTransform(0.0).forward_and_log_det(x)
    wide = x.double()
    expected = wide.log() - (1 - wide).log()
    torch.testing.assert_close(y.double(), expected, rtol=1e-6, atol=1e-6)
    assert bool(log_det.isfinite().all())
    x, log_det = LogitTransform().inverse_and_log_det(torch.tensor([[-1e4, 1e4]]))
    assert bool(x.isfinite().all() and log_det.isfinite().all())


def test_logit_flow_integrates_to_one_on_its_domain():
    alpha = 0.05
    reach = alpha / (1 - 2 * alpha)
    flow = NormalizingFlow(LogitTransform(alpha), StandardNormal(1)).double()
    x = torch.linspace(-reach, 1 + reach, 20_001, dtype=torch.float64)[1:-1]
    p = flow.log_prob(x.unsqueeze(1)).exp()
    assert math.isclose(torch.trapezoid(p, x), 1, abs_tol=1e-6)
    inside = (x >= 0) & (x <= 1)
    assert torch.trapezoid(p[inside], x[inside]) < 1


def test_refusals():
    with pytest.raises(ValueError, match=r"expected -0\.0555556 < x < 1\.05556; got values"):
        LogitTransform()(torch.tensor([[0.5, 1.2]]))
    with pytest.raises(ValueError, match=r"expected 0 < x < 1; got values from 0 to 0\.5"):
        LogitTransform(0.0)(torch.tensor([[0.5, 0.0]]))
    with pytest.raises(ValueError, match="alpha to be a number of 0 or more, below 1/2"):
        LogitTransform(0.5)
    for bad in (torch.tensor([0, 17]), torch.tensor([-1]), torch.tensor([0.5])):
        with pytest.raises(ValueError, match=r"whole numbers 0, \.\.\., 16"):
            dequantize(bad, 17)
    with pytest.raises(ValueError, match="float32 or float64"):
        dequantize(torch.tensor([0]), 2, dtype=torch.float16)
    for levels in (1, 2**24):
        with pytest.raises(ValueError, match="levels to be a number of levels from 2 to 8388608"):
            dequantize(torch.tensor([0]), levels)
    with pytest.raises(ValueError, match="got nan"):
        quantize(torch.tensor([float("nan")]), 2)
    with pytest.raises(ValueError, match="dimensions to be a positive integer"):
        bits_per_dimension(1.0, dimensions=0, levels=2)
