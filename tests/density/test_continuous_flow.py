"""Continuous flows against exact solutions, Jacobians, and their own finer discretisations."""

import contextlib
import math

import pytest
import torch
from torch import nn

from darboux.bijections import Chain, Inverse, LULinear
from darboux.certification import certify
from darboux.density import (
    ContinuousFlow,
    DiagonalNormal,
    NormalizingFlow,
    StandardNormal,
    TimeConditionedField,
)
from darboux.gradients import DriftWarning
from darboux.integrators import DormandPrince, Euler, Gauss, Kutta4, LeapfrogMidpoint
from tests.catalogue.density import BIJECTIONS

A = torch.tensor([[0.3, -1.2, 0.1], [0.9, -0.4, 0.5], [0.0, 0.2, 0.25]], dtype=torch.float64)


class Linear(nn.Module):
    """f(t, z) = w(t) A z."""

    def __init__(self, *, weight=lambda t: 1.0):
        super().__init__()
        self.a, self.weight = nn.Parameter(A.clone()), weight

    def forward(self, t, z):
        return self.weight(t) * z @ self.a.T


def network(inputs, outputs):
    layers = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs))
    return layers.double()


def learned(features=2, **options):
    return ContinuousFlow(
        TimeConditionedField(network(features + 1, features)), shape=features, **options
    )


METHODS = {
    "kutta4": (Kutta4(), 60, 1e-7),
    "gauss": (Gauss(3), 10, 1e-8),
    "dormand-prince": (DormandPrince(rtol=1e-10, atol=1e-12), None, 1e-8),
    "leapfrog": (LeapfrogMidpoint(), 400, 1e-4),
}


@pytest.mark.parametrize("method", METHODS)
def test_linear_field(method):
    integrator, steps, error = METHODS[method]
    flow = ContinuousFlow(Linear(), shape=3, integrator=integrator, steps=steps, horizon=2.0)
    x = torch.randn(5, 3, dtype=torch.float64)
    z, log_det = flow.forward_and_log_det(x)
    expected = x @ torch.linalg.matrix_exp(2.0 * A).T
    torch.testing.assert_close(z, expected, atol=error, rtol=0)
    # log|det e^(TA)| = T tr A, and a method integrates what does not depend on z exactly
    torch.testing.assert_close(log_det, (2 * A.trace()).expand(5), atol=1e-12, rtol=0)
    back, inverse = flow.inverse_and_log_det(z)
    torch.testing.assert_close(back, x, atol=error, rtol=0)
    torch.testing.assert_close(inverse, -log_det, atol=1e-12, rtol=0)


def test_time_runs_from_0_to_the_horizon():
    flow = ContinuousFlow(Linear(weight=lambda t: 3 * t**2), shape=3, horizon=2.0, steps=60)
    x = torch.randn(4, 3, dtype=torch.float64)
    z, log_det = flow.forward_and_log_det(x)  # ∫ 3t² dt = 8
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(8 * A).T, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(log_det, (8 * A.trace()).expand(4))
    torch.testing.assert_close(flow.inverse(z), x, atol=1e-3, rtol=1e-4)


def test_density_of_a_linear_flow():
    flow = NormalizingFlow(ContinuousFlow(Linear(), shape=3, steps=40), StandardNormal(3)).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    exponential = torch.linalg.matrix_exp(A)
    covariance = torch.linalg.inv(exponential.T @ exponential)
    exact = torch.distributions.MultivariateNormal(torch.zeros(3).double(), covariance)
    torch.testing.assert_close(flow.log_prob(x), exact.log_prob(x), atol=1e-6, rtol=0)
    drawn, log_prob = flow().rsample_and_log_prob((6,))
    torch.testing.assert_close(log_prob, exact.log_prob(drawn), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 2)])
