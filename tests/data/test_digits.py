"""The digits beside scikit-learn's own reader."""

import sys

import pytest
import torch
from sklearn.datasets import load_digits

from darboux.data import DIGIT_LEVELS, digits

SPLITS = ("training", "validation", "test")


def rows(images):
    return sorted(images.flatten(1).tolist())


def test_parts_are_all_digits_of_scikit_learn_once():
    parts = [digits(split) for split in SPLITS]
    theirs = torch.from_numpy(load_digits().images).long()[:, None]
    assert [len(part) for part in parts] == [1097, 200, 500]
    assert rows(torch.cat(parts)) == rows(theirs)
    assert (int(theirs.min()), int(theirs.max())) == (0, DIGIT_LEVELS - 1)


def test_images_are_whole_levels_with_a_channel():
    images = digits("test")
    assert (images.shape, images.dtype) == ((500, 1, 8, 8), torch.int64)


def test_split_is_the_same_every_time_and_draws_nothing():
    before = torch.get_rng_state()
    first = digits("validation")
    torch.manual_seed(1)
    assert torch.equal(digits("validation"), first)
    torch.set_rng_state(before)


def test_no_image_is_in_two_parts():
    parts = [{tuple(row) for row in rows(digits(split))} for split in SPLITS]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_scikit_learn_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "sklearn")
    digits()
    assert "sklearn" not in sys.modules


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'training', 'validation', 'test'; got 'held-out'"):
        digits("held-out")


def test_missing_scikit_learn_gives_the_command(monkeypatch):
    monkeypatch.setattr("darboux.data._bundled.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "darboux\[digits\]"'):
        digits()
