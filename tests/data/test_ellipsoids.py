"""Synthetic volumes: what is in them, and what is refused."""

import pytest
import torch

from darboux.data import ellipsoids


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(12, 10), (12, 9, 14)])
def test_shapes_in_two_and_three_dimensions(size):
    volumes, classes = ellipsoids(3, size=size, generator=seeded())
    assert volumes.shape == (3, 1, *size)
    assert classes.shape == (3, *size)
    assert volumes.dtype == torch.float32
    assert set(classes.unique().tolist()) <= {0, 1, 2}


def test_the_generator_decides():
    first, again = (ellipsoids(2, size=(9, 9, 9), generator=seeded(3)) for _ in range(2))
    other = ellipsoids(2, size=(9, 9, 9), generator=seeded(4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_both_classes_are_as_bright_and_brighter_than_their_surround():
    volumes, classes = ellipsoids(8, size=(24,) * 3, noise=0.0, bias=0.0, generator=seeded())
    shown = volumes[:, 0]
    assert torch.equal(shown[classes == 0].unique(), torch.tensor([0.25]))
    assert torch.equal(shown[classes > 0].unique(), torch.tensor([0.75]))


def test_noise_and_bias_are_as_large_as_said():
    clean = ellipsoids(4, size=(20,) * 3, noise=0.0, bias=0.0, generator=seeded())[0]
    rough = ellipsoids(4, size=(20,) * 3, noise=0.2, bias=0.0, generator=seeded())[0]
    assert (rough - clean)[:1].std() == pytest.approx(0.2, rel=0.05)
    ratio = (
        ellipsoids(4, size=(20,) * 3, noise=0.0, bias=0.3, generator=seeded())[0][:1] / clean[:1]
    )
    assert 0.15 < (ratio - 1).abs().max() <= 0.3 + 1e-6


@pytest.mark.parametrize(("label", "low", "high"), [(1, 1.0, 1.6), (2, 3.0, 9.0)])
def test_round_ones_are_round_and_long_ones_long(label, low, high):
    """The axes of one object, from the second moments of its voxels."""
    objects = 1 if label == 1 else 2
    ratios = []
    for seed in range(12):
        classes = ellipsoids(1, size=(64,) * 3, objects=objects, generator=seeded(seed))[1][0]
        points = (classes == label).nonzero().double()
        inside = ((points > 0) & (points < 63)).all() and len(points) > 50
        if inside:  # none of it lies beyond the faces
            axes = torch.linalg.eigvalsh(torch.cov(points.T)).sqrt()
            ratios.append(float(axes[2] / axes[0]))
    assert len(ratios) >= 3
    assert low <= min(ratios)
    assert max(ratios) <= high


def test_length_sets_the_size_of_objects():
    counts = []
    for length in (16, 32):
        classes = ellipsoids(
            6, size=(48,) * 3, objects=1, length=length, noise=0.0, generator=seeded()
        )[1]
        counts.append(int((classes == 1).sum()))
    assert counts[1] / counts[0] == pytest.approx(8, rel=0.15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"size": (7, 9, 9)},
        {"size": (9,)},
        {"objects": 0},
        {"length": 0.0},
        {"noise": -1.0},
        {"noise": float("nan")},
        {"bias": 1.0},
    ],
)
def test_numbers_out_of_range_are_refused(wrong):
    settings = {"count": 1, "size": (9, 9, 9), **wrong}
    count = settings.pop("count")
    with pytest.raises(ValueError, match="ellipsoids: expected"):
        ellipsoids(count, **settings)