def test_trace_is_that_of_the_jacobian(shape):
    """One step of Euler: the log-determinant is h times the trace at the start."""
    field = TimeConditionedField(
        network(3, 2) if shape == (2,) else nn.Conv2d(3, 2, 3, padding=1).double()
    )
    flow = ContinuousFlow(field, shape=shape, integrator=Euler(), steps=1)
    assert flow.trace == "exact"
    x = torch.randn(3, *shape, dtype=torch.float64)
    found = flow.transport(x)
    for k in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda v: field(0.0, v[None])[0], x[k])
        square = jacobian.reshape(x[k].numel(), -1)
        torch.testing.assert_close(found.log_det[k], square.trace())
        torch.testing.assert_close(found.jacobian_norm[k], square.square().sum())
    energy = field(0.0, x).square().flatten(1).sum(dim=1) / 2
    torch.testing.assert_close(found.kinetic, energy)


def test_log_determinant_converges_to_that_of_the_map():
    x = torch.randn(2, dtype=torch.float64)
    field = learned().field
    gaps = []
    for steps in (2, 4, 8):
        flow = ContinuousFlow(field, shape=2, steps=steps)
        jacobian = torch.autograd.functional.jacobian(lambda v, flow=flow: flow(v[None])[0], x)
        exact = torch.linalg.slogdet(jacobian)[1]
        gaps.append(float((flow.forward_and_log_det(x[None])[1].detach() - exact).abs()))
    assert gaps[2] < gaps[0] / 2**6  # order 4 would be 2**8


def test_estimated_trace_is_unbiased():
    field = learned(4).field
    rough = ContinuousFlow(field, shape=4, steps=2, trace="hutchinson")
    x = torch.randn(1, 4, dtype=torch.float64)
    with torch.no_grad():
        exact = ContinuousFlow(field, shape=4, steps=2, trace="exact").transport(x)
        found = rough.transport(x.expand(20_000, 4))
    for one, mean in ((found.log_det, exact.log_det), (found.jacobian_norm, exact.jacobian_norm)):
        spread = float(one.std()) / math.sqrt(len(one))
        assert spread > 0
        assert abs(float(one.mean() - mean)) < 4 * spread
    torch.testing.assert_close(found.z[:1], exact.z)
    torch.testing.assert_close(found.kinetic[:1], exact.kinetic)


def test_estimated_trace_keeps_its_probe_along_the_way():
    flow = ContinuousFlow(Linear(), shape=3, trace="hutchinson", horizon=2.0)
    x = torch.randn(2, 3, dtype=torch.float64)
    noise = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]], dtype=torch.float64)
    expected = 2 * torch.einsum("bi,ij,bj->b", noise, A, noise)
    torch.testing.assert_close(flow.transport(x, noise=noise).log_det, expected)


def test_trace_follows_the_size():
    images = TimeConditionedField(nn.Conv2d(2, 1, 1))
    assert ContinuousFlow(images, shape=(1, 4, 4)).trace == "exact"
    assert ContinuousFlow(images, shape=(1, 4, 5)).trace == "hutchinson"


@pytest.mark.parametrize("integrator", [Kutta4(), DormandPrince(rtol=1e-9, atol=1e-9)])
def test_gradients_are_those_of_the_discretised_loss(integrator):
    flow = learned(integrator=integrator, steps=3)
    x = torch.randn(4, 2, dtype=torch.float64)

    def loss(weight):
        named = {"field.network.2.weight": weight}
        found = torch.func.functional_call(flow, named, (x,))
        return found.sum()

    weight = flow.field.network[2].weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(loss, weight, atol=1e-6)

    log_det = flow.forward_and_log_det(x)[1]
    (found,) = torch.autograd.grad(log_det.sum(), flow.field.network[2].bias)
    assert bool(found.isfinite().all())
    assert bool(found.any())


