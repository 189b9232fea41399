"""Image files and folders: pixels in [0, 1], with the type and the range that files store."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from darboux.data._files import write_bytes
from darboux.data._raster import Array, raster_bytes, read_raster
from darboux.data._tiff import is_tiff, read_tiff, tiff_bytes

# Luminance of linear-light primaries, Rec. 709; scikit-image's rgb2gray uses the same.
_LUMINANCE = (0.2125, 0.7154, 0.0721)

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm")

_TIFF = (".tif", ".tiff")

_ORDINARY = ("uint8", "uint16")  # types whose range is 0 ... 2^bits - 1


@dataclass(frozen=True)
class Picture:
    """An image with its transparency and the type of number that its file holds.

    The value v of a file is the pixel (v - low)/(high - low): `levels` = (low, high) become
    black, 0, and white, 1. They are (0, 255) and (0, 65535) for unsigned integers and (0, 1) for
    floating point; other integers, and floats beyond [0, 1], have no range of their own. Bilevel
    images, palettes and samples of 2 or 4 bits are widened to 8.

    Args:
        pixels: (channels, H, W), float32, 1 (grey) or 3 (red, green, blue) channels.
        dtype: "uint8", "uint16", or another type of integer or floating point.
        levels: the stored values (low, high) of black and white; None for those of the type.
        alpha: (H, W) in [0, 1], or None; it is carried along unchanged.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "scan.tif"
        >>> hounsfield = torch.tensor([[[-1024.0, 0.0, 1023.0]]])
        >>> Picture((hounsfield + 1024) / 2047, "int16", (-1024, 1023)).save(file)
        >>> scan = Picture.open(file, levels=(-1024, 1023))
        >>> scan.pixels.min(), scan.pixels.max(), scan.dtype
        (tensor(0.), tensor(1.), 'int16')
    """

    pixels: Tensor
    dtype: str = "uint8"
    levels: tuple[float, float] | None = None
    alpha: Tensor | None = None

    def __post_init__(self) -> None:
        if self.levels is None and self.dtype not in _ORDINARY and "float" not in self.dtype:
            raise ValueError(
                f"Expected levels=(low, high) for samples of type {self.dtype}; got None. Say "
                "which values are black and white, as levels=(-1024, 3071)."
            )

    @staticmethod
    def open(path: str | Path, *, levels: tuple[float, float] | None = None) -> Picture:
        """Read a picture, upright, from PNG, JPEG, TIFF, BMP, WebP or PNM.

        Args:
            path: the file.
            levels: the values of black and white in the file; None for those of its type.
                Pixels beyond them are kept as they are.

        Raises:
            ValueError: if the file is no image, is truncated or corrupt, has a NaN, more than
                one page, other colours than grey or RGB, or samples whose range must be told.
            FileNotFoundError: if there is no such file.
        """
        path = Path(path)
        if not path.is_file():
            message = f"Expected an image file; got {path}, which does not exist or is a folder."
            raise FileNotFoundError(message)
        try:
            samples = read_tiff(path) if is_tiff(path) else read_raster(path)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"Expected a readable image; got {path}, which cannot be decoded ({error}). Repair "
                "or remove the file, or convert it to PNG, JPEG, TIFF, BMP, WebP or PNM."
            ) from error
        low, high = _range(path, samples.planes, levels)
        pixels, dtype = _unit(samples.planes, low, high), samples.planes.dtype
        alpha = None if samples.alpha is None else _unit(samples.alpha, 0.0, _white(dtype))
        return Picture(pixels, dtype.name, (low, high), alpha)

    def save(self, path: str | Path) -> None:
        """Write the picture, in its own type where the format holds it, else with 8 bits.

        TIFF holds every type, PNG 8 and 16 bits, PNM 16 bits of grey; transparency is dropped
        where there is no place for it. Integers are rounded and clipped to their type.

        Args:
            path: the file; its suffix names the format.

        Raises:
            ValueError: if the suffix names no known format, or one that cannot hold the type, or
                a pixel is not finite.
            OSError: if the disk is full; a file that stood there before is untouched.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(
                f"Expected an image name ending in one of {', '.join(SUFFIXES)}; got {path.name}. "
                "Use for instance .png."
            )
        if self.dtype not in _ORDINARY and suffix not in _TIFF:
            raise ValueError(
                f"Expected .tif for samples of type {self.dtype}; got {path.name}. Use .tif, or "
                "make a Picture of 8 or 16 bits of the pixels."
            )
        if not self.pixels.isfinite().all():
            raise ValueError(
                f"Expected finite pixels; got NaN or infinite values for {path}. Nothing was "
                "written: look where they come from."
            )
        write_bytes(path, self._encoded(suffix))

    def _encoded(self, suffix: str) -> bytes:
        """Return the bytes of the file."""
        if suffix in _TIFF:
            return tiff_bytes(self._stored(self.dtype, alpha=True))
        deep = suffix == ".png" or (suffix in (".ppm", ".pgm") and len(self.pixels) == 1)
        dtype = self.dtype if deep else "uint8"
        return raster_bytes(self._stored(dtype, alpha=suffix in (".png", ".webp")), suffix)

    def with_pixels(self, pixels: Tensor) -> Picture:
        """Return the same picture with other pixels."""
        return replace(self, pixels=pixels)

    def _stored(self, dtype: str, *, alpha: bool) -> Array:
        """Return (H, W, channels) as a file stores them."""
        whole = (0.0, _white(np.dtype(dtype)))
        levels = whole if self.levels is None or dtype != self.dtype else self.levels
        planes = [_typed(plane, dtype, *levels) for plane in self.pixels]
        if alpha and self.alpha is not None:
            planes.append(_typed(self.alpha, dtype, *whole))
        return np.stack(planes, -1)


