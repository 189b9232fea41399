"""Rational-quadratic splines: against a peer, derivatives by hand, tails, and what is refused."""

import pytest
import torch
from torch import nn

from darboux.bijections import SplineCoupling
from darboux.bijections._rational_quadratic import Bins, evaluate, evaluate_fused
from darboux.bijections._spline_coupling import SplineLaw

LAWS = {
    "equal": SplineLaw(bins=Bins()),
    "few": SplineLaw(bins=Bins(count=2, tail=1.0)),
    "unequal": SplineLaw(bins=Bins(count=5, min_width=1e-2, min_height=3e-2, min_slope=0.1)),
}


def example(law, *, dtype=torch.float64, scale=1.5):
    channels, space = 3, (2, 4)
    x = (2 * torch.randn(5, channels, *space, dtype=dtype)).requires_grad_()
    raw = scale * torch.randn(5, law.parameters_per_feature * channels, *space, dtype=dtype)
    return x, raw.requires_grad_()


def plain(law, x, raw, *, inverse):
    """The same, with derivatives by PyTorch."""
    found = evaluate(law.bins, x, law.bins.rows(raw), inverse=inverse)
    return found.value, found.log_slope


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("used", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_derivatives_by_hand(law, used, inverse):
    x, raw = example(law)
    kept = [k for k in (0, 1) if used[k]]
    values = (law.inverse if inverse else law.forward)(x, raw)
    others = plain(law, x, raw, inverse=inverse)
    weights = [torch.randn_like(x) for _ in kept]
    found = torch.autograd.grad([values[k] for k in kept], (x, raw), weights)
    expected = torch.autograd.grad([others[k] for k in kept], (x, raw), weights)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9 * float(other.abs().max()))


@pytest.mark.parametrize("inverse", [False, True])
def test_second_derivatives(inverse):
    law = LAWS["unequal"]
    torch.manual_seed(0)
    x = torch.tensor([[-0.7, 1.3, 5.0]], dtype=torch.float64, requires_grad=True)
    raw = torch.randn(1, 3 * law.parameters_per_feature, dtype=torch.float64, requires_grad=True)
    function = law.inverse if inverse else law.forward
    assert torch.autograd.gradcheck(function, (x, raw))
    assert torch.autograd.gradgradcheck(function, (x, raw))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_retracing_is_inverse_and_backward(law):
    x, raw = example(law)
    y, slope = law.forward(x, raw)
    weights = torch.randn_like(x), torch.randn_like(x)
    for outputs, given in (((y, slope), weights), ((y,), weights[:1])):
        expected = torch.autograd.grad(outputs, (x, raw), given, retain_graph=True)
        rest = given[1] if len(given) == 2 else None
        with torch.no_grad():
            start, pull = law.retrace(y.detach().clone(), raw.detach())
            found = (start.clone(), *pull(given[0], rest))
        torch.testing.assert_close(found[0], x.detach(), rtol=1e-10, atol=1e-10)
        for one, other in zip(found[1:], expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9 * float(other.abs().max()))


@pytest.mark.parametrize("inverse", [False, True])
def test_against_nflows(inverse):
    peer = pytest.importorskip("nflows.transforms.splines.rational_quadratic")
    bins = Bins(count=6, tail=2.5, min_width=1e-2, min_height=2e-2, min_slope=5e-2)
    x, raw = example(SplineLaw(bins=bins), scale=2.0)
    rows = bins.rows(raw).movedim(0, -1)
    widths, heights, slopes = rows.split((6, 6, 5), dim=-1)
    expected = peer.unconstrained_rational_quadratic_spline(
        x,
        widths,
        heights,
        slopes + bins.offset,
        inverse=inverse,
        tail_bound=2.5,
        min_bin_width=1e-2,
        min_bin_height=2e-2,
        min_derivative=5e-2,
    )
    law = SplineLaw(bins=bins)
    found = law.inverse(x, raw) if inverse else law.forward(x, raw)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("place", [1e4, -1e4, 3.001, float("inf")])
def test_far_away_it_is_the_identity(place, dtype):
    law = LAWS["equal"]
    raw = (5 * torch.randn(4, 23, dtype=dtype)).requires_grad_()
    x = torch.full((4, 1), place, dtype=dtype, requires_grad=True)
    for function in (law.forward, law.inverse):
        y, slope = function(x, raw)
        back, found = torch.autograd.grad(y.sum() + slope.sum(), (x, raw))
        assert torch.equal(y, x)
        assert not slope.any()
        assert torch.equal(back, torch.ones_like(x))
        assert not found.any()


