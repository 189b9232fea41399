"""What flows refuse, and how they say so."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from darboux.bijections import Chain, LULinear
from darboux.density import (
    ContinuousFlow,
    DiagonalNormal,
    LogitTransform,
    NormalizingFlow,
    StandardNormal,
    TimeConditionedField,
    dequantize,
    fit,
)
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


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_only_real_floating_point_numbers_have_a_density(dtype):
    x = torch.ones(3, 2).to(dtype)
    field = TimeConditionedField(nn.Linear(3, 2))
    continuous = ContinuousFlow(field, shape=2, steps=1)
    for call in (
        StandardNormal(2),
        DiagonalNormal(2).log_prob,
        NormalizingFlow(LULinear(2), StandardNormal(2)).log_prob,
        LogitTransform(),
        LogitTransform().inverse,
        continuous,
        continuous.forward_and_log_det,
        continuous.inverse,
        lambda x: field(0.5, x),
    ):
        with pytest.raises(TypeError, match=rf"real floating-point numbers; got a .* and {dtype}"):
            call(x)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: StandardNormal((2, 3)), r"shape to be a positive integer; got \(2, 3\)"),
        (
            lambda: NormalizingFlow(LULinear(2), StandardNormal),
            "got the class StandardNormal. Make",
        ),
        (lambda: NormalizingFlow(LULinear(2), shape=[2.5]), "shape to be a sequence"),
        (lambda: NormalizingFlow(LULinear(2), shape=2), r"got 2. Write \[2\]"),
        (lambda: LogitTransform("0.1"), "alpha to be a number of 0 or more, below 1/2; got '0.1'"),
        (lambda: TimeConditionedField(torch.tanh), "network to be a Module; got the function tanh"),
        (lambda: fit(NormalizingFlow, torch.ones(2, 1), steps=1), "got the class NormalizingFlow"),
        (lambda: dequantize([0, 1], 2), r"x to be a Tensor; got \[0, 1\]. Make it one by torch"),
        (lambda: dequantize(torch.tensor([0]), 2.0), "levels to be a number of levels from 2"),
    ],
)
def test_arguments_of_another_type(build, words):
    with pytest.raises(TypeError, match=rf"expected .*{words}"):
        build()
