"""Labelled images in the IDX format, that of MNIST and its successors."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

_PREFIXES = {"training": "train", "held-out": "t10k"}

_BYTES = 0x08  # the code of unsigned bytes in an IDX header


def idx_images(
    folder: str | Path, *, split: Literal["training", "held-out"] = "training"
) -> tuple[Tensor, Tensor]:
    """Return the images and labels of one side of a data set in four IDX files.

    They are named as those of MNIST and Fashion-MNIST: train-images-idx3-ubyte,
    train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, with or without .gz.
    Two of them are read.

    Args:
        folder: that holds the files.
        split: "training" (train) or "held-out" (t10k).

    Returns:
        Images (count, 1, H, W), float32 in [0, 1]; labels (count,), int64.

    Raises:
        NotADirectoryError: if there is no such folder.
        FileNotFoundError: if a file is missing; its name is told.
        ValueError: if a file is no IDX file of bytes, is truncated or too long, holds nothing,
            or there is not one label for each image; or if `split` is unknown.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3])
        >>> _ = (folder / "t10k-images-idx3-ubyte").write_bytes(header + bytes([0, 255] * 3))
        >>> _ = (folder / "t10k-labels-idx1-ubyte").write_bytes(
        ...     bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 4])
        ... )
        >>> idx_images(folder, split="held-out")
        (tensor([[[[0., 1., 0.]]], [[[1., 0., 1.]]]]), tensor([7, 4]))
    """
    if split not in _PREFIXES:
        raise ValueError(f"Expected split 'training' or 'held-out'; got {split!r}.")
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder of IDX files; got {folder}. Check the path.")
    pixels = _read(_file(folder, f"{_PREFIXES[split]}-images-idx3-ubyte"), axes=3)
    labels = _read(_file(folder, f"{_PREFIXES[split]}-labels-idx1-ubyte"), axes=1)
    if len(pixels) != len(labels):
        raise ValueError(
            f"Expected one label for each image; got {len(pixels)} images and {len(labels)} "
            f"labels in {folder}. The files belong to different data sets: replace them."
        )
    return torch.from_numpy(pixels)[:, None].float() / 255, torch.from_numpy(labels).long()


def _file(folder: Path, name: str) -> Path:
    """Return the file of that name, compressed or not."""
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise FileNotFoundError(
        f"Expected the file {name} or {name}.gz in {folder}; there is neither. Name the folder "
        "that holds the four IDX files."
    )


def _read(file: Path, *, axes: int) -> np.ndarray:
    """Return the array of an IDX file of bytes."""
    content = _content(file)
    start = 4 + 4 * axes
    if len(content) < start or content[:4] != bytes([0, 0, _BYTES, axes]):
        raise ValueError(
            f"Expected an IDX file of bytes with {axes} axes, which begins with "
            f"{bytes([0, 0, _BYTES, axes]).hex(' ')} and has a header of {start} bytes; got "
            f"{file}, which begins with {content[:4].hex(' ') or 'nothing'} and has "
            f"{len(content)} bytes. Replace the file."
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=axes, offset=4))
    wanted = math.prod(shape)
    if wanted == 0 or len(content) - start != wanted:
        raise ValueError(
            f"Expected {' x '.join(map(str, shape))} bytes after the header of {file}, and more "
            f"than none; got {len(content) - start}. The file is damaged: replace it."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _content(file: Path) -> bytes:
    """Return the bytes of a file, decompressed."""
    if file.suffix != ".gz":
        return file.read_bytes()
    try:
        with gzip.open(file) as stream:
            return stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"Expected a readable gzip file; got {file}, which is truncated or damaged ({error}). "
            "Replace the file."
        ) from error
