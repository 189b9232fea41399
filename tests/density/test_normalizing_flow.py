"""Densities of flows against integrals, samples and closed formulas."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch.distributions import AffineTransform, Independent, Normal, TransformedDistribution

from darboux.bijections import Chain, LULinear, PixelShuffle
from darboux.density import DiagonalNormal, LogitTransform, NormalizingFlow, StandardNormal
from tests.density.maps import Shifted, SinhArcsinh


def skewed(features):
    """A flow in float64 that is no normal density."""
    layers = [SinhArcsinh(), LULinear(features), SinhArcsinh(0.9, -0.3)]
    return NormalizingFlow(Chain(layers), StandardNormal(features)).double()


def affine(features, *, conditioned=False):
    flow = NormalizingFlow(Shifted(features, conditioned=conditioned), StandardNormal(features))
    return flow.double()


def normal_of(flow, context=None):
    """The same distribution by torch.distributions: x = z/a + b + c."""
    part = flow.bijection
    shift = part.b.detach() if context is None else part.b.detach() + context
    zero, one = torch.zeros_like(shift), torch.ones_like(shift)
    base = Independent(Normal(zero, one), 1)
    return TransformedDistribution(base, AffineTransform(shift, (-part.log_a).exp().detach(), 1))


def rule(n):
    """Points x = sinh(s) and weights: the trapezoidal rule in s, which converges at once."""
    s = torch.linspace(-8, 8, n, dtype=torch.float64)
    return s.sinh(), s.cosh() * (s[1] - s[0])


def test_integrates_to_one_on_the_line():
    x, weights = rule(401)
    p = skewed(1)().log_prob(x.unsqueeze(1)).exp().detach()
    assert math.isclose(weights @ p, 1, abs_tol=1e-10)


def test_integrates_to_one_in_the_plane():
    line, weights = rule(401)
    grid = torch.cartesian_prod(line, line)
    p = skewed(2)().log_prob(grid).exp().detach().reshape(401, 401)
    assert math.isclose(weights @ p @ weights, 1, abs_tol=1e-8)


def test_samples_follow_the_density():
    p = skewed(1)()
    grid = torch.linspace(-10, 10, 4001, dtype=torch.float64).sinh()
    density = p.log_prob(grid.unsqueeze(1)).exp().detach()
    cumulated = np.concatenate([[0.0], torch.cumulative_trapezoid(density, grid).numpy()])
    drawn = p.sample((4000,))[:, 0].numpy()
    found = scipy.stats.kstest(drawn, lambda x: np.interp(x, grid.numpy(), cumulated))
    assert found.pvalue > 1e-3


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_samples_with_their_densities(shape):
    p = skewed(2)()
    x, log_prob = p.rsample_and_log_prob(shape)
    assert x.shape == (*shape, 2)
    assert log_prob.shape == shape
    torch.testing.assert_close(log_prob, p.log_prob(x))


def test_samples_cost_no_determinants():
    class Undetermined(Shifted):
        def inverse(self, y, context=None):
            return super().inverse_and_log_det(y, context)[0]

        def inverse_and_log_det(self, y, context=None):
            raise AssertionError

    p = NormalizingFlow(Undetermined(3), StandardNormal(3))()
    x = p.sample((5,), generator=torch.Generator().manual_seed(0))
    z = StandardNormal(3).sample(5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(p.transform(x), z)
    torch.testing.assert_close(p.transform.inv(z), x, check_dtype=False)


def test_samples_have_gradients_only_where_they_should():
    flow = affine(2)
    generator = torch.Generator().manual_seed(1)
    x = flow().rsample((7,), generator=generator)
    found = torch.autograd.grad(x.sum(dim=0)[1], [flow.bijection.b, flow.bijection.log_a])
    torch.testing.assert_close(found[0], torch.tensor([0.0, 7.0], dtype=torch.float64))
    # x = b + z exp(-log a), so ∂x/∂ log a = b - x
    slope = (flow.bijection.b - x).detach().sum(dim=0)[1]
    torch.testing.assert_close(found[1][1], slope)
    assert not flow().sample((7,)).requires_grad


def test_a_generator_repeats_samples():
    p = skewed(2)()
    one, two = (p.sample((3,), generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    state = torch.get_rng_state()
    p.sample((3,), generator=torch.Generator().manual_seed(5))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_shapes_are_those_of_torch(lead):
    flow = affine(2)
    p, q = flow(), normal_of(flow)
    assert (p.batch_shape, p.event_shape) == (q.batch_shape, q.event_shape)
    x = torch.randn(*lead, 2, dtype=torch.float64)
    torch.testing.assert_close(p.log_prob(x), q.log_prob(x))
    assert p.sample(lead).shape == q.sample(lead).shape


@pytest.mark.parametrize("lead", [(2,), (5,), (5, 1), (1, 1), (4, 5)])
@pytest.mark.parametrize("batch", [(5,), (3, 5), ()])
def test_contexts_make_batches_as_those_of_torch(lead, batch):
    flow = affine(2, conditioned=True)
    context = torch.randn(*batch, 2, dtype=torch.float64)
    p, q = flow(context), normal_of(flow, context)
    assert (p.batch_shape, p.event_shape) == (q.batch_shape, q.event_shape)
    x = torch.randn(*lead, 2, dtype=torch.float64)
    try:
        expected = q.log_prob(x)
    except (ValueError, RuntimeError):
        with pytest.raises(ValueError, match="one sample for each of the contexts"):
            p.log_prob(x)
        return
    torch.testing.assert_close(p.log_prob(x), expected)
    assert p.sample((7,)).shape == q.sample((7,)).shape == (7, *batch, 2)
    drawn, log_prob = p.rsample_and_log_prob((7,))
    torch.testing.assert_close(log_prob, q.log_prob(drawn))


def test_expanded():
    flow = affine(2, conditioned=True)
    context = torch.randn(5, 2, dtype=torch.float64)
    p, q = flow(context).expand((3, 5)), normal_of(flow, context).expand((3, 5))
    x = torch.randn(4, 3, 5, 2, dtype=torch.float64)
    assert p.batch_shape == q.batch_shape == (3, 5)
    torch.testing.assert_close(p.log_prob(x), q.log_prob(x))
    assert affine(2)().expand((4,)).sample((2,)).shape == (2, 4, 2)


def test_transform_pushes_the_base_forward():
    flow = skewed(2)
    p = flow()
    base = Independent(Normal(torch.zeros(2).double(), torch.ones(2).double()), 1)
    pushed = TransformedDistribution(base, [p.transform.inv])
    x = p.sample((6,))
    torch.testing.assert_close(pushed.log_prob(x), p.log_prob(x))
    z, log_det = p.transform.call_and_ladj(x)
    torch.testing.assert_close(p.transform.inv(z), x)
    torch.testing.assert_close(p.transform.inv.log_abs_det_jacobian(z, x), -log_det)


def test_latent_of_another_shape():
    flow = NormalizingFlow(PixelShuffle(dim=2), StandardNormal(4, 2, 2), shape=(1, 4, 4))
    p = flow()
    assert p.event_shape == (1, 4, 4)
    x = p.sample((3,))
    assert x.shape == (3, 1, 4, 4)
    expected = Normal(0, 1).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(p.log_prob(x), expected)
    assert p.transform.forward_shape(x.shape) == (3, 4, 2, 2)
    assert p.transform.inverse_shape((3, 4, 2, 2)) == x.shape
    with pytest.raises(ValueError, match=r"φ⁻¹\(z\) as one tensor \(3, 4, 2, 2\).*give shape="):
        NormalizingFlow(PixelShuffle(dim=2), StandardNormal(4, 2, 2))().sample((3,))
    with pytest.raises(ValueError, match=r"φ\(x\) as one tensor \(3, 1, 4, 4\).*the base"):
        NormalizingFlow(PixelShuffle(dim=2), StandardNormal(1, 4, 4)).log_prob(x)


def test_loss_is_the_mean_in_nats():
    flow = affine(2, conditioned=True)
    x, context = torch.randn(2, 5, 2, dtype=torch.float64)
    expected = -normal_of(flow, context).log_prob(x).mean()
    torch.testing.assert_close(flow.negative_log_likelihood(x, context), expected)


def test_diagonal_base():
    base = DiagonalNormal(3).double()
    with torch.no_grad():
        base.mean.copy_(torch.tensor([1.0, -2.0, 0.5]))
        base.log_scale.copy_(torch.tensor([0.3, -1.0, 0.0]))
    q = Independent(Normal(base.mean, base.log_scale.exp()), 1)
    z = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(base.log_prob(z), q.log_prob(z))
    drawn = base.sample(20000)
    torch.testing.assert_close(drawn.mean(dim=0), base.mean, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(dim=0), base.log_scale.exp(), atol=0.05, rtol=0)


def test_support_is_that_of_the_first_layer():
    flow = NormalizingFlow(Chain([LogitTransform(0.0), LULinear(2)]), StandardNormal(2))
    p = flow()
    drawn = p.sample((50,))
    assert bool(p.support.check(drawn).all())
    assert not bool(p.support.check(drawn + 1).any())
    with pytest.raises(ValueError, match="in the support"):
        p.log_prob(drawn + 1)


def test_an_empty_batch():
    assert skewed(2)().log_prob(torch.zeros(0, 2, dtype=torch.float64)).shape == (0,)
    assert skewed(2)().sample((0,)).shape == (0, 2)
