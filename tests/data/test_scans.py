"""The phantom and the slice of a head."""

import pytest
import torch
from torch.nn import functional

from darboux.data import brain_slice, shepp_logan


def test_the_phantom_is_that_of_scikit_image():
    data = pytest.importorskip("skimage.data")
    expected = torch.from_numpy(data.shepp_logan_phantom())[None]
    image = shepp_logan(400).double()
    assert image.shape == expected.shape
    # edges are sharp there, and averaged here
    assert (image - expected).abs().median() < 1e-3
    assert (image - expected).abs().mean() < 0.01


@pytest.mark.parametrize("size", [16, 31, 64])
def test_the_phantom_of_any_size(size):
    image = shepp_logan(size)
    assert image.shape == (1, size, size)
    assert image.dtype == torch.float32
    assert 0 <= image.min() <= image.max() <= 1
    fine = functional.avg_pool2d(shepp_logan(4 * size), 4)
    assert (image - fine).abs().mean() < 0.01


def test_the_slice_of_dipy():
    pytest.importorskip("dipy")
    image = brain_slice()
    assert image.shape == (1, 256, 256)
    assert 0 == image.min() < image.mean() < image.max() == 1


def test_without_dipy_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr("darboux.data._bundled.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"darboux\[diffusion\]"):
        brain_slice()
