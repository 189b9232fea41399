"""What single activations promise, and how they fail."""

import copy
import math

import pytest
import torch

from darboux.activations import (
    Activation,
    Clip,
    GroupSort,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)
from darboux.structure import Averaged, Isometric, Kind, Lipschitz, claims_of, slopes_within
from darboux.testing import check_antiderivative, check_claims, check_slopes

STRUCTURES = {
    "relu": (ReLU(), {Averaged(0.5)}),
    "clip": (Clip(), {Averaged(0.5)}),
    "tanh": (Tanh(), {Averaged(0.5)}),
    "softplus": (Softplus(), {Averaged(0.5)}),
    "sigmoid": (Sigmoid(), {Averaged(0.5), Lipschitz(0.25)}),
    "identity": (Identity(), {Averaged(0.0), Isometric()}),
    "leaky": (LeakyReLU(slope=0.5), {Averaged(0.25)}),
    "leaky_negative": (LeakyReLU(slope=-0.5), {Averaged(0.75)}),
    "leaky_reflecting": (LeakyReLU(slope=-1.0), {Lipschitz(1.0)}),
    "leaky_steep": (LeakyReLU(slope=3.0), {Lipschitz(3.0)}),
    "group_sort": (GroupSort(), {Lipschitz(1.0)}),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_claims_are_the_strongest_that_the_slopes_prove(name):
    activation, expected = STRUCTURES[name]
    claims = claims_of(activation)
    assert {claim.structure for claim in claims} == expected
    assert {claim.kind for claim in claims} == {Kind.CONSTRUCTION}
    for claim in claims:
        assert all(premise.condition == slopes_within for premise in claim.premises)
        assert bool(claim.premises) == activation.separable


class Overclaiming(Activation):
    """Slopes reach 1.2 and are claimed to be at most 1; γ jumps at 1."""

    def forward(self, x):
        return 1.2 * torch.relu(x)

    def slopes(self):
        return (0.0, 1.0)

    def antiderivative(self, x):
        return 0.6 * torch.relu(x).square() + 0.1 * (x > 1)


class Underclaiming(Activation):
    """A true slope range that is not sharp."""

    def forward(self, x):
        return torch.relu(x)

    def slopes(self):
        return (-0.5, 1.0)

    def antiderivative(self, x):
        return 0.5 * x.square()


def test_check_slopes_refutes_a_range_that_is_too_small():
    with pytest.raises(AssertionError, match="above 1"):
        check_slopes(Overclaiming())


def test_check_slopes_refutes_a_range_that_is_not_sharp():
    with pytest.raises(AssertionError, match="not sharp"):
        check_slopes(Underclaiming())


def test_check_claims_refutes_a_wrong_claim():
    with pytest.raises(AssertionError, match="refuted"):
        check_claims(Overclaiming())


def test_check_antiderivative_sees_a_jump():
    with pytest.raises(AssertionError, match="integral"):
        check_antiderivative(Overclaiming())


def test_check_antiderivative_sees_another_slope():
    with pytest.raises(AssertionError, match="γ' differs"):
        check_antiderivative(Underclaiming())


@pytest.mark.parametrize("threshold", [0.01, 1.0, 50.0])
def test_clip_equals_min_of_max(threshold):
    x = 20 * torch.randn(3, 4, 5, 6, dtype=torch.float64)
    clip = Clip(threshold=threshold).double()
    level = float(clip.threshold.detach())
    torch.testing.assert_close(clip(x), x.clamp(-level, level), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("stored", [torch.float32, torch.float64])
@pytest.mark.parametrize("log", [-1e4, -200.0, -100.0, -12.0, 12.0, 100.0, 200.0, 1e4])
def test_clip_at_extreme_thresholds_is_a_number(log, stored, dtype):
    clip = Clip().to(stored)
    with torch.no_grad():
        clip.log_threshold.fill_(log)
    x = torch.tensor([-1e4, -1.0, -1e-3, 0.0, 1e-3, 1.0, 1e4], dtype=dtype, requires_grad=True)
    y = clip(x)
    assert (y.detach() * x.detach() >= 0).all()
    if log > 0:
        torch.testing.assert_close(
            y, x.detach().clone(), rtol=8 * torch.finfo(dtype).eps, atol=1e-3
        )
    else:
        assert y.abs().max() <= 1.1 * math.exp(max(log, -9.6))
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert clip.log_threshold.grad.isfinite()
    assert clip.threshold.isfinite()


def test_clip_gradient_of_the_threshold_counts_signs_outside():
    clip = Clip(2, dim=0, threshold=1.0).double()
    x = torch.tensor([[2.0, 0.5], [3.0, -2.0], [-5.0, 0.1]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(clip(x).sum(), clip.log_threshold)
    torch.testing.assert_close(gradient, torch.tensor([1.0, -1.0], dtype=torch.float64))


def test_clip_threshold_stays_positive_under_a_huge_step():
    clip = Clip(threshold=0.5)
    with torch.no_grad():
        clip.log_threshold -= 20
    assert 0 < float(clip.threshold.detach()) < 1e-8


@pytest.mark.parametrize(
    ("shape", "dim"),
    [((2, 3), 0), ((2, 3, 5), 1), ((2, 3, 5, 6), 2), ((2, 3, 5, 6, 7), 3), ((3, 5, 6), 2)],
    ids=["dense", "1d", "2d", "3d", "no_batch"],
)
def test_clip_has_one_threshold_for_each_channel(shape, dim):
    clip = Clip(3, dim=dim)
    with torch.no_grad():
        clip.log_threshold.copy_(torch.tensor([0.1, 1.0, 10.0]).log().reshape(3, *(1,) * dim))
    level = clip(torch.full(shape, 1e3)).detach().movedim(-1 - dim, 0).flatten(1)
    torch.testing.assert_close(level, torch.tensor([[0.1], [1.0], [10.0]]).expand_as(level))


def test_shared_instance_shares_thresholds_and_a_copy_does_not():
    clip = Clip()
    shared, twin = clip, copy.deepcopy(clip)
    with torch.no_grad():
        clip.log_threshold += 1
    assert math.isclose(float(shared.threshold.detach()), math.e, rel_tol=1e-6)
    assert float(twin.threshold.detach()) == 1.0


@pytest.mark.parametrize("group", [2, 3, 6])
def test_group_sort_sorts_each_group(group):
    x = torch.randn(5, 12, 3, 4)
    expected = torch.cat([part.sort(dim=1).values for part in x.split(group, dim=1)], dim=1)
    assert torch.equal(GroupSort(group=group)(x), expected)


def test_group_sort_slopes_are_sharp_as_a_quadratic_form():
    x = torch.tensor([[1.0, -1.0], [1.0, 2.0]])
    inner = (GroupSort()(x) * x).sum(1) / x.square().sum(1)
    assert tuple(inner.tolist()) == GroupSort().slopes()


def test_group_sort_antiderivative_says_why_there_is_none():
    with pytest.raises(TypeError, match="mixes the entries of a group, so no γ"):
        GroupSort().antiderivative(torch.zeros(1, 2))


REFUSED = {
    "leaky_nan": (lambda: LeakyReLU(slope=math.nan), "slope to be a finite number; got nan"),
    "softplus_zero": (lambda: Softplus(beta=0.0), "beta to be a positive finite number; got 0"),
    "softplus_inf": (
        lambda: Softplus(beta=math.inf),
        "beta to be a positive finite number; got inf",
    ),
    "clip_threshold": (
        lambda: Clip(threshold=-1.0),
        "threshold to be a positive finite number; got -1",
    ),
    "clip_nan": (
        lambda: Clip(threshold=math.nan),
        "threshold to be a positive finite number; got nan",
    ),
    "clip_channels": (lambda: Clip(0), "channels to be a positive integer or None; got 0"),
    "clip_dim": (lambda: Clip(3, dim=-1), "dim to be an integer from 0 to 60; got -1"),
    "clip_input": (
        lambda: Clip(3)(torch.zeros(1, 4, 2, 2)),
        r"Expected 3 channels.*\(1, 4, 2, 2\)",
    ),
    "clip_flat": (lambda: Clip(3, dim=2)(torch.zeros(3, 3)), r"2 spatial axes; got shape \(3, 3\)"),
    "group": (lambda: GroupSort(group=1), "group to be an integer of 2 or more.*; got 1"),
    "group_odd": (lambda: GroupSort()(torch.zeros(1, 3)), r"a multiple of 2; got shape \(1, 3\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_was_expected_and_what_came(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_nan_stays_nan():
    x = torch.full((1, 2), math.nan)
    for name, (activation, _) in STRUCTURES.items():
        assert activation(x).isnan().all(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_tanh_is_tanh_to_rounding(dtype):
    size = torch.logspace(-12, 3, 400, dtype=dtype)
    x = torch.cat([-size, torch.zeros(1, dtype=dtype), size]).requires_grad_()
    value = torch.compile(Tanh(), backend="aot_eager", fullgraph=True)(x)
    exact = torch.tanh(x.detach().double())
    eps = torch.finfo(dtype).eps
    assert ((value - exact).abs() <= 4 * eps * exact.abs()).all()
    assert value.detach().abs().max() <= 1
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert ((slope - (1 - exact.square())).abs() <= 8 * eps).all()