@pytest.mark.long
def test_discretisation_error_sees_coarse_steps():
    field, x = learned().field, torch.randn(5, 2, dtype=torch.float64)
    coarse, fine = (ContinuousFlow(field, shape=2, steps=k, integrator=Euler()) for k in (2, 64))
    exact = ContinuousFlow(field, shape=2, integrator=DormandPrince(rtol=1e-11, atol=1e-12))
    for flow in (coarse, fine):
        # Euler has order 1: the difference to half the steps is about half of the error
        true = (flow.forward_and_log_det(x)[1] - exact.forward_and_log_det(x)[1]).abs()
        found = flow.discretisation_error(x)
        assert bool((true < 5 * found.log_det.max()).all())
        assert found.z.shape == found.log_det.shape == found.round_trip.shape == (5,)
    assert float(fine.discretisation_error(x).z.max()) < float(
        coarse.discretisation_error(x).z.max()
    )
    assert float(exact.discretisation_error(x).round_trip.max()) < 1e-8


def test_conditioned_density():
    field = TimeConditionedField(network(6, 2), context_features=3)
    flow = NormalizingFlow(ContinuousFlow(field, shape=2, steps=16), DiagonalNormal(2)).double()
    context = torch.randn(4, 3, dtype=torch.float64)
    x = torch.randn(5, 4, 2, dtype=torch.float64)
    together = flow(context).log_prob(x).detach()
    assert together.shape == (5, 4)
    for k in range(4):
        single = flow(context[k]).log_prob(x[:, k]).detach()
        torch.testing.assert_close(single, together[:, k])
    other = flow(context[1]).log_prob(x[:, 0]).detach()
    assert float((together[:, 0] - other).abs().max()) > 1e-3
    with pytest.raises(ValueError, match=r"expected a context \(5, 3\)"):
        flow.bijection(x[:, 0])


def test_image_contexts():
    field = TimeConditionedField(nn.Conv2d(4, 2, 1).double(), context_features=1)
    flow = ContinuousFlow(field, shape=(2, 3, 3), steps=2, trace="exact")
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    flat = torch.randn(2, 1, dtype=torch.float64)
    spread = flat[:, :, None, None].expand(2, 1, 3, 3)
    torch.testing.assert_close(flow(x, flat), flow(x, spread))


@pytest.mark.parametrize("memory", ["autograd", "checkpoint", "constant"])
def test_inside_a_chain(memory):
    torch.manual_seed(3)
    layers = [LULinear(2).double(), learned(steps=4), LULinear(2).double()]
    x = torch.randn(4, 2, dtype=torch.float64)
    z, log_det = Chain(layers, memory=memory).forward_and_log_det(x)
    drifts = pytest.warns(DriftWarning) if memory == "constant" else contextlib.nullcontext()
    with drifts:  # integrating back is no exact inverse: the chain sees it, and keeps checkpoints
        (z.sum() + log_det.sum()).backward()
    found = [p.grad.clone() for layer in layers for p in layer.parameters()]
    for layer in layers:
        layer.zero_grad()
    state, total = x, 0
    for layer in layers:
        state, part = layer.forward_and_log_det(state)
        total = total + part
    (state.sum() + total.sum()).backward()
    torch.testing.assert_close(log_det, total)
    for one, other in zip(found, [p.grad for a in layers for p in a.parameters()], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_claims_nothing_that_its_integrator_refutes():
    claims = learned().claims()
    assert not claims.claims
    assert "up to the error of the integrator" in claims.gaps[0].reason
    assert "trace of the ODE" in claims.gaps[1].reason
    assert "random probe" in learned(17).claims().gaps[2].reason


@pytest.mark.parametrize(("case", "found"), [("continuous", 0), ("continuous-symmetric", 1)])
def test_certificates_do_not_refute_it(case, found):
    flow = BIJECTIONS[case]()
    certificate = certify(flow, torch.randn(3, 2), effort="quick")
    assert len(flow.claims().claims) == found
    assert certificate.verdict == ("holds" if found else "undecided"), str(certificate)


@pytest.mark.parametrize("turned", [lambda flow: flow, Inverse])
def test_a_chain_takes_it_and_says_what_is_missing(turned):
    gaps = Chain([turned(learned())]).claims().gaps
    assert any("up to the error of the integrator" in gap.reason for gap in gaps)
