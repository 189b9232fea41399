"""Random noisy patches: batch k of seed s is the same on every machine and process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

_MIX = (0x85EBCA6B, 0xC2B2AE35)  # odd, so that multiplication permutes the 32-bit numbers

_WORD = 0xFFFFFFFF

_LARGEST = torch.finfo(torch.float32).max / 16  # normal numbers stay below 16


class Patches:
    """Batches of clean patches x and their noisy versions x + σn, indexed by step.

    An image is drawn, each with the same probability whatever its size, then one of its
    patches, which is turned and mirrored by a random symmetry of the square. Everything random
    about sample i of step k comes from (seed, k·batch + i), so that a run that is resumed, or
    spread over several processes, sees the same numbers; a process computes its own samples only.

    Args:
        images: name to image, (channels, H, W) each.
        patch: side of the patches in pixels.
        batch: number of patches per step, over all processes.
        sigma: standard deviation of the noise, in the units of the images.
        seed: the seed s.

    Raises:
        ValueError: if an image is smaller than the patch, there is no image, the numbers of
            channels differ, a number is not positive, or a pixel is not finite.
        TypeError: if an image is no tensor of floating point.

    Example:
        >>> patches = Patches({"noise": torch.rand(1, 40, 50)}, patch=16, batch=4, sigma=0.1)
        >>> x, clean = patches.batch_at(7)
        >>> x.shape, clean.shape
        (torch.Size([4, 1, 16, 16]), torch.Size([4, 1, 16, 16]))
        >>> torch.equal(patches.batch_at(7, part=1, parts=2)[0], x[2:])
        True
    """

    def __init__(
        self,
        images: Mapping[str, Tensor],
        *,
        patch: int,
        batch: int,
        sigma: float,
        seed: int = 0,
    ) -> None:
        check_sigma(sigma)
        _check_images(images, patch, batch)
        self.patch, self.batch, self.sigma, self.seed = patch, batch, sigma, seed
        shapes = torch.tensor([image.shape[1:] for image in images.values()])
        heights, self._widths = shapes.unbind(1)
        self._columns = self._widths - patch + 1
        self._places = (heights - patch + 1) * self._columns
        sizes = heights * self._widths
        self._offsets = sizes.cumsum(0) - sizes
        self._pixels = torch.cat([image.flatten(1) for image in images.values()], 1)
        self._rows, self._cols = _turns(patch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over the batches of step 0, 1, 2, ... without end."""
        step = 0
        while True:
            yield self.batch_at(step)
            step += 1

    def batch_at(self, step: int, *, part: int = 0, parts: int = 1) -> tuple[Tensor, Tensor]:
        """Return (noisy, clean) of one step, or one process' equal share of it.

        Args:
            step: the step k >= 0.
            part: which share, 0 <= part < parts.
            parts: into how many shares the batch is cut; it must divide the batch.

        Returns:
            Two tensors of shape (batch/parts, channels, patch, patch).

        Raises:
            ValueError: if the batch cannot be cut into equal shares.
        """
        if self.batch % parts:
            raise ValueError(
                f"Expected a global batch that {parts} processes share equally; got "
                f"{self.batch}. Use a multiple of {parts}."
            )
        share = self.batch // parts
        first = step * self.batch + part * share
        return self._samples(first, share)

    def _samples(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Return (noisy, clean) of the samples first ... first + count - 1."""
        channels, generator = len(self._pixels), torch.Generator()
        noise = torch.empty(count, channels, self.patch, self.patch)
        draws = torch.empty(count, 3, dtype=torch.int64)
        top = torch.iinfo(torch.int64).max
        for i in range(count):
            generator.manual_seed(_mixed(self.seed, first + i))
            draws[i].random_(0, top, generator=generator)
            noise[i].normal_(generator=generator)
        image = draws[:, 0] % len(self._places)
        clean = self._gather(image, draws[:, 1] % self._places[image], draws[:, 2] % 8)
        return torch.add(clean, noise, alpha=self.sigma), clean

    def _gather(self, image: Tensor, place: Tensor, turn: Tensor) -> Tensor:
        """Return patches by their numbers, turned: three times (n,) -> (n, channels, p, p)."""
        y, x = place // self._columns[image], place % self._columns[image]
        rows = y[:, None, None] + self._rows[turn]
        cols = x[:, None, None] + self._cols[turn]
        index = self._offsets[image][:, None, None] + rows * self._widths[image][:, None, None]
        return self._pixels[:, index + cols].transpose(0, 1).contiguous()


def _turns(patch: int) -> tuple[Tensor, Tensor]:
    """Return row and column numbers of a patch after each of the 8 symmetries of the square."""
    line = torch.arange(patch)
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"))
    turned = [torch.rot90(grid, k, (1, 2)) for k in range(4)]
    both = torch.stack(turned + [grid.flip(2) for grid in turned])
    return both[:, 0], both[:, 1]


def _mixed(seed: int, number: int) -> int:
    """Return a 32-bit seed, different for each number of one run, by a bijective hash."""
    # torch's CPU generator keeps 32 bits of a seed, so a plain sum would make the samples of
    # neighbouring seeds the same ones, shifted.
    word = _hash(number & _WORD) ^ _hash((seed * 2 + 1) & _WORD)
    return _hash(word)


def _hash(word: int) -> int:
    """Return a bijective mix of the bits of a 32-bit number (murmur3's finalizer)."""
    word ^= word >> 16
    word = (word * _MIX[0]) & _WORD
    word ^= word >> 13
    word = (word * _MIX[1]) & _WORD
    return word ^ (word >> 16)


def _check_images(images: Mapping[str, Tensor], patch: int, batch: int) -> None:
    """Refuse images and sizes that no batch can be drawn from."""
    if patch < 1 or batch < 1:
        raise ValueError(f"Expected patch >= 1 and batch >= 1; got patch={patch}, batch={batch}.")
    if not images:
        raise ValueError("Expected at least one image; got none.")
    for name, image in images.items():
        if not isinstance(image, Tensor) or not image.is_floating_point():
            kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(
                f"Expected images that are tensors of floating point, in [0, 1]; got {kind} for "
                f"{name}. Use torch.as_tensor(array) / 255, for instance."
            )
        if not image.isfinite().all():
            raise ValueError(f"Expected finite pixels; got NaN or infinite ones in {name}.")
    channels = {image.shape[0] for image in images.values() if image.ndim == 3}
    if len(channels) != 1 or any(image.ndim != 3 for image in images.values()):
        raise ValueError(
            "Expected images of shape (channels, H, W) with one number of channels; got "
            f"{sorted({tuple(image.shape) for image in images.values()})}."
        )
    for name, image in images.items():
        if min(image.shape[1:]) < patch:
            raise ValueError(
                f"Expected images of at least {patch} x {patch} pixels; got {name}, which has "
                f"{image.shape[1]} x {image.shape[2]}. Remove it, or use a smaller patch."
            )


def noisy(image: Tensor, *, sigma: float, seed: int) -> Tensor:
    """Return image + σ·n with n standard normal, fixed by the seed and the shape.

    The result is not clipped to [0, 1].

    Args:
        image: (*, channels, H, W).
        sigma: standard deviation of the noise, in the units of the image.
        seed: the same seed gives the same noise, on every device.

    Raises:
        ValueError: if `sigma` is not a positive number, or so large that pixels overflow.

    Example:
        >>> flat = torch.full((1, 200, 200), 0.5)
        >>> round(float(noisy(flat, sigma=0.1, seed=0).std()), 2)
        0.1
    """
    check_sigma(sigma)
    generator = torch.Generator().manual_seed(seed)
    result = image + sigma * torch.randn(image.shape, generator=generator).to(image)
    if not result.isfinite().all():
        raise ValueError(
            "Expected finite pixels with the noise; got NaN or infinite ones for "
            f"sigma = {sigma:g} in {image.dtype}. Use a smaller sigma, and pixels in [0, 1]."
        )
    return result


def check_sigma(sigma: float) -> None:
    """Refuse a noise level that is not positive, or whose noise float32 cannot hold."""
    if not 0 < sigma < _LARGEST:
        raise ValueError(
            f"Expected a noise level that float32 holds, sigma > 0; got {sigma:g}. "
            "Use for instance 25/255 for pixels in [0, 1] (--sigma 25 on the command line)."
        )
