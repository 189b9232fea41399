"""Folders of images and scikit-image's photographs."""

import pytest
import torch

from darboux.data import HELD_OUT, TRAINING, Picture, image_folder, photographs


def save(folder, name, *shape):
    Picture(torch.rand(shape)).save(folder / name)


def test_folder_is_read_in_order_of_names_without_foreign_files(tmp_path):
    save(tmp_path, "b.png", 1, 9, 8)
    save(tmp_path, "a.JPG", 3, 8, 8)
    save(tmp_path, ".hidden.png", 1, 8, 8)
    (tmp_path / "README.txt").write_text("no image")
    images = image_folder(tmp_path)
    assert {name: tuple(image.shape) for name, image in images.items()} == {
        "a.JPG": (1, 8, 8),
        "b.png": (1, 9, 8),
    }


def test_folder_in_colour(tmp_path):
    save(tmp_path, "grey.png", 1, 8, 8)
    save(tmp_path, "colour.png", 3, 8, 8)
    assert all(image.shape == (3, 8, 8) for image in image_folder(tmp_path, colour=True).values())


def test_corrupt_image_is_refused_by_name(tmp_path):
    save(tmp_path, "good.png", 1, 8, 8)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.png"):
        image_folder(tmp_path)


def test_small_image_is_refused_by_name(tmp_path):
    save(tmp_path, "tiny.png", 1, 20, 10)
    with pytest.raises(ValueError, match=r"at least 16 x 16 pixels; got .*tiny\.png.* 20 x 10"):
        image_folder(tmp_path, smallest=16)


def test_empty_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Expected images in .*; got none"):
        image_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match="Expected a folder"):
        image_folder(tmp_path / "nowhere")


def test_split_has_no_photograph_on_both_sides():
    assert not set(TRAINING) & set(HELD_OUT)
    assert len(HELD_OUT) >= 4


def busy_rows(image, *, step):
    """Fingerprints of the horizontal pieces of 16 pixels that are not nearly flat."""
    pieces = image[0].double().unfold(1, 16, step).reshape(-1, 16)
    pieces = pieces[pieces.std(1) > 0.15]
    return set((pieces @ torch.linspace(1, 2, 16, dtype=torch.float64).sqrt()).tolist())


def test_no_held_out_photograph_is_part_of_a_training_one():
    wanted = set.union(*(busy_rows(image, step=16) for image in photographs("held-out").values()))
    assert len(wanted) > 1000
    for name, image in photographs("training").items():
        assert not wanted & busy_rows(image, step=1), name


@pytest.mark.parametrize(("colour", "channels"), [(False, 1), (True, 3)])
def test_photographs_are_images_in_the_unit_interval(colour, channels):
    for image in photographs("held-out", colour=colour).values():
        assert image.shape[0] == channels
        assert image.dtype == torch.float32
        assert 0 <= image.min() < image.max() <= 1


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'training' or 'held-out'; got 'test'"):
        photographs("test")


def test_missing_scikit_image_gives_the_command(monkeypatch):
    monkeypatch.setattr("darboux.data._bundled.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "darboux\[images\]"'):
        photographs()
