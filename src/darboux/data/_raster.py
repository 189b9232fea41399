"""The samples that PNG, JPEG, BMP, WebP and PNM files store, of up to 16 bits."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

Array = NDArray[Any]

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF")

# Pillow's 8-bit modes, and what holds all that they hold.
_PLAIN = {"1": "L", "L": "L", "La": "L", "LA": "L", "P": "RGB", "PA": "RGB"}
_PLAIN |= {"RGB": "RGB", "RGBA": "RGB", "RGBa": "RGB"}


class Samples(NamedTuple):
    """What a file stores, upright: (1 or 3, H, W), and transparency (H, W) of the same type."""

    planes: Array
    alpha: Array | None = None


def read_raster(path: Path) -> Samples:
    """Return the samples of a file that Pillow decodes."""
    with Image.open(path, formats=_FORMATS) as file:
        # The first picture of an MPO is the photograph, the others are made from it.
        if file.format != "MPO" and getattr(file, "n_frames", 1) > 1:
            raise ValueError(f"Expected one picture; got {path}, which holds {_frames(file)}.")
        arguments = file.tile[0].args
        if file.format == "PNG" and str(arguments).endswith(";16B"):
            return _deep_png(path, file)
        if file.format == "PPM" and file.mode == "RGB" and _top(arguments) > 255:
            raise ValueError(
                f"Expected 8-bit colour in a PNM file; got {path}, with more bits, which Pillow "
                "rounds to 8. Save it as PNG or TIFF."
            )
        return _samples(path, ImageOps.exif_transpose(file))


def _frames(file: Image.Image) -> str:
    return f"{getattr(file, 'n_frames', 1)} of them. Save each as a file of its own"


def _top(arguments: object) -> int:
    """Return the largest value of a PNM file that Pillow decodes value by value."""
    return int(arguments[1]) if isinstance(arguments, tuple) else 255


def _samples(path: Path, image: Image.Image) -> Samples:
    """Return the samples of a decoded image."""
    if image.mode.startswith("I"):  # 16-bit grey; "I" where Pillow widens it
        return Samples(np.asarray(image).astype(np.uint16)[None])
    if image.mode == "F":
        return Samples(np.asarray(image)[None])
    if image.mode not in _PLAIN:
        raise ValueError(
            f"Expected grey or red, green and blue; got {path}, whose colours are {image.mode}. "
            "Convert it to RGB with a program that knows its colour profile."
        )
    plain, alpha = _PLAIN[image.mode], None
    if image.has_transparency_data:
        image = image.convert("RGBA" if plain == "RGB" else "LA")
        alpha = np.asarray(image.getchannel("A"))
    array = np.asarray(image.convert(plain))
    return Samples(np.moveaxis(np.atleast_3d(array), -1, 0), alpha)


def _deep_png(path: Path, file: ImageFile.ImageFile) -> Samples:
    """Return the samples of a 16-bit PNG, of which Pillow gives the upper bytes only."""
    raw, key = str(file.tile[0].args), file.info.get("transparency")
    if raw == "LA;16B":  # as many bytes as 8-bit RGBA
        array = np.ascontiguousarray(_unpacked(path, "RGBA")).view(">u2")
    elif raw == "I;16B":
        array = np.asarray(ImageOps.exif_transpose(file)).astype(np.uint16)[..., None]
    else:  # read as little-endian, the upper byte is the lower one
        upper, lower = (_unpacked(path, raw[:-1] + order).astype(np.uint16) for order in "BL")
        array = upper * 256 + lower
    planes = np.moveaxis(array, -1, 0).astype(np.uint16)
    if len(planes) in (2, 4):
        return Samples(planes[:-1], planes[-1])
    if key is None:
        return Samples(planes)
    opaque = (planes != np.reshape(key, (-1, 1, 1))).any(0)
    return Samples(planes, opaque.astype(np.uint16) * np.uint16(65535))


def _unpacked(path: Path, raw: str) -> Array:
    """Return the bytes of a PNG file, (H, W, channels), its pixels taken for those of `raw`."""
    with Image.open(path) as file:
        file.tile = [file.tile[0]._replace(args=raw)]
        return np.asarray(ImageOps.exif_transpose(file))


def raster_bytes(array: Array, suffix: str) -> bytes:
    """Return the file of (H, W, channels): 8 bits, or 16 as PNG or grey PNM."""
    if array.dtype == np.uint16 and suffix == ".png":
        return _png(array)
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    buffer = io.BytesIO()
    image.save(buffer, Image.registered_extensions()[suffix])
    return buffer.getvalue()


def _png(array: Array) -> bytes:
    """Return a 16-bit PNG; Pillow writes no other than grey."""
    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = array.astype(">u2").reshape(height, -1).view(np.uint8)
    unfiltered = np.pad(rows, ((0, 0), (1, 0)))  # every row begins with the number of its filter
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(unfiltered.tobytes())),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
