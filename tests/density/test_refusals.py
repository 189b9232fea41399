"""What flows refuse, and how they say so."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from darboux.bijections import Chain, LULinear
from darboux.density import DiagonalNormal, NormalizingFlow, StandardNormal
from tests.density.maps import Shifted


def flow(*, conditioned=False):
    return NormalizingFlow(Shifted(2, conditioned=conditioned), StandardNormal(2))


@pytest.mark.parametrize("shape", [(3,), (4, 3), ()])
def test_samples_of_another_size(shape):
    with pytest.raises(ValueError, match=r"expected x of shape \(\.\.\., 2\); got"):
        flow()().log_prob(torch.zeros(shape))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(bad):
    x = torch.tensor([[0.0, bad], [1.0, 1.0]])
    with pytest.raises(ValueError, match="x with finite entries; got 1 of 4"):
        flow().log_prob(x)
    with pytest.raises(ValueError, match="a context with finite entries; got 1 of 4"):
        flow(conditioned=True)(x)
    assert flow()(validate_args=False).log_prob(x).shape == (2,)


def test_contexts():
    with pytest.raises(ValueError, match=r"expected a context \(\.\.\., 2\); got none"):
        flow(conditioned=True)()
    with pytest.raises(
        ValueError, match=r"expected a context of shape \(\.\.\., 2\); got \(5, 3\)"
    ):
        flow(conditioned=True)(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"expected no context; got shape \(5, 2\)"):
        flow()(torch.zeros(5, 2))
    layers = [Shifted(2, conditioned=True), Shifted(3, conditioned=True)]
    with pytest.raises(ValueError, match="one context for all layers"):
        Chain(layers)
    other = Shifted(2, conditioned=True)
    other.inner = layers[1]  # what is no chain may hold anything
    with pytest.raises(ValueError, match="share one context"):
        NormalizingFlow(other, StandardNormal(2))


def test_what_is_no_bijection_or_no_base():
    with pytest.raises(TypeError, match="forward_and_log_det"):
        NormalizingFlow(nn.Linear(2, 2), StandardNormal(2))
    with pytest.raises(TypeError, match="base to be a Base or None; got a Normal"):
        NormalizingFlow(LULinear(2), Normal(0, 1))
    with pytest.raises(ValueError, match="a base or the shape of a sample"):
        NormalizingFlow(LULinear(2))


@pytest.mark.parametrize("base", [StandardNormal, DiagonalNormal])
def test_bases(base):
    with pytest.raises(ValueError, match="expected a size for each axis of a sample; got none"):
        base()
    with pytest.raises(ValueError, match="shape to be a positive integer; got 0"):
        base(2, 0)
    with pytest.raises(ValueError, match=r"expected z of shape \(batch, 2\); got \(5, 3\)"):
        base(2).log_prob(torch.zeros(5, 3))


class Summed(nn.Module):
    """Returns the log-determinant of the whole batch, which would broadcast unnoticed."""

    def forward_and_log_det(self, x, context=None):
        return x, x.sum()

    def inverse_and_log_det(self, y, context=None):
        return y, y.sum()

    def inverse(self, y, context=None):
        return y


def test_log_determinants_of_a_batch():
    lost = NormalizingFlow(Summed(), StandardNormal(2))
    with pytest.raises(ValueError, match=r"log-determinants of shape \(5,\)"):
        lost.log_prob(torch.zeros(5, 2))
    with pytest.raises(ValueError, match=r"log-determinants of shape \(5,\)"):
        lost().rsample_and_log_prob((5,))
