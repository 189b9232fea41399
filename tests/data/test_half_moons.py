"""The two half-moons beside scikit-learn's."""

import pytest
import torch
from sklearn.datasets import make_moons

from darboux.data import half_moons


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_half_circles_are_those_of_scikit_learn():
    theirs = torch.from_numpy(make_moons(4000, shuffle=False)[0])
    mine = half_moons(4000, noise=0.0, generator=seeded()).double()
    # 2000 equal angles on each arc: no point is farther from one than half their distance
    gaps = torch.cdist(mine, theirs).amin(dim=1)
    assert float(gaps.max()) < 0.51 * torch.pi / 1999
    # and no part of their arcs is left out
    assert float(torch.cdist(theirs, mine).amin(dim=1).max()) < 0.02


def test_moments_are_those_of_scikit_learn_with_noise():
    theirs = torch.from_numpy(make_moons(40_000, noise=0.1, random_state=0)[0])
    mine = half_moons(40_000, noise=0.1, generator=seeded()).double()
    torch.testing.assert_close(mine.mean(dim=0), theirs.mean(dim=0), rtol=0, atol=0.02)
    torch.testing.assert_close(mine.T.cov(), theirs.T.cov(), rtol=0, atol=0.02)


def test_noise_has_the_standard_deviation_that_is_said():
    clean, noisy = (half_moons(20_000, noise=s, generator=seeded()).double() for s in (0, 0.3))
    error = noisy - clean
    torch.testing.assert_close(error.std(dim=0), error.new_full((2,), 0.3), rtol=0.02, atol=0)


def test_generator_decides_and_the_global_state_is_kept():
    before = torch.get_rng_state()
    points = half_moons(7, generator=seeded(3))
    assert torch.equal(points, half_moons(7, generator=seeded(3)))
    assert not torch.equal(points, half_moons(7, generator=seeded(4)))
    assert torch.equal(torch.get_rng_state(), before)
    assert (points.shape, points.dtype) == ((7, 2), torch.float32)


@pytest.mark.parametrize(("count", "noise"), [(0, 0.1), (5, -1.0), (5, float("nan"))])
def test_bad_arguments_are_refused(count, noise):
    with pytest.raises(ValueError, match=r"half_moons: expected count >= 1 and a finite noise"):
        half_moons(count, noise=noise)
