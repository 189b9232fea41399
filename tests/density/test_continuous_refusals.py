"""What continuous flows refuse."""

import math

import pytest
import torch
from torch import nn

from darboux.density import ContinuousFlow, TimeConditionedField
from darboux.integrators import (
    DormandPrince,
    Euler,
    GonzalezGradient,
    PostActivation,
    StormerVerlet,
)


def field(*layers):
    return TimeConditionedField(nn.Sequential(nn.Linear(3, 2), *layers))


@pytest.mark.parametrize(
    "integrator", [StormerVerlet(), GonzalezGradient(), PostActivation(Euler())]
)
def test_methods_that_want_more_than_values(integrator):
    with pytest.raises(TypeError, match="a method that solves any ODE"):
        ContinuousFlow(field(), shape=2, integrator=integrator)


def test_fields_that_mix_samples_or_are_random():
    with pytest.raises(TypeError, match=r"got BatchNorm1d at 'network\.1', which mixes"):
        ContinuousFlow(field(nn.BatchNorm1d(2)), shape=2)
    with pytest.raises(TypeError, match=r"got Dropout at 'network\.1', which is another field"):
        ContinuousFlow(field(nn.Dropout(0.1)), shape=2)
    with pytest.raises(TypeError, match="field to be a Module; got the function <lambda>"):
        ContinuousFlow(lambda t, z: z, shape=2)


class Attention(nn.Module):
    """Samples that look at each other, by no layer that says so."""

    def forward(self, t, z):
        return torch.softmax(z @ z.T, dim=1) @ z - z


class Noise(nn.Module):
    def forward(self, t, z):
        return torch.randn_like(z)


@pytest.mark.parametrize("trace", ["exact", "hutchinson"])
def test_fields_that_are_seen_to_mix_samples_or_to_be_random(trace):
    x = torch.randn(6, 2)
    for module, why in ((Attention(), "row 0 of it changes"), (Noise(), "evaluated again")):
        flow = ContinuousFlow(module, shape=2, steps=2, trace=trace)
        with pytest.raises(ValueError, match=rf"acts on every sample alone.*{why}"):
            flow.forward_and_log_det(x)
        with pytest.raises(ValueError, match=why):
            flow.inverse_and_log_det(x)
    flow = ContinuousFlow(Attention(), shape=2, integrator=DormandPrince())
    with pytest.raises(ValueError, match="row 0 of it changes"):
        flow(x)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_steps(steps):
    error = ValueError if type(steps) is int else TypeError
    with pytest.raises(error, match="steps to be a positive integer"):
        ContinuousFlow(field(), shape=2, steps=steps)


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.inf, math.nan])
def test_horizon(horizon):
    with pytest.raises(ValueError, match="horizon to be a positive finite number"):
        ContinuousFlow(field(), shape=2, horizon=horizon)


def test_names_and_shapes():
    with pytest.raises(ValueError, match="'auto' or 'exact' or 'hutchinson'; got 'skip'"):
        ContinuousFlow(field(), shape=2, trace="skip")
    with pytest.raises(TypeError, match="integrator to be an Integrator or None; got 'rk4'"):
        ContinuousFlow(field(), shape=2, integrator="rk4")
    with pytest.raises(ValueError, match="expected the sizes of a sample"):
        ContinuousFlow(field(), shape=())
    with pytest.raises(ValueError, match=r"expected \(batch, 2\); got \(5, 3\)"):
        ContinuousFlow(field(), shape=2)(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"of the shape of z, \(5, 3\); got \(5, 2\)"):
        ContinuousFlow(TimeConditionedField(nn.Linear(4, 2)), shape=3)(torch.zeros(5, 3))


def test_context_of_another_size():
    flow = ContinuousFlow(TimeConditionedField(nn.Linear(5, 2), context_features=2), shape=2)
    for context in (None, torch.zeros(5, 3), torch.zeros(4, 2), torch.zeros(5, 2, 7)):
        with pytest.raises(ValueError, match=r"expected a context \(5, 2\)"):
            flow(torch.zeros(5, 2), context)
