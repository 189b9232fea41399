"""Every kind of sample that an image file holds is read right and written back, or refused."""

import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from darboux.data import Picture

H, W = 5, 8

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")


def drawn(dtype, *shape, levels=None):
    """Samples of any type; floats in [0, 1] where no levels are given."""
    generator = np.random.default_rng(0)
    if levels is None and dtype in FLOATS:
        return generator.random(shape).astype(dtype)
    low, high = levels or (0, np.iinfo(dtype).max + 1)
    return generator.integers(low, high, shape).astype(dtype)


def levels_of(dtype):
    """Levels for types without a range of their own."""
    ranges = {"int8": (-128, 127), "int16": (-1024, 3071), "int32": (-1024, 3071)}
    ranges |= dict.fromkeys(("uint32", "int64", "uint64"), (0, 70000))
    return ranges.get(dtype)


def tiff(path, array, **options):
    """Write (H, W) or (H, W, channels)."""
    channels = 1 if array.ndim == 2 else array.shape[-1]
    extra = ["unassalpha"] if channels in (2, 4) else None
    options = {"photometric": "rgb" if channels > 2 else "minisblack"} | options
    tifffile.imwrite(
        path, array, extrasamples=extra, planarconfig="contig" if channels > 1 else None, **options
    )
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_tiff_of_every_type_comes_back(tmp_path, dtype, channels):
    levels = levels_of(dtype)
    stored = drawn(dtype, H, W, channels, levels=levels)
    source = tiff(tmp_path / "a.tif", stored[..., 0] if channels == 1 else stored)
    if levels is not None and channels in (2, 4):
        with pytest.raises(ValueError, match=f"transparency of type {dtype}"):
            Picture.open(source, levels=levels)
        return
    picture = Picture.open(source, levels=levels)
    low, high = picture.levels
    colours = stored if channels % 2 else stored[..., :-1]
    expected = (np.moveaxis(colours, -1, 0).astype(float) - low) / (high - low)
    assert picture.dtype == dtype
    torch.testing.assert_close(picture.pixels, torch.from_numpy(expected).float())
    picture.save(tmp_path / "b.tif")
    again = tifffile.imread(tmp_path / "b.tif").reshape(stored.shape)
    assert again.dtype == stored.dtype
    if dtype in FLOATS:
        np.testing.assert_allclose(again, stored, rtol=2**-23)  # pixels are float32
    else:
        assert np.array_equal(again, stored)


@pytest.mark.parametrize("dtype", [d for d in INTEGERS if levels_of(d)])
def test_integers_without_a_range_of_their_own_are_refused(tmp_path, dtype):
    source = tiff(tmp_path / "a.tif", drawn(dtype, H, W, levels=levels_of(dtype)))
    with pytest.raises(ValueError, match=rf"a\.tif, of type {dtype} with values .* levels="):
        Picture.open(source)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [(0, 255), (-1, 1), (0, 1.01)])
def test_floats_beyond_the_unit_interval_need_levels(tmp_path, dtype, scale):
    stored = np.linspace(*scale, H * W, dtype=dtype).reshape(H, W)
    source = tiff(tmp_path / "a.tif", stored)
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]; got .* levels="):
        Picture.open(source)
    picture = Picture.open(source, levels=scale)
    assert picture.pixels.min() == 0
    picture.with_pixels(picture.pixels * 2).save(tmp_path / "b.tif")
    again = tifffile.imread(tmp_path / "b.tif")  # nothing is clipped
    expected = scale[0] + 2 * (stored.astype(float) - scale[0])
    np.testing.assert_allclose(
        again, expected, rtol=2e-3 if dtype == "float16" else 1e-6, atol=1e-6
    )


def test_integers_that_float32_cannot_tell_apart_are_refused(tmp_path):
    source = tiff(tmp_path / "a.tif", np.array([[0, 2**24 + 1]], np.int32))
    with pytest.raises(ValueError, match=r"less than 2\^23 away"):
        Picture.open(source, levels=(0, 2**25))


@pytest.mark.parametrize("levels", [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1)])
def test_levels_that_are_no_interval_are_refused(tmp_path, levels):
    source = tiff(tmp_path / "a.tif", np.zeros((H, W), np.float32))
    with pytest.raises(ValueError, match="levels low < high"):
        Picture.open(source, levels=levels)


