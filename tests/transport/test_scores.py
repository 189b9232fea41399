"""Pairings, distances and transport scores against brute force and closed forms."""

import math
from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from darboux.transport import (
    sliced_wasserstein_distance,
    transport_score,
    wasserstein_distance,
)

DOUBLE = torch.float64


def costs_of_all(x, y):
    """Return Σ ‖x_i - y_σ(i)‖² of every permutation."""
    order = torch.tensor(list(permutations(range(len(x)))))
    return (x[None] - y[order]).square().sum(dim=(1, 2)), order


def rotation(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s], [-s, c]], dtype=DOUBLE)


@pytest.mark.parametrize("seed", range(5))
def test_eight_points_against_brute_force(seed):
    torch.manual_seed(seed)
    x, y = torch.randn(2, 8, 3, dtype=DOUBLE)
    y = x + y  # neither optimal nor random
    costs, order = costs_of_all(x, y)
    best = int(costs.argmin())
    assert_close(wasserstein_distance(x, y), (costs[best] / 8).sqrt())
    found, own = transport_score(x, y), costs[0]
    assert found.cost == pytest.approx(float(costs[best] / own), rel=1e-12)
    assert found.match == float((order[best] == torch.arange(8)).double().mean())
    mean = costs.mean()
    assert found.gain == pytest.approx(float((mean - own) / (mean - costs[best])), rel=1e-10)
    assert found.displacement == pytest.approx(float((own / 8).sqrt()))
    apart = torch.cdist(x, x).fill_diagonal_(math.inf)
    assert found.spacing == pytest.approx(float(apart.amin(dim=1).median()))


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE, torch.float16])
@pytest.mark.parametrize(
    "gradient",
    [
        lambda x: 3 * x + x.relu(),
        lambda x: x @ torch.tensor([[2.0, 1.0], [1.0, 3.0]]).to(x) + 5,
        lambda x: x * (1 + x.square().sum(dim=1, keepdim=True)),
        lambda x: x.softmax(dim=1),  # the gradient of logsumexp
        lambda x: torch.zeros_like(x) + 2,  # everything to one place
    ],
    ids=["kinks", "matrix", "quartic", "softmax", "constant"],
)
def test_gradients_of_convex_functions_have_one(gradient, dtype):
    x = torch.randn(300, 2, dtype=DOUBLE).to(dtype)
    found = transport_score(x, gradient(x))
    assert (found.cost, found.match, found.gain) == (1, 1, 1)


@pytest.mark.parametrize("angle", [1.6, 2.0, 3.0, -1.7])
@pytest.mark.parametrize("count", [2, 50])
def test_turns_by_more_than_a_quarter_have_less(angle, count):
    x = torch.randn(count, 2, dtype=DOUBLE)
    found = transport_score(x, x @ rotation(angle))
    assert found.cost < 1
    assert found.match < 1
    assert found.gain < 0
    assert not found.saturated


def test_a_constant_and_a_factor_saturate_the_cost_but_not_the_gain():
    x = torch.randn(200, 2, dtype=DOUBLE)
    y = x @ rotation(2.0)
    turned, moved, large = (transport_score(x, z) for z in (y, y + 1000, 1000 * y))
    assert turned.cost < 0.6
    assert moved.cost > 0.999
    assert large.cost > 0.99
    assert moved.gain == pytest.approx(turned.gain)
    assert large.gain == pytest.approx(turned.gain)


def test_maps_that_move_little_are_said_to_be_saturated():
    x = torch.randn(100, 50)
    apart = torch.cdist(x, x).fill_diagonal_(math.inf)
    step = torch.nn.functional.normalize(torch.randn(100, 50))
    found = transport_score(x, x + 0.49 * apart.min() * step)
    assert (found.cost, found.match, found.gain, found.nearest) == (1, 1, 1, 1)
    assert "saturated, each sample" in str(found)
    convex = transport_score(x, x + 10 * x[:, :1].relu())
    assert "moves by" in str(convex)


