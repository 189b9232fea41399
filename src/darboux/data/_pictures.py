"""Image files and folders: pixels in [0, 1], with bit depth and transparency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

# Luminance of linear-light primaries, Rec. 709; scikit-image's rgb2gray uses the same.
_LUMINANCE = (0.2125, 0.7154, 0.0721)

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm")

_DEEP = (".png", ".tif", ".tiff", ".pgm")  # formats that hold 16-bit grey


@dataclass(frozen=True)
class Picture:
    """An image with its bit depth and its transparency, as a file holds them.

    16-bit colour is read with 8 bits, because Pillow decodes no more.

    Args:
        pixels: (channels, H, W), float32 in [0, 1], 1 (grey) or 3 (red, green, blue)
            channels. A float file keeps its own values.
        bits: 8, 16, or 32 for floating point.
        alpha: (H, W) in [0, 1], or None; it is carried along unchanged.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "ramp.png"
        >>> Picture(torch.linspace(0, 1, 256).view(1, 16, 16)).save(file)
        >>> Picture.open(file).pixels.shape, Picture.open(file).bits
        (torch.Size([1, 16, 16]), 8)
    """

    pixels: Tensor
    bits: int = 8
    alpha: Tensor | None = None

    @staticmethod
    def open(path: str | Path) -> Picture:
        """Read a picture, upright, from any format that Pillow knows.

        Args:
            path: the file.

        Raises:
            ValueError: if the file is no image, is truncated or corrupt, or has a NaN.
            FileNotFoundError: if there is no such file.
        """
        path = Path(path)
        if not path.is_file():
            message = f"Expected an image file; got {path}, which does not exist or is a folder."
            raise FileNotFoundError(message)
        try:
            with Image.open(path) as file:
                picture = _decode(ImageOps.exif_transpose(file))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"Expected a readable image; got {path}, which Pillow cannot decode ({error}). "
                "Remove or repair the file."
            ) from error
        if not picture.pixels.isfinite().all():
            raise ValueError(
                f"Expected finite pixels; got {path}, which holds NaN or infinite values. "
                "Remove or repair the file."
            )
        return picture

    def save(self, path: str | Path) -> None:
        """Write the picture, at its own bit depth where the format holds it, else with 8 bits.

        Args:
            path: the file; its suffix names the format.

        Raises:
            ValueError: if the suffix names no known format.
        """
        path = Path(path)
        if path.suffix.lower() not in _SUFFIXES:
            raise ValueError(
                f"Expected an image name ending in one of {', '.join(_SUFFIXES)}; got {path.name}. "
                "Use for instance .png."
            )
        _encode(self, path.suffix.lower()).save(path)

    def with_pixels(self, pixels: Tensor) -> Picture:
        """Return the same picture with other pixels."""
        return replace(self, pixels=pixels)


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


def _decode(image: Image.Image) -> Picture:
    """Return the picture of a decoded file."""
    if image.mode.startswith("I"):
        array = np.asarray(image).astype(np.float32) / 65535
        return Picture(torch.from_numpy(array)[None], 16)
    if image.mode == "F":
        return Picture(torch.from_numpy(np.array(image, dtype=np.float32))[None], 32)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA" if image.mode in ("P", "RGB", "RGBA", "PA") else "LA")
        alpha = _unit(image.getchannel("A"))
    colour = image.mode not in ("1", "L", "LA", "La")
    return Picture(_planes(image.convert("RGB" if colour else "L")), 8, alpha)


def _planes(image: Image.Image) -> Tensor:
    """Return (channels, H, W) in [0, 1] of an 8-bit image."""
    pixels = _unit(image)
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def _unit(image: Image.Image) -> Tensor:
    """Return the bytes of an image, divided by 255."""
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255)


def _encode(picture: Picture, suffix: str) -> Image.Image:
    """Return the file image of a picture: rounded to the depth that the format holds."""
    pixels = picture.pixels.detach().cpu()
    if len(pixels) == 1 and picture.bits == 32 and suffix in (".tif", ".tiff"):
        return Image.fromarray(pixels[0].float().numpy())
    if len(pixels) == 1 and picture.bits >= 16 and suffix in _DEEP:
        return Image.fromarray(_integers(pixels[0], 65535).astype(np.uint16))
    planes = list(pixels)
    if picture.alpha is not None and suffix in (".png", ".tif", ".tiff", ".webp"):
        planes.append(picture.alpha)
    array = _integers(torch.stack(planes, -1), 255).astype(np.uint8)
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def _integers(pixels: Tensor, top: int) -> np.ndarray:
    """Return pixels in [0, 1] rounded to 0 ... top, clipped."""
    return (pixels.double().clamp(0, 1) * top).round().numpy()


def image_folder(
    directory: str | Path, *, colour: bool = False, smallest: int = 1
) -> dict[str, Tensor]:
    """Read every image of a folder (not of its subfolders), in the order of their names.

    Files are images by their suffix; other files, and hidden ones, are passed over.

    Args:
        directory: the folder.
        colour: whether to keep three channels; otherwise the luminance is taken.
        smallest: the least height and width that are accepted, in pixels.

    Returns:
        Name to image, (1, H, W) or (3, H, W), in [0, 1].

    Raises:
        ValueError: if the folder has no image, or an image is corrupt or too small; the
            file is named.
        NotADirectoryError: if there is no such folder.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> Picture(torch.zeros(1, 20, 30)).save(folder / "black.png")
        >>> {name: tuple(image.shape) for name, image in image_folder(folder).items()}
        {'black.png': (1, 20, 30)}
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder of images; got {folder}. Check the path.")
    files = sorted(file for file in folder.iterdir() if _is_image(file))
    if not files:
        raise ValueError(
            f"Expected images in {folder}; got none that ends in {', '.join(_SUFFIXES)}. "
            "Subfolders are not searched: name the folder that holds the files."
        )
    return {file.name: _read(file, colour=colour, smallest=smallest) for file in files}


def _is_image(file: Path) -> bool:
    """Return whether a file counts as an image, by its name."""
    return file.is_file() and file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")


def _read(file: Path, *, colour: bool, smallest: int) -> Tensor:
    """Return one image in the wanted number of channels, refused by name if too small."""
    pixels = Picture.open(file).pixels
    if min(pixels.shape[1:]) < smallest:
        height, width = pixels.shape[1:]
        raise ValueError(
            f"Expected images of at least {smallest} x {smallest} pixels; got {file}, which has "
            f"{height} x {width}. Remove it, or use smaller patches."
        )
    return in_channels(pixels, colour=colour)
