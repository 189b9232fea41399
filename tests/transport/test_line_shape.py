"""Scores of single tracks: straight, random, bent; steps without a direction; controls."""

import math
from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from darboux.transport import line_shape, line_shape_score, mean_turning_angle

DOUBLE = torch.float64


def walk(steps=20, batch=40, features=1000, dtype=DOUBLE):
    return torch.randn(steps + 1, batch, features, dtype=dtype).cumsum(dim=0)


def rotation(features):
    return torch.linalg.qr(torch.randn(features, features, dtype=DOUBLE)).Q


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE, torch.bfloat16])
@pytest.mark.parametrize("times", [range(6), (0, 1, 1.5, 8, 8.25, 60)])
def test_straight_tracks_have_the_score_one(times, dtype):
    start, way = torch.randn(2, 7, 3, 4, dtype=DOUBLE)
    times = torch.tensor(times, dtype=DOUBLE)
    track = (start + times[:, None, None, None] * way).to(dtype)
    score, angle = line_shape_score(track), mean_turning_angle(track)
    assert score.dtype == angle.dtype == torch.promote_types(dtype, torch.float32)
    rounding = torch.finfo(dtype).eps * 60 * 10  # of the longest position, over the shortest step
    assert_close(score, torch.ones_like(score), rtol=0, atol=rounding**2 + 1e-15)
    assert_close(angle, torch.zeros_like(angle), rtol=0, atol=rounding)


@pytest.mark.parametrize("steps", [5, 20, 50])
def test_random_directions_have_the_root_of_their_number(steps):
    found = line_shape(walk(steps))
    assert float(found.score.mean()) == pytest.approx(math.sqrt(steps), rel=0.03)
    assert float(found.turning_angle.mean()) == pytest.approx(math.pi / 2, abs=0.01)
    assert bool((found.random_walk == torch.tensor(steps, dtype=DOUBLE).sqrt()).all())


def test_rotations_and_lengths_of_steps_change_nothing():
    track, turn = walk(10, 20, 30), rotation(30)
    lengths = torch.rand(10, 20, 1, dtype=DOUBLE) + 0.1
    other = torch.cat([track[:1] @ turn, lengths * (track.diff(dim=0) @ turn)]).cumsum(dim=0)
    for measure in (line_shape_score, mean_turning_angle):
        assert_close(measure(other), measure(track), rtol=1e-9, atol=0)


def test_score_is_the_formula_of_the_source():
    track = walk(8, 5, 3)
    for n, sample in enumerate(track.unbind(1)):
        moved = sample[0].clone()
        for before, after in pairwise(sample):
            moved = moved + (after - before) / (after - before).norm()
        assert_close(line_shape_score(track)[n], 8 / (moved - sample[0]).norm())


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_repeated_features_change_nothing(dtype):
    track = walk(6, 5, 4, dtype)
    repeated = track[[0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 6]]
    noisy = repeated + 1e-2 * torch.finfo(dtype).eps * torch.randn_like(repeated)
    for other in (repeated, noisy):
        assert_close(line_shape(other).random_walk, line_shape(track).random_walk)
        for measure in (line_shape_score, mean_turning_angle):
            assert_close(measure(other), measure(track), rtol=1e-5, atol=1e-5)


def test_blocks_that_have_vanished_do_not_bend_a_line():
    """What they add is rounding of the features: its direction means nothing."""
    start, way = torch.randn(2, 50, 64)
    steps = [way if k < 5 else 1e-7 * torch.randn_like(way) for k in range(30)]
    track = torch.stack([start, *steps]).cumsum(dim=0)
    assert float(line_shape_score(track).max()) < 1 + 1e-6


def test_no_steps_closed_tracks_one_step_and_one_sample():
    still = torch.ones(4, 2, 3)
    assert line_shape_score(still).isnan().all()
    assert mean_turning_angle(still).isnan().all()
    there_and_back = torch.tensor([0.0, 1.0, 0.0])[:, None, None].expand(3, 1, 2)
    assert line_shape_score(there_and_back).tolist() == [math.inf]
    assert_close(mean_turning_angle(there_and_back), torch.tensor([math.pi]))
    single = walk(1, 1, 3)
    assert_close(line_shape_score(single), torch.ones(1, dtype=DOUBLE))
    assert mean_turning_angle(single).isnan().all()
    alone = line_shape(walk(8, 1, 30))  # one sample says nothing of variances
    assert alone.score.isfinite().all()
    assert alone.random_embedding.isnan().all()


def test_no_samples():
    found = line_shape(torch.zeros(4, 0, 3))
    assert all(values.shape == (0,) for values in vars(found).values())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_spoils_its_own_sample_alone(bad):
    track = walk(4, 3, 5)
    clean = line_shape_score(track)
    track[2, 1, 0] = bad
    assert line_shape_score(track).isnan().tolist() == [False, True, False]
    assert mean_turning_angle(track).isnan().tolist() == [False, True, False]
    assert_close(line_shape_score(track)[::2], clean[::2])


def test_controls_tell_a_line_from_chance():
    line = torch.randn(40, 30) + torch.linspace(0, 3, 17)[:, None, None] * torch.randn(40, 30)
    found = line_shape(line, generator=torch.Generator().manual_seed(3))
    again = line_shape(line, generator=torch.Generator().manual_seed(3))
    assert_close(found.shuffled, again.shuffled, equal_nan=True)
    assert_close(found.random_embedding, again.random_embedding)
    assert float(found.shuffled.median()) > 3
    # directions (g_k - g_(k-1))/√(2d) of independent features add up to a unit vector
    score = line_shape(torch.randn(17, 40, 300)).random_embedding
    assert float(score.mean()) == pytest.approx(16, rel=0.05)
    assert "random walk, √K     4.000 ± 0.000" in str(found)


def test_gradients_are_those_of_finite_differences():
    track = walk(4, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(line_shape_score, track)
    assert torch.autograd.gradcheck(mean_turning_angle, track)
    still = torch.cat([track.detach(), track.detach()[-1:]]).requires_grad_()
    line_shape_score(still).sum().backward()
    assert still.grad.isfinite().all()


def test_works_under_transforms_and_compilers():
    track = walk(4, 6, 3)
    each = torch.func.vmap(line_shape_score, in_dims=1)(track[:, :, None])
    assert_close(each[:, 0], line_shape_score(track))
    compiled = torch.compile(line_shape_score, backend="eager")
    assert_close(compiled(track), line_shape_score(track))
    assert line_shape_score(track.to("meta")).shape == (6,)


@pytest.mark.parametrize("measure", [line_shape_score, mean_turning_angle, line_shape])
def test_bad_input(measure):
    name = measure.__name__
    with pytest.raises(ValueError, match=rf"{name}: expected states .* got shape \(1, 2, 3\)"):
        measure(torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match=r"torch.stack on the features"):
        measure(torch.zeros(4, 2))
    with pytest.raises(TypeError, match=r"real floating-point numbers.*Use x.float"):
        measure(torch.zeros(4, 2, 3, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"expected trajectory to be a Tensor; got \["):
        measure([torch.zeros(2, 3)] * 3)
