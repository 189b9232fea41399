"""Rotated digits and photographs: the quick run, its parts beside exact answers, refusals."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import darboux as dx
from reproductions.rotated_images import photographs as photos
from reproductions.rotated_images import statements
from reproductions.rotated_images.classifiers import (
    ANGLES,
    AUGMENTED,
    BOTH,
    EQUIVARIANT,
    ORDINARY,
    Course,
    Judged,
    Trained,
    equivariant,
    judged,
    ordinary,
    trained,
    turning,
)
from reproductions.rotated_images.digits import digits_without_nine, shown, turned


@pytest.fixture(scope="module")
def result(reproduced):
    return reproduced("rotated-images")[0]


def runs(**accuracies):
    """Judged classifiers with these accuracies at random angles, a run each."""
    network = Trained(nn.Sequential(nn.Linear(2, 2)), 0.0)
    return {
        name: [Judged(network, dict.fromkeys(ANGLES, r), r, 0.0) for r in values]
        for name, values in accuracies.items()
    }


def test_the_quick_run_shows_what_the_full_one_does(result):
    assert result.holds, str(result)
    assert len(result.files) == 4
    assert all(path.stat().st_size > 1000 for path in result.files)
    upright, quarter = (
        result.numbers[f"digits: accuracy in %, turned by {a}°, {EQUIVARIANT}"] for a in (0, 90)
    )
    assert upright == quarter > 50
    levels = [
        result.numbers[f"photographs: PSNR in dB, turned by {a}°, {photos.BOTH}"]
        for a in photos.TURNS
    ]
    assert max(levels) - min(levels) < 1e-4
    assert min(levels) > 24  # the noise alone leaves 20.2


def test_quarter_turns_are_exact():
    x = torch.rand(3, 2, 7, 7, dtype=torch.float64)
    for k in range(4):
        found = turned(x, k * math.pi / 2, side=7)
        torch.testing.assert_close(found, torch.rot90(x, k, dims=(2, 3)), rtol=0, atol=1e-12)


def test_turns_of_each_image_are_its_own():
    x, angles = torch.rand(2, 1, 8, 8), torch.tensor([0.0, 0.7])
    both = shown(x, angles)
    for k in range(2):
        torch.testing.assert_close(both[k : k + 1], shown(x[k : k + 1], float(angles[k])))


def test_a_turned_image_is_the_turned_function():
    line = torch.arange(9, dtype=torch.float64) - 4
    y, x = torch.meshgrid(line, line, indexing="ij")
    angle = 0.4
    found = turned((0.3 * y - 0.2 * x)[None, None], angle, side=5, zoom=1.0)[0, 0]
    y, x = y[2:-2, 2:-2], x[2:-2, 2:-2]
    back = (
        math.cos(angle) * y + math.sin(angle) * x,
        -math.sin(angle) * y + math.cos(angle) * x,
    )
    expected = 0.3 * back[0] - 0.2 * back[1]
    # cubic convolution leaves a few per cent of a pixel's step; turned the wrong way it is 0.8
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)


def test_a_digit_stays_inside_the_image():
    digits = digits_without_nine()[0].images[:50]
    total = shown(digits).sum()
    assert float(shown(digits, 0.6).sum()) == pytest.approx(float(total), rel=5e-3)


def test_the_digits_are_split_once_and_have_no_nine():
    training, test = digits_without_nine()
    assert (len(training.images), len(test.images)) == (1200, 417)
    for part in (training, test):
        assert part.classes.unique().tolist() == list(range(9))
    assert torch.equal(training.classes, digits_without_nine()[0].classes)
    both = torch.cat([training.images, test.images]).flatten(1)
    # no test image is a training image
    assert float(torch.cdist(both[1200:], both[:1200]).min()) > 0


def test_the_digits_need_scikit_learn(monkeypatch):
    monkeypatch.setattr("reproductions.common.classification.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"Expected scikit-learn.*darboux\[digits\]"):
        digits_without_nine()


def test_networks_have_as_many_parameters():
    sizes = [sum(p.numel() for p in build(9).parameters()) for build in (ordinary, equivariant)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    for depth in (2, 4):
        sizes = [
            sum(p.numel() for p in build().parameters())
            for build, _, _ in photos.networks(depth).values()
        ]
        assert max(sizes) <= 1.05 * min(sizes)


def test_training_is_the_same_for_the_same_seed():
    digits, classes = torch.rand(20, 1, 8, 8), torch.arange(20) % 9
    weights = [
        trained(lambda: ordinary(9), turning(digits), classes, Course(2, 5), seed=seed)
        .network[0]
        .weight
        for seed in (1, 1, 2)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_loss_that_is_not_finite_ends_the_training():
    bad = torch.full((9, 1, 6, 6), torch.nan)
    with pytest.raises(FloatingPointError, match="a finite loss; got nan at step 1"):
        trained(lambda: ordinary(9), bad.__getitem__, torch.arange(9), Course(1, 4), seed=0)


def test_an_ordinary_classifier_wobbles():
    training, test = digits_without_nine()
    found = trained(
        lambda: ordinary(9), shown(training.images).__getitem__, training.classes, Course(3), seed=0
    )
    few = type(test)(test.images[:20], test.classes[:20])
    assert judged(found, few).wobble > 0.01


def test_statements_can_fail():
    found = runs(**{ORDINARY: [30.0, 40.0], AUGMENTED: [80.0, 80.0]})
    found |= runs(**{EQUIVARIANT: [50.0, 49.0], BOTH: [95.0, 79.0]})
    margins = [(EQUIVARIANT, ORDINARY, 10.0), (BOTH, AUGMENTED, -1.0), (BOTH, AUGMENTED, 0.0)]
    assert [statements.ahead(found, *margin).holds for margin in margins] == [False, True, False]
    assert statements.ahead(found, EQUIVARIANT, ORDINARY, 9.0).holds
    assert statements.quarter_turns(found).holds
    worse = replace(found[BOTH][0], by_angle={**found[BOTH][0].by_angle, 180: 1.0})
    assert not statements.quarter_turns({**found, BOTH: [worse]}).holds
    for wobble in (0.01, math.nan):
        wobbling = replace(found[BOTH][0], wobble=wobble)
        assert not statements.quarter_turns({**found, BOTH: [found[BOTH][1], wobbling]}).holds
    found |= runs(**{BOTH: [95.0, math.nan]})
    assert not statements.ahead(found, BOTH, AUGMENTED, 0.0).holds


def test_a_psnr_that_changes_is_refuted():
    level = photos.Denoiser(nn.Identity(), 0.0, dict.fromkeys(photos.TURNS, 28.0))
    other = replace(level, psnr={**level.psnr, 180: 28.01})
    assert statements.same_psnr({photos.PLAIN: other, photos.BOTH: level}).holds
    assert not statements.same_psnr({photos.PLAIN: level, photos.BOTH: other}).holds


def test_a_certificate_without_one_of_the_structures_is_not_enough():
    model = photos.networks(1)[photos.BOTH][0]()
    whole = dx.certify(model, torch.randn(1, 1, 6, 6), effort="quick")
    assert statements.certified(whole).holds
    rows = tuple(row for row in whole.rows if not isinstance(row.structure, dx.Equivariant))
    less = dx.Certificate(rows, whole.gaps, whole.environment)
    assert not statements.certified(less).holds


def test_views_are_of_one_photograph():
    found = photos.views(24)
    assert set(found) == {0, 45, 90, 180, 270}
    for angle, pairs in found.items():
        assert [pair[1].shape for pair in pairs] == [(1, 1, 24, 24)] * 4
        for noisy, clean in pairs:
            assert float((noisy - clean).std()) == pytest.approx(photos.SIGMA, rel=0.15), angle
