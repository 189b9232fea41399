"""The parts of the density of the digits: baselines, early stopping; and that it can fail."""

import math
import sys

import pytest
import torch

from darboux.data import DIGIT_LEVELS, digits
from darboux.density import LogitTransform, NormalizingFlow, StandardNormal
from reproductions import reproduce
from reproductions.digits_density import training as digits_training
from reproductions.digits_density.measures import bits_of, gaussian_bits, independent_bits, nearest
from reproductions.digits_density.pictures import SHOWN, mosaic
from reproductions.digits_density.statements import (
    Images,
    alike,
    better,
    exactly,
    inside,
    no_copies,
)
from reproductions.digits_density.training import Schedule, build, learned

SMALL = Schedule(couplings=1, hidden=4, rounds=4, steps=2, rate=1e-3, patience=1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def random_levels(count):
    return torch.randint(DIGIT_LEVELS, (count, 1, 8, 8))


def test_independent_pixels_of_uniform_levels_cost_their_entropy():
    levels = torch.arange(DIGIT_LEVELS).repeat(64, 1).T.reshape(-1, 1, 8, 8)
    assert independent_bits(levels, levels) == pytest.approx(math.log2(17))
    assert independent_bits(0 * levels, 0 * levels) == pytest.approx(math.log2(34 / 18))
    # a level that never occurred costs a pseudo-count, not infinitely much
    assert independent_bits(0 * levels, 0 * levels + 1) == pytest.approx(math.log2(34))


def test_normal_law_of_random_levels_costs_its_differential_entropy():
    found = gaussian_bits(random_levels(4000), random_levels(500))
    entropy = 0.5 * math.log2(2 * math.pi * math.e * (17**2 / 12))
    assert found == pytest.approx(entropy, abs=0.02)


def test_bits_of_the_uniform_density_are_those_of_the_levels():
    class Uniform(StandardNormal):
        def log_prob(self, z):
            # the density of the logits of uniform numbers
            return (
                (-torch.nn.functional.softplus(z) - torch.nn.functional.softplus(-z))
                .flatten(1)
                .sum(dim=1)
            )

    flow = NormalizingFlow(LogitTransform(0.0), Uniform(1, 8, 8))
    found = bits_of(flow, random_levels(20))
    assert found.mean == pytest.approx(math.log2(17), abs=1e-5)
    assert found.bound == pytest.approx(found.mean, abs=1e-5)
    assert found.images_error < 1e-5


def test_nearest_is_the_nearest():
    training = random_levels(30)
    far, which = nearest(training[[4, 9]] + torch.eye(8).long(), training)
    assert which.tolist() == [4, 9]
    torch.testing.assert_close(far, far.new_full((2,), math.sqrt(8)))


def test_best_round_is_kept_and_training_stops(monkeypatch):
    checks = iter([3.0, 2.0, 2.5, 2.6])
    seen = []

    def evaluated(flow, images):
        seen.append([p.detach().clone() for p in flow.parameters()])
        return next(checks)

    monkeypatch.setattr(digits_training, "evaluated", evaluated)
    schedule = Schedule(couplings=1, hidden=4, rounds=9, steps=2, rate=1e-2, patience=1)
    found = learned(schedule, random_levels(40), random_levels(5))
    assert found.validation == (3.0, 2.0, 2.5)
    assert found.best == 4
    assert all(torch.equal(a, b) for a, b in zip(found.flow.parameters(), seen[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(seen[1], seen[2], strict=True))


def test_step_sizes_fall():
    rates = [SMALL.rate_of(k) for k in range(SMALL.rounds)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 3e-4])
    assert SMALL.total == 8


def test_mosaic_keeps_every_pixel():
    images = random_levels(SHOWN + 1)
    tiles = mosaic(images)
    assert torch.equal(tiles[9:17, 18:26], images[22, 0])
    assert tiles.sum() == images[:SHOWN].sum()


def test_an_untrained_flow_is_refuted():
    flow = build(SMALL).eval()
    own = bits_of(flow, digits("test")[:50])
    assert not better(own, "log2 17", math.log2(17), margin=1.0).holds


def test_noise_instead_of_samples_is_refuted():
    real = digits("test")
    images = Images(real, real, real, torch.rand(500, 1, 8, 8))
    assert not alike(images).holds
    assert alike(Images(real, real, real, (real + 0.5) / DIGIT_LEVELS)).holds
    assert not inside(torch.randn(1000)).holds
    assert not exactly(real + 1, real).holds


def test_copies_are_refuted():
    training, test = digits("training"), digits("test")
    test_far, _ = nearest(test, training)
    copied, _ = nearest(training[:50], training)
    assert not no_copies(copied, test_far).holds
    assert no_copies(test_far, test_far).holds


def test_missing_scikit_learn_is_said_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["darboux.data._bundled"], "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"darboux\[digits\]"):
        reproduce("digits-density", tmp_path / "d", quick=True)
    assert not (tmp_path / "d").exists()


def test_quick_run_beats_the_simple_densities(reproduced):
    result, folder = reproduced("digits-density")
    numbers = result.numbers
    own = numbers["bits per dimension, test images"]
    assert own < numbers["bits per dimension, independent pixels"] - 0.3
    assert own < numbers["bits per dimension, log2 17"] - 1.8
    assert numbers["bits per dimension, log2 17"] == pytest.approx(4.0875, abs=1e-4)
    inside_log = numbers["bits per dimension, test images, mean of dequantisations inside the log"]
    assert inside_log < own
    assert 0 < numbers["standard error, dequantisation"] < 0.01
    assert {path.name for path in result.files} == {"digits.png", "training.png"}
    assert (folder / "report.html").is_file()