@pytest.mark.parametrize("place", [3.0, -3.0])
def test_slopes_are_continuous_at_the_border(place):
    law = LAWS["equal"]
    x = torch.full((4, 1), place, dtype=torch.float64)
    for function in (law.forward, law.inverse):
        y, slope = function(x, 3 * torch.randn(4, 23, dtype=torch.float64))
        torch.testing.assert_close(y, x, rtol=0, atol=1e-12)
        torch.testing.assert_close(slope, torch.zeros_like(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_parameters_stay_finite(dtype):
    law = LAWS["equal"]
    x, raw = example(law, dtype=dtype, scale=300.0)
    for function in (law.forward, law.inverse):
        y, slope = function(x, raw)
        found = torch.autograd.grad(y.sum() + slope.sum(), (x, raw))
        assert all(bool(value.isfinite().all()) for value in (y, slope, *found))


def test_nan_stays_nan():
    law = LAWS["few"]
    y, slope = law.forward(torch.full((1, 1), float("nan")), torch.zeros(1, 5))
    assert y.isnan().all()
    assert slope.isnan().all()


def test_it_increases_and_keeps_the_interval():
    law = LAWS["unequal"]
    x = torch.linspace(-4, 4, 2001, dtype=torch.float64)[:, None]
    raw = torch.randn(1, law.parameters_per_feature, dtype=torch.float64)
    y, slope = law.forward(x, raw.expand(2001, -1))
    assert bool((y.diff(dim=0) > 0).all())
    assert torch.equal(y[x.abs() > 3], x[x.abs() > 3])
    assert float(y[x.abs() <= 3].abs().max()) <= 3 + 1e-12
    differences = (y[2:] - y[:-2]) / (x[2:] - x[:-2])  # the slope is continuous
    torch.testing.assert_close(differences.log(), slope[1:-1], rtol=0, atol=0.1)


def test_saved_tensors_stay_as_they_were():
    """The backward pass may be repeated, and parameters are not edited."""
    law = LAWS["equal"]
    x, raw = example(law)
    before = raw.detach().clone()
    y, slope = law.forward(x, raw)
    twice = [
        torch.autograd.grad(y.sum() + slope.sum(), (x, raw), retain_graph=True) for _ in range(2)
    ]
    assert all(torch.equal(*pair) for pair in zip(*twice, strict=True))
    single = before[:1, :, :1, :1].contiguous()
    with torch.no_grad():
        law.forward(x[:1, :, :1, :1], single)
    assert torch.equal(single, before[:1, :, :1, :1])
    assert torch.equal(raw, before)


@pytest.mark.parametrize("inverse", [False, True])
def test_batches_of_gradients(inverse):
    law = LAWS["few"]
    x, raw = example(law)
    values = (law.inverse if inverse else law.forward)(x, raw)
    weights = [torch.randn(3, *x.shape, dtype=x.dtype) for _ in values]
    options = {"is_grads_batched": True, "retain_graph": True}
    found = torch.autograd.grad(values, (x, raw), weights, **options)
    for k in range(3):
        given = [weight[k] for weight in weights]
        expected = torch.autograd.grad(values, (x, raw), given, retain_graph=True)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[k], other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("transform", ["jvp", "hessian", "vmap of grad"])
def test_transforms(transform):
    layer = SplineCoupling(nn.Linear(1, 11), bins=4).double()
    x, v = torch.randn(2, 1, 2, dtype=torch.float64)

    def loss(z):
        y, log_det = layer.forward_and_log_det(z)
        return y.square().sum() + log_det.sum()

    if transform == "jvp":
        found = torch.func.jvp(loss, (x,), (v,))[1]
        expected = (torch.func.grad(loss)(x) * v).sum()
    elif transform == "hessian":
        found = torch.func.hessian(loss)(x)
        expected = torch.autograd.functional.hessian(loss, x)
    else:
        batch = torch.cat((x, v))
        found = torch.func.vmap(torch.func.grad(lambda z: loss(z[None])))(batch)
        leaf = batch.clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(leaf), leaf)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"bins": 1}, ValueError, "bins to be an integer of 2 or more"),
        ({"bins": True}, TypeError, "bins to be an integer of 2 or more"),
        ({"tail": 0.0}, ValueError, "tail to be a positive finite number"),
        ({"tail": float("inf")}, ValueError, "tail to be a positive finite number"),
        ({"min_width": 0.2}, ValueError, "min_width and min_height below 1/bins"),
        ({"min_height": 0.0}, ValueError, "min_height to be a number strictly between 0 and 1"),
        ({"min_slope": 1.0}, ValueError, "min_slope to be a number strictly between 0 and 1"),
    ],
)
def test_wrong_options(options, error, words):
    with pytest.raises(error, match=f"SplineCoupling: expected {words}"):
        SplineCoupling(nn.Identity(), **options)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_what_compilers_fuse_is_the_same(law, inverse):
    x, raw = example(law)
    values = evaluate_fused(law.bins, x, law.bins.rows(raw), inverse=inverse)
    others = plain(law, x, raw, inverse=inverse)
    weights = [torch.randn_like(x) for _ in values]
    found = torch.autograd.grad(values, (x, raw), weights)
    expected = torch.autograd.grad(others, (x, raw), weights)
    for one, other in zip((*values, *found), (*others, *expected), strict=True):
        torch.testing.assert_close(
            one, other, rtol=1e-8, atol=1e-9 * float(other.detach().abs().max())
        )


def test_transforms_within_a_compiler():
    torch.compiler.reset()
    layer, x = SplineCoupling(nn.Linear(2, 10), bins=2), torch.randn(3, 4)

    def slopes(x):
        return torch.func.grad(lambda v: layer.forward_and_log_det(v)[1].sum())(x)

    compiled = torch.compile(slopes, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), slopes(x))
