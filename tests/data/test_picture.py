"""Image files: depth, colour and transparency survive; damage is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from darboux.data import Picture, grey


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bit_round_trip_is_exact(tmp_path, suffix, channels):
    pixels = torch.randint(0, 256, (channels, 7, 5)) / 255
    Picture(pixels).save(tmp_path / f"a{suffix}")
    read = Picture.open(tmp_path / f"a{suffix}")
    torch.testing.assert_close(read.pixels, pixels)
    assert read.dtype == "uint8"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_round_trip_is_exact(tmp_path, suffix):
    levels = torch.randint(0, 65536, (1, 6, 9))
    Picture((levels.double() / 65535).float(), dtype="uint16").save(tmp_path / f"a{suffix}")
    read = Picture.open(tmp_path / f"a{suffix}")
    assert read.dtype == "uint16"
    assert torch.equal((read.pixels.double() * 65535).round().long(), levels)


def test_float_tiff_keeps_its_values(tmp_path):
    pixels = torch.rand(1, 4, 6)
    Picture(pixels, dtype="float32").save(tmp_path / "a.tif")
    read = Picture.open(tmp_path / "a.tif")
    assert read.dtype == "float32"
    assert torch.equal(read.pixels, pixels)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_carried_along(tmp_path, mode):
    array = np.random.default_rng(0).integers(0, 256, (5, 4, len(mode))).astype(np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    picture = Picture.open(tmp_path / "a.png")
    assert picture.pixels.shape == (len(mode) - 1, 5, 4)
    picture.with_pixels(picture.pixels / 2).save(tmp_path / "b.png")
    again = np.asarray(Image.open(tmp_path / "b.png"))
    assert np.array_equal(again[..., -1], array[..., -1])


def test_palette_becomes_colour(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    Image.fromarray(array).quantize(16).save(tmp_path / "a.png")
    assert Picture.open(tmp_path / "a.png").pixels.shape == (3, 5, 4)


def test_orientation_tag_is_obeyed(tmp_path):
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    assert Picture.open(tmp_path / "a.png").pixels.shape == (1, 4, 3)


def test_values_outside_the_range_are_clipped_on_writing(tmp_path):
    Picture(torch.tensor([[[-0.5, 1.5]]])).save(tmp_path / "a.png")
    assert Picture.open(tmp_path / "a.png").pixels.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0"])
def test_foreign_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"readable image; got .*broken\.png"):
        Picture.open(tmp_path / "broken.png")


def test_truncated_file_is_refused_by_name(tmp_path):
    file = tmp_path / "cut.png"
    Picture(torch.rand(3, 40, 40)).save(file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"cut\.png"):
        Picture.open(file)


def test_missing_file_and_unknown_format(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Picture.open(tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match=r"ending in one of \.png"):
        Picture(torch.zeros(1, 2, 2)).save(tmp_path / "a.xyz")


def test_grey_is_the_luminance_of_scikit_image():
    from skimage.color import rgb2gray

    pixels = torch.rand(3, 6, 7, dtype=torch.float64)
    expected = rgb2gray(pixels.permute(1, 2, 0).numpy())
    torch.testing.assert_close(grey(pixels)[0], torch.from_numpy(expected))


def test_tiff_whose_pages_follow_themselves_is_refused(tmp_path):
    """A directory of no entries at byte 8 that names itself as the next one."""
    (tmp_path / "loop.tif").write_bytes(b"II*\0\x08\0\0\0\0\0\x08\0\0\0")
    with pytest.raises(ValueError, match=r"loop\.tif"):
        Picture.open(tmp_path / "loop.tif")
