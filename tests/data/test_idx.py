"""Folders of IDX files: what is read, and what is refused."""

import gzip

import pytest
import torch

from darboux.data import idx_images

NAMES = {
    "training": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "held-out": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx(array):
    """The bytes of an IDX file, of a list of lists ... of bytes."""
    tensor = torch.as_tensor(array, dtype=torch.uint8)
    sizes = b"".join(n.to_bytes(4, "big") for n in tensor.shape)
    return bytes([0, 0, 8, tensor.ndim]) + sizes + bytes(tensor.flatten().tolist())


@pytest.fixture
def folder(tmp_path):
    """Four files; those of one side are compressed."""
    generator = torch.Generator().manual_seed(0)
    for split, (images, labels) in NAMES.items():
        count = 5 if split == "training" else 3
        pixels = torch.randint(256, (count, 4, 6), generator=generator)
        for name, content in ((images, idx(pixels)), (labels, idx(torch.arange(count)))):
            if split == "training":
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(("split", "count"), [("training", 5), ("held-out", 3)])
def test_both_sides_are_read_compressed_or_not(folder, split, count):
    images, labels = idx_images(folder, split=split)
    assert images.shape == (count, 1, 4, 6)
    assert images.dtype == torch.float32
    assert labels.tolist() == list(range(count))
    assert labels.dtype == torch.int64


def test_pixels_keep_their_values_and_places(folder):
    pixels = torch.arange(24).reshape(1, 4, 6) * 11 % 256
    (folder / NAMES["held-out"][0]).write_bytes(idx(pixels))
    (folder / NAMES["held-out"][1]).write_bytes(idx([9]))
    images, labels = idx_images(folder, split="held-out")
    assert torch.equal((255 * images[0, 0]).round().long(), pixels[0])
    assert labels.tolist() == [9]


def test_the_default_is_the_side_to_learn_from(folder):
    assert len(idx_images(folder)[0]) == 5


@pytest.mark.parametrize("split", ["training", "held-out"])
@pytest.mark.parametrize("which", [0, 1])
def test_truncated_files_are_refused_by_name(folder, split, which):
    name = NAMES[split][which]
    file = folder / (f"{name}.gz" if split == "training" else name)
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ValueError, match=rf"{name}.*(truncated|damaged)"):
        idx_images(folder, split=split)


def test_truncation_inside_a_whole_gzip_file_is_found(folder):
    file = folder / f"{NAMES['training'][0]}.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1]))
    with pytest.raises(ValueError, match=r"Expected 5 x 4 x 6 bytes .*; got 119\. .*damaged"):
        idx_images(folder)


def test_too_many_bytes_are_refused(folder):
    file = folder / NAMES["held-out"][1]
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"Expected 3 bytes .*; got 4"):
        idx_images(folder, split="held-out")


def test_a_file_that_is_no_gzip_is_refused(folder):
    (folder / f"{NAMES['training'][0]}.gz").write_bytes(b"no gzip at all")
    with pytest.raises(ValueError, match="readable gzip file"):
        idx_images(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        bytes([0, 0, 8, 3]),
        b"GIF89a" + bytes(40),
        bytes([0, 0, 13, 3]) + bytes(12),
    ],
    ids=["empty", "short", "header only", "other format", "floats"],
)
def test_other_files_are_refused(folder, content):
    (folder / NAMES["held-out"][0]).write_bytes(content)
    with pytest.raises(ValueError, match="Expected an IDX file of bytes with 3 axes"):
        idx_images(folder, split="held-out")


def test_labels_in_place_of_images_are_refused(folder):
    images, labels = (folder / name for name in NAMES["held-out"])
    images.write_bytes(labels.read_bytes())
    with pytest.raises(ValueError, match=r"with 3 axes.*begins with 00 00 08 01"):
        idx_images(folder, split="held-out")


def test_no_image_at_all_is_refused(folder):
    (folder / NAMES["held-out"][0]).write_bytes(idx(torch.zeros(0, 4, 6)))
    with pytest.raises(ValueError, match="more than none"):
        idx_images(folder, split="held-out")


def test_other_numbers_of_labels_are_refused(folder):
    (folder / NAMES["held-out"][1]).write_bytes(idx([1, 2]))
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        idx_images(folder, split="held-out")


def test_missing_things_are_named(folder, tmp_path):
    (folder / NAMES["held-out"][1]).unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte or .*gz"):
        idx_images(folder, split="held-out")
    with pytest.raises(NotADirectoryError, match="Expected a folder of IDX files"):
        idx_images(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="'training' or 'held-out'; got 'test'"):
        idx_images(folder, split="test")
