"""Patches: reproducible, shared without rest, uniform, and of the right noise."""

import itertools
import math

import numpy as np
import pytest
import torch

from darboux.data import Patches, noisy


def make(images=None, **changes):
    settings = {"patch": 8, "batch": 6, "sigma": 0.1, "seed": 3} | changes
    images = images or {"a": torch.rand(1, 20, 30), "b": torch.rand(1, 9, 8)}
    return Patches(images, **settings)


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_shares_make_up_the_global_batch(parts):
    patches = make()
    whole = patches.batch_at(5)
    shares = [patches.batch_at(5, part=part, parts=parts) for part in range(parts)]
    for k in range(2):
        assert torch.equal(torch.cat([share[k] for share in shares]), whole[k])


def test_unequal_shares_are_refused():
    with pytest.raises(ValueError, match="4 processes share equally; got 6"):
        make().batch_at(0, parts=4)


def test_a_step_is_the_same_whenever_it_is_asked_for():
    images = {"a": torch.rand(1, 20, 30)}
    one, other = make(images), make(images)
    one.batch_at(0)
    torch.randn(100)
    assert torch.equal(one.batch_at(7)[0], other.batch_at(7)[0])


def test_iterating_counts_the_steps():
    patches = make()
    for step, (x, clean) in enumerate(itertools.islice(patches, 3)):
        assert torch.equal(x, patches.batch_at(step)[0])
        assert torch.equal(clean, patches.batch_at(step)[1])


def test_steps_and_seeds_differ():
    images = {"a": torch.rand(1, 40, 40)}
    batches = [make(images, seed=s).batch_at(k)[0] for s in range(4) for k in range(4)]
    for one, other in itertools.combinations(batches, 2):
        assert (one - other).abs().max() > 0.01


def test_neighbouring_seeds_are_no_shifts_of_each_other():
    images = {"a": torch.rand(1, 40, 40)}
    noises = []
    for seed in (0, 1):
        batches = [make(images, seed=seed).batch_at(step) for step in range(8)]
        noises.append({tuple((x - y).flatten()[:3].tolist()) for x, y in batches})
    assert not noises[0] & noises[1]


def test_global_random_numbers_are_left_alone():
    patches = make()
    before = torch.get_rng_state()
    patches.batch_at(0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("channels", [1, 3])
def test_every_patch_is_a_turned_piece_of_an_image(channels):
    image = torch.arange(channels * 12 * 10, dtype=torch.float32).view(channels, 12, 10)
    patches = make({"a": image}, patch=4, batch=40)
    pieces = {
        tuple(torch.rot90(p, k, (1, 2)).flatten().tolist())
        for y in range(9)
        for x in range(7)
        for piece in [image[:, y : y + 4, x : x + 4]]
        for p in (piece, piece.flip(2))
        for k in range(4)
    }
    for patch in patches.batch_at(0)[1]:
        assert tuple(patch.flatten().tolist()) in pieces


def test_images_then_places_and_turns_are_equally_likely():
    images = {"a": torch.arange(12.0).view(1, 3, 4), "b": torch.arange(100.0, 104).view(1, 2, 2)}
    patches = make(images, patch=2, batch=9600)
    clean = patches.batch_at(0)[1].flatten(1)
    found, counts = clean.unique(dim=0, return_counts=True)
    of_b = found[:, 0] >= 100
    assert (int((~of_b).sum()), int(of_b.sum())) == (6 * 8, 1 * 8)  # 6 places in a, 1 in b
    expected = torch.where(of_b, 9600 / 2 / 8, 9600 / 2 / 48)
    # Binomial: the variance is below the mean.
    assert ((counts - expected).abs() < 5 * expected.sqrt()).all()


def test_noise_is_standard_normal_times_sigma():
    patches = make({"a": torch.rand(1, 50, 50)}, patch=32, batch=64, sigma=0.2)
    x, clean = patches.batch_at(0)
    noise = (x - clean).double().flatten() / 0.2
    n = noise.numel()
    assert abs(noise.mean()) < 5 / math.sqrt(n)
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs(noise.pow(4).mean() - 3) < 5 * math.sqrt(96 / n)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": 0.0}, "sigma > 0; got 0"),
        ({"sigma": -1.0}, "sigma > 0; got -1"),
        ({"sigma": math.nan}, "sigma > 0; got nan"),
        ({"sigma": 1e300}, r"float32 holds, sigma > 0; got 1e\+300"),
        ({"patch": 0}, "patch >= 1"),
        ({"batch": 0}, "batch >= 1"),
        ({"patch": 9}, "at least 9 x 9 pixels; got b, which has 9 x 8"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"a": torch.rand(1, 9, 9), "b": torch.rand(3, 9, 9)}, "one number of channels"),
        ({"a": torch.rand(9, 9)}, r"shape \(channels, H, W\)"),
        ({"a": torch.full((1, 9, 9), math.nan)}, "finite pixels; got NaN or infinite ones in a"),
    ],
    ids=["mixed channels", "no channels", "NaN"],
)
def test_unfit_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        make(images)


@pytest.mark.parametrize(
    ("image", "kind"),
    [(np.zeros((1, 9, 9)), "ndarray"), (torch.zeros(1, 9, 9, dtype=torch.uint8), "torch.uint8")],
    ids=["array", "bytes"],
)
def test_other_numbers_are_refused(image, kind):
    with pytest.raises(TypeError, match=f"tensors of floating point, .*; got {kind} for a"):
        make({"a": image})


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="at least one image"):
        Patches({}, patch=8, batch=1, sigma=0.1)


def test_noise_of_an_image_is_fixed_by_its_seed():
    image = torch.rand(1, 9, 9)
    assert torch.equal(noisy(image, sigma=0.1, seed=1), noisy(image, sigma=0.1, seed=1))
    assert not torch.equal(noisy(image, sigma=0.1, seed=1), noisy(image, sigma=0.1, seed=2))
    assert noisy(image.double(), sigma=0.1, seed=1).dtype == torch.float64


def test_noise_free_noise_is_refused():
    with pytest.raises(ValueError, match="sigma > 0; got 0"):
        noisy(torch.rand(1, 2, 2), sigma=0, seed=0)


@pytest.mark.parametrize(
    ("image", "sigma"),
    [
        (torch.zeros(1, 99, 99), 1e300),
        (torch.zeros(1, 9, 9).half(), 1e5),
        (torch.ones(1, 1) / 0, 1.0),
    ],
    ids=["float32", "float16", "infinite pixel"],
)
def test_noise_that_overflows_is_refused(image, sigma):
    with pytest.raises(ValueError, match=r"float32 holds|finite pixels with the noise"):
        noisy(image, sigma=sigma, seed=0)