def _white(dtype: np.dtype[Any]) -> float:
    """Return the largest value of a type of integer, or 1."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def _range(path: Path, planes: Array, levels: tuple[float, float] | None) -> tuple[float, float]:
    """Return the values of black and white, checked."""
    if not np.isfinite(planes).all():
        raise ValueError(
            f"Expected finite pixels; got {path}, which holds NaN or infinite values. "
            "Remove or repair the file."
        )
    least, most = float(planes.min()), float(planes.max())
    unit = planes.dtype.kind == "f" and least >= 0 and most <= 1
    if levels is None and (unit or planes.dtype.name in _ORDINARY):
        return 0.0, _white(planes.dtype)
    what = f"{path}, of type {planes.dtype.name} with values {least:g} ... {most:g}"
    if levels is None:
        raise ValueError(
            f"Expected integers of 8 or 16 bits without sign, or floats in [0, 1]; got {what}. Say "
            "which values are black and white: Picture.open(path, levels=(low, high)), or "
            "--levels LOW HIGH on the command line."
        )
    low, high = levels
    # Pixels in float32 tell steps of 2^-24 of a value apart, so these integers come back.
    told = planes.dtype.kind == "f" or max(high - low, abs(least - low), abs(most - low)) < 2**23
    if not (math.isfinite(low) and math.isfinite(high) and low < high and told):
        raise ValueError(
            "Expected levels low < high, for integers less than 2^23 away from each other and "
            f"from every value; got {levels} for {what}. Choose other levels."
        )
    return low, high


def _unit(planes: Array, low: float, high: float) -> Tensor:
    """Return stored values as pixels, in float32."""
    wide = np.float32 if planes.dtype.name in _ORDINARY else np.float64
    unit = np.subtract(planes, low, dtype=wide) / (high - low)
    return torch.from_numpy(np.ascontiguousarray(unit, np.float32))


def _typed(plane: Tensor, dtype: str, low: float, high: float) -> Array:
    """Return pixels as stored values; integers are rounded and clipped."""
    values = low + plane.detach().cpu().double().numpy() * (high - low)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    ends = np.iinfo(dtype)
    return values.round().clip(ends.min, ends.max).astype(dtype)


def grey(pixels: Tensor) -> Tensor:
    """Return the luminance 0.2125 R + 0.7154 G + 0.0721 B of (3, H, W), or grey unchanged.

    Args:
        pixels: (1, H, W) or (3, H, W).

    Returns:
        (1, H, W).

    Example:
        >>> grey(torch.ones(3, 2, 2)).allclose(torch.ones(1, 2, 2))
        True
    """
    if len(pixels) == 1:
        return pixels
    weights = torch.tensor(_LUMINANCE, dtype=pixels.dtype, device=pixels.device)
    return torch.einsum("c,chw->hw", weights, pixels)[None]


def in_channels(pixels: Tensor, *, colour: bool) -> Tensor:
    """Return three channels, or the luminance."""
    return pixels.expand(3, -1, -1).contiguous() if colour else grey(pixels)