def test_levels_of_ordinary_types_come_back(tmp_path):
    stored = drawn("uint16", H, W, levels=(0, 4096))
    picture = Picture.open(tiff(tmp_path / "a.tif", stored), levels=(0, 4095))
    assert picture.pixels.max() > 0.9
    picture.save(tmp_path / "b.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), stored)


def test_types_without_levels_are_refused_on_making_and_on_writing(tmp_path):
    with pytest.raises(ValueError, match=r"levels=\(low, high\) for samples of type int16"):
        Picture(torch.zeros(1, 2, 2), "int16")
    for suffix in (".png", ".jpg", ".pgm"):
        with pytest.raises(ValueError, match=r"Expected \.tif for samples of type float32"):
            Picture(torch.zeros(1, 2, 2), "float32").save(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_tiff_is_refused(tmp_path, dtype):
    with pytest.raises(ValueError, match=r"a\.tif, with samples of \d+ bits"):
        Picture.open(tiff(tmp_path / "a.tif", np.zeros((H, W), dtype)))


ORIENTED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("tag", ORIENTED)
def test_orientation_tag_of_tiff(tmp_path, tag, dtype, compression):
    stored = drawn(dtype, H, W)
    Image.fromarray(stored).save(tmp_path / "a.tif", compression=compression, tiffinfo={274: tag})
    picture = Picture.open(tmp_path / "a.tif")
    expected = ORIENTED[tag](stored) / (1 if dtype == "float32" else np.iinfo(dtype).max)
    torch.testing.assert_close(picture.pixels[0], torch.from_numpy(expected.astype(np.float32)))
    assert picture.dtype == dtype
    picture.save(tmp_path / "b.tif")
    torch.testing.assert_close(Picture.open(tmp_path / "b.tif").pixels, picture.pixels)


def test_stack_is_refused_and_a_preview_is_not(tmp_path):
    stored = drawn("uint8", 3, H, W)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack")
    with pytest.raises(ValueError, match=r"a\.tif, a stack, .* of 3 pages"):
        Picture.open(tmp_path / "a.tif")
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(stored[0], metadata=None)
        file.write(stored[0, ::2, ::2], subfiletype=1, metadata=None)
    assert Picture.open(tmp_path / "b.tif").pixels.shape == (1, H, W)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_animation_is_refused(tmp_path, suffix):
    frames = [Image.fromarray(frame) for frame in drawn("uint8", 2, H, W, 3)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"one picture; got .* holds 2 of them"):
        Picture.open(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("tag", [1, 6])
def test_few_bits_are_widened(tmp_path, bits, white, tag):
    levels = np.arange(H * W).reshape(H, W) % 2**bits
    top = 2**bits - 1
    per_byte = 8 // bits
    packed = sum(levels[:, k::per_byte] << (8 - bits * (k + 1)) for k in range(per_byte))
    write_packed(tmp_path / "a.tif", packed.astype(np.uint8), bits, white, tag)
    picture = Picture.open(tmp_path / "a.tif")
    expected = ORIENTED[tag](levels / top if white else 1 - levels / top).copy()
    torch.testing.assert_close(picture.pixels[0], torch.from_numpy(expected).float())
    assert picture.dtype == "uint8"


def write_packed(path, rows, bits, black_is_zero, orientation):
    """Write a grey TIFF by hand: rows of bytes that hold samples of less than 8 bits."""
    tags = [
        (256, W),
        (257, H),
        (258, bits),
        (259, 1),
        (262, black_is_zero),
        (273, 8),
        (274, orientation),
        (277, 1),
        (278, H),
        (279, rows.size),
    ]
    entries = b"".join(
        number.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
        for number, value in tags
    )
    offset = 8 + rows.size + rows.size % 2
    head = b"II*\0" + offset.to_bytes(4, "little")
    data = rows.tobytes() + b"\0" * (rows.size % 2)
    path.write_bytes(head + data + len(tags).to_bytes(2, "little") + entries + bytes(4))


def test_white_is_zero_in_16_bits(tmp_path):
    stored = drawn("uint16", H, W)
    picture = Picture.open(tiff(tmp_path / "a.tif", stored, photometric="miniswhite"))
    expected = 1 - stored.astype(np.float64) / 65535
    torch.testing.assert_close(picture.pixels[0], torch.from_numpy(expected).float())
    with pytest.raises(ValueError, match="white where it is 0, of type float32"):
        Picture.open(tiff(tmp_path / "b.tif", drawn("float32", H, W), photometric="miniswhite"))


MODES = {
    # mode: the mode in which its values are read, or None where it is refused
    "1": "L",
    "L": "L",
    "LA": "LA",
    "P": "RGB",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "I;16": "I;16",
    "CMYK": None,
    "YCbCr": None,
    "LAB": None,
}
HOLDS = {
    ".tif": MODES.keys(),
    ".png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    ".jpg": ("CMYK",),
    ".bmp": ("1", "L", "P", "RGB"),
    ".ppm": ("1", "L", "RGB", "I;16"),
}
CASES = [(suffix, mode) for suffix, modes in HOLDS.items() for mode in modes]


@pytest.mark.parametrize(("suffix", "mode"), CASES)
def test_modes_of_pillow(tmp_path, suffix, mode):
    image = made(mode)
    image.save(tmp_path / f"a{suffix}")
    if MODES[mode] is None:
        with pytest.raises(ValueError, match=r"whose colours are|channels, of which"):
            Picture.open(tmp_path / f"a{suffix}")
        return
    expected = np.atleast_3d(np.asarray(image if mode == "I;16" else image.convert(MODES[mode])))
    picture = Picture.open(tmp_path / f"a{suffix}")
    planes = [*picture.pixels] + ([] if picture.alpha is None else [picture.alpha])
    top = 65535 if mode == "I;16" else 255
    assert np.array_equal(np.rint(np.stack(planes, -1) * top), expected)
    picture.save(tmp_path / f"b{suffix}")
    assert torch.equal(Picture.open(tmp_path / f"b{suffix}").pixels, picture.pixels)


def made(mode):
    """An image of a mode of Pillow."""
    noise = drawn("uint8", H, W, 4)
    if mode == "I;16":
        return Image.fromarray(drawn("uint16", H, W))
    if mode == "P":
        return Image.fromarray(noise[..., :3]).quantize(16)
    if mode == "1":
        return Image.fromarray(noise[..., 0] > 127)
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (W, H), noise[..., :channels].tobytes())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_comes_back(tmp_path, channels):
    stored = drawn("uint16", H, W, channels)
    tiff(tmp_path / "a.tif", stored[..., 0] if channels == 1 else stored)
    Picture.open(tmp_path / "a.tif").save(tmp_path / "a.png")
    picture = Picture.open(tmp_path / "a.png")
    assert picture.dtype == "uint16"
    picture.save(tmp_path / "b.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif").reshape(stored.shape), stored)


def test_transparent_colour_of_a_16_bit_png(tmp_path):
    stored = drawn("uint16", H, W, 3)
    tiff(tmp_path / "a.tif", stored)
    Picture.open(tmp_path / "a.tif").save(tmp_path / "a.png")
    whole, key = (tmp_path / "a.png").read_bytes(), b"tRNS" + stored[2, 3].astype(">u2").tobytes()
    chunk = (6).to_bytes(4, "big") + key + zlib.crc32(key).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(whole[:33] + chunk + whole[33:])
    alpha = Picture.open(tmp_path / "a.png").alpha
    assert alpha[2, 3] == 0
    assert alpha.sum() == H * W - 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tiff_with_the_colours_of_jpeg(tmp_path, mode):
    Image.new(mode, (32, 16), 200 if mode == "L" else (200, 100, 50)).save(
        tmp_path / "a.tif", compression="jpeg"
    )
    mean = Picture.open(tmp_path / "a.tif").pixels.mean((1, 2)) * 255
    expected = torch.tensor([200.0, 100.0, 50.0][: len(mean)])
    torch.testing.assert_close(mean, expected, rtol=0, atol=2)


def test_16_bit_colour_in_pnm_is_refused(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(range(12)))
    with pytest.raises(ValueError, match=r"8-bit colour in a PNM file; got .*a\.ppm"):
        Picture.open(tmp_path / "a.ppm")


def test_lacking_pixels_are_not_black(tmp_path):
    source = tiff(tmp_path / "a.tif", np.ones((32, 32), np.uint8), rowsperstrip=8)
    with tifffile.TiffFile(source, mode="r+b") as file:
        counts = file.pages[0].tags["StripByteCounts"]
        counts.overwrite((256, 256, 0, 256))
    with pytest.raises(ValueError, match="lacks some of its pixels"):
        Picture.open(source)


def test_further_channels_are_refused(tmp_path):
    for channels in (2, 4, 5):
        tifffile.imwrite(
            tmp_path / "a.tif",
            drawn("uint8", H, W, channels),
            photometric="minisblack",
            planarconfig="contig",
        )
        with pytest.raises(ValueError, match=f"with {channels} channels"):
            Picture.open(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_damaged_tiff_is_refused_by_name(tmp_path, compression):
    source = tiff(
        tmp_path / "a.tif", drawn("int16", 20, 30, levels=(0, 99)), compression=compression
    )
    whole = source.read_bytes()
    for length in range(4, len(whole) - 1, 13):
        source.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a\.tif"):
            Picture.open(source)