def test_no_motion_and_samples_that_coincide():
    x = torch.randn(20, 3)
    still = transport_score(x, x.clone())
    assert (still.cost, still.match, still.gain, still.displacement) == (1, 1, 1, 0)
    twins = x[torch.arange(20) // 2]
    assert transport_score(twins, 2 * twins).match == 1
    swapped = transport_score(x[:2], x[[1, 0]])
    assert (swapped.cost, swapped.match) == (0, 0)
    assert swapped.gain == pytest.approx(-1)


def test_offsets_cost_no_accuracy():
    x, y = torch.randn(2, 30, 4, dtype=DOUBLE)
    shift = 1e7 * torch.ones(4, dtype=DOUBLE)
    assert transport_score(x + shift, y + shift).gain == pytest.approx(
        transport_score(x, y).gain, abs=1e-6
    )
    huge = transport_score(1e30 * x, 1e30 * y)
    assert huge.cost == pytest.approx(transport_score(x, y).cost)


def test_distance_is_that_of_shifts_and_has_gradients():
    x, v = torch.randn(100, 2, 3), torch.tensor([3.0, 0.0, 4.0])
    order = torch.randperm(100)
    y = (x + v)[order].requires_grad_()
    found = wasserstein_distance(x, y)
    assert_close(found, torch.tensor(5.0 * math.sqrt(2)))
    found.backward()
    assert_close(y.grad, (v / (found.detach() * 100)).expand_as(y), rtol=1e-4, atol=1e-6)
    same = x.clone().requires_grad_()
    wasserstein_distance(x, same).backward()
    assert bool((same.grad == 0).all())


def test_sliced_distance_in_one_dimension_is_the_exact_one():
    x, y = torch.randn(2, 500, 1, dtype=DOUBLE)
    assert_close(sliced_wasserstein_distance(x, y, directions=1), wasserstein_distance(x, y))
    # with other numbers: repeat each until they are equal
    a, b = x[:6], y[:4]
    exact = wasserstein_distance(a.repeat_interleave(2, dim=0), b.repeat_interleave(3, dim=0))
    assert_close(sliced_wasserstein_distance(a, b, directions=3), exact)


def test_sliced_distance_of_a_shift():
    x = torch.randn(1000, 8, dtype=DOUBLE)
    y = x + torch.tensor([3.0, 4, 0, 0, 0, 0, 0, 0], dtype=DOUBLE)
    found = [
        float(sliced_wasserstein_distance(x, y, directions=1000, generator=seeded))
        for seeded in (torch.Generator().manual_seed(0), torch.Generator().manual_seed(0))
    ]
    assert found[0] == found[1] == pytest.approx(5 / math.sqrt(8), rel=0.05)
    y.requires_grad_()
    sliced_wasserstein_distance(x, y).backward()
    assert y.grad.isfinite().all()


@pytest.mark.parametrize("measure", [transport_score, wasserstein_distance])
def test_bad_input(measure):
    x, name = torch.randn(5, 3), measure.__name__
    with pytest.raises(
        ValueError, match=rf"{name}: expected as many points.*\(5, 3\) and \(4, 3\)"
    ):
        measure(x, x[:4])
    with pytest.raises(ValueError, match=r"as many features"):
        measure(x, x[:, :2])
    with pytest.raises(ValueError, match=r"NaN or infinity at point 2"):
        measure(x, x.index_fill(0, torch.tensor([2]), math.nan))
    with pytest.raises(ValueError, match=rf"{name}: expected points .*; got shape \(0, 3\)"):
        measure(x[:0], x[:0])
    with pytest.raises(ValueError, match=r"at most 5000.*sliced_wasserstein_distance takes more"):
        measure(torch.zeros(5001, 1), torch.zeros(5001, 1))
    with pytest.raises(ValueError, match=r"meta device"):
        measure(x.to("meta"), x.to("meta"))
    with pytest.raises(TypeError, match=r"real floating-point numbers"):
        measure(x.long(), x)


def test_one_sample_has_one_pairing():
    with pytest.raises(ValueError, match=r"at least 2 of them; got shape \(1, 3\)"):
        transport_score(torch.zeros(1, 3), torch.ones(1, 3))
    assert_close(wasserstein_distance(torch.zeros(1, 4), torch.ones(1, 4)), torch.tensor(2.0))


def test_sliced_bad_input():
    with pytest.raises(ValueError, match=r"as many features; got 3 and 2"):
        sliced_wasserstein_distance(torch.zeros(5, 3), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"directions to be a positive integer; got 0"):
        sliced_wasserstein_distance(torch.zeros(5, 3), torch.zeros(4, 3), directions=0)
