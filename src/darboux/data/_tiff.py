"""The samples of a TIFF file of one page, whatever their type."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tifffile import (
    COMPRESSION,
    EXTRASAMPLE,
    PHOTOMETRIC,
    TiffFile,
    TiffFileError,
    TiffPage,
    imwrite,
)

from darboux.data._raster import Array, Samples, read_raster

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_CHANNELS: dict[int, int] = {
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
}

# What tifffile and its codecs raise for a damaged file.
_DAMAGED = (
    TiffFileError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
)


def is_tiff(path: Path) -> bool:
    """Return whether a file begins as TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


def read_tiff(path: Path) -> Samples:
    """Return the samples of a file of one page."""
    try:
        with TiffFile(path) as file:
            reason = next(_obstacles(file), None)
            samples = None if reason else _samples(path, file.pages[0].aspage())
    except _DAMAGED as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    if samples is None:
        raise ValueError(f"Expected one grey or red, green and blue picture; got {path}, {reason}.")
    return samples


def _obstacles(file: TiffFile) -> Iterator[str]:
    """Yield why a file is no picture of ours, and what to do."""
    # Counted, since an iteration over pages that follow themselves has no end.
    pages = [file.pages[i].aspage() for i in range(len(file.pages))]
    page = file.pages[0].aspage()
    count = sum(not page.is_reduced for page in pages)  # previews do not count
    if count != 1 or math.prod(file.series[0].shape) != math.prod(page.shape):
        yield f"a stack, {file.series[0].shape}, of {count} pages. Save each as a file of its own"
    if page.size > 6 * (Image.MAX_IMAGE_PIXELS or math.inf):
        yield f"of shape {page.shape}. Cut it into pieces"
    if len(page.databytecounts) != math.prod(page.chunked) or 0 in page.databytecounts:
        yield "which lacks some of its pixels. Save it again"
    kind = None if page.dtype is None else page.dtype.kind
    if kind not in ("b", "u", "i", "f") or page.bitspersample not in (1, 2, 4, 8, 16, 32, 64):
        what = f"{page.bitspersample} bits and format {page.sampleformat}"
        yield f"with samples of {what}. Convert them to integers of 8 or 16 bits, or to floats"
    ordinary = page.dtype in (np.bool_, np.uint8, np.uint16)
    if page.photometric not in _CHANNELS and not _is_jpeg_colour(page):
        yield f"whose colours are {page.photometric!s}. Convert it to RGB, by its colour profile"
    if page.photometric == PHOTOMETRIC.MINISWHITE and not ordinary:
        yield f"white where it is 0, of type {page.dtype}. Save it with black 0"
    channels, extra = _CHANNELS.get(page.photometric, 3), page.extrasamples
    if page.samplesperpixel != channels + len(extra) or extra not in (
        (),
        (EXTRASAMPLE.UNASSALPHA,),
    ):
        what = f"{page.samplesperpixel} channels, of which beyond colour {list(map(str, extra))}"
        yield f"with {what}. Keep 1 or 3 channels, and at most one of unassociated alpha"
    if extra and not ordinary and kind != "f":
        yield f"with transparency of type {page.dtype}. Save it without, or with 16 bits"


def _is_jpeg_colour(page: TiffPage) -> bool:
    """Return whether colours are stored as in JPEG, and decoded to red, green and blue."""
    return page.photometric == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG


def _samples(path: Path, page: TiffPage) -> Samples:
    """Return the samples of a page, upright, white the largest."""
    try:
        array = page.asarray()
    except (ValueError, NotImplementedError):  # a codec that tifffile lacks, or damage
        if not _is_read_by_pillow(page):
            raise
        return read_raster(path)
    if page.photometric == PHOTOMETRIC.PALETTE:
        array = _coloured(page, array)
    elif page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    planes = _upright(page, np.moveaxis(_full_range(page, np.atleast_3d(array)), -1, 0))
    return Samples(planes[:-1], planes[-1]) if page.extrasamples else Samples(planes)


def _is_read_by_pillow(page: TiffPage) -> bool:
    """Return whether Pillow decodes all that the page stores."""
    # Pillow 13 scrambles whole bytes that are not compressed where the image is to be turned.
    if page.compression == COMPRESSION.NONE and page.bitspersample >= 8:
        return False
    grey = page.samplesperpixel == 1 and page.photometric != PHOTOMETRIC.MINISWHITE
    return page.dtype in (np.bool_, np.uint8) or (grey and page.dtype in (np.uint16, np.float32))


def _coloured(page: TiffPage, numbers: Array) -> Array:
    """Return (H, W, 3) of numbers of colours."""
    if page.colormap is None:
        raise ValueError("no palette")
    return np.moveaxis(page.colormap[:, numbers] >> 8, 0, -1).astype(np.uint8)


def _full_range(page: TiffPage, array: Array) -> Array:
    """Return samples that use the range of their type, 0 black."""
    if page.photometric != PHOTOMETRIC.PALETTE and page.bitspersample < 8:
        array = array.astype(np.uint8) * np.uint8(255 // (2**page.bitspersample - 1))
    return ~array if page.photometric == PHOTOMETRIC.MINISWHITE else array


def _upright(page: TiffPage, planes: Array) -> Array:
    """Return (channels, H, W), turned as the orientation tag says."""
    turn = page.tags.valueof(274, default=1) - 1
    if turn not in range(8):
        return planes
    flips: tuple[tuple[int, ...], ...] = ((), (-1,), (-2, -1), (-2,))
    return np.flip(planes.swapaxes(-2, -1) if turn >= 4 else planes, flips[turn % 4])


def tiff_bytes(array: Array) -> bytes:
    """Return the file of (H, W, channels), the last of 2 or 4 channels for transparency."""
    channels = array.shape[-1]
    buffer = io.BytesIO()
    imwrite(
        buffer,
        array if channels > 1 else array[..., 0],
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        metadata=None,
    )
    return buffer.getvalue()
