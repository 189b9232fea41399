"""Folders of images."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from darboux.data._pictures import SUFFIXES, Picture, in_channels


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
    files = image_files(Path(directory))
    return {file.name: _read(file, colour=colour, smallest=smallest) for file in files}


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder by their names; see `image_folder`."""
    if not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder of images; got {folder}. Check the path.")
    files = sorted(file for file in folder.iterdir() if _is_image(file))
    if not files:
        raise ValueError(
            f"Expected images in {folder}; got none that ends in {', '.join(SUFFIXES)}. "
            "Subfolders are not searched: name the folder that holds the files."
        )
    return files


def _is_image(file: Path) -> bool:
    """Return whether a file counts as an image, by its name."""
    return file.is_file() and file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


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
