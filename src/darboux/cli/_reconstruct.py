"""What ``darboux reconstruct`` does with a trained run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from torch import Tensor

from darboux.cli._errors import OF_VERDICTS
from darboux.cli._trained import check_output, each_picture, pairs_of
from darboux.data import Picture, noisy
from darboux.data._files import write_text
from darboux.data._patches import check_sigma
from darboux.imaging import Blur, Downsampling, Inpainting, Prior, reconstruct
from darboux.linear import LinearMap
from darboux.training._evaluation import psnr
from darboux.training._load import load


@dataclass(frozen=True)
class Task:
    """How pictures are to be reconstructed."""

    physics: str
    options: dict[str, Any]
    noise: float | None
    simulate: bool
    json: Path | None


def reconstruct_pictures(
    run: Path,
    image: Path,
    out: Path,
    task: Task,
    *,
    levels: tuple[float, float] | None,
    overwrite: bool,
) -> None:
    """Reconstruct an image from a picture of data, or each of a folder as if it were alone."""
    pairs = pairs_of(image, out)
    for source, target in pairs:
        check_output(source, target, overwrite=overwrite)
    if task.noise is not None:
        check_sigma(task.noise / 255)
        if not task.simulate:
            raise ValueError("Expected --noise beside --simulate, to make data; got it alone.")
    if task.json is not None and len(pairs) > 1:
        raise ValueError("Expected one picture for --json; got a folder of them. Leave it out.")
    prior = load(run).model
    if not isinstance(prior, Prior):
        raise ValueError(  # noqa: TRY004 - of a folder, not of an argument
            f"Expected the run of a regularizer; got {run}, which holds a denoiser. Use: darboux "
            "train regularizer, or darboux denoise."
        )
    made = _maker(task.physics)
    ends = [True]

    def work(source: Path, target: Path) -> None:
        ends.append(_reconstruct(prior, made, Picture.open(source, levels=levels), target, task))

    each_picture(image, pairs, work)
    if not all(ends):
        raise typer.Exit(OF_VERDICTS["undecided"])


def _reconstruct(
    prior: Prior,
    made: Callable[[Tensor], LinearMap | None],
    picture: Picture,
    out: Path,
    task: Task,
) -> bool:
    """Reconstruct a picture, write it and say so; return whether the method converged."""
    clean = _split(picture.pixels, prior.channels)
    physics, data = made(clean), clean
    if task.simulate:
        data = clean if physics is None else physics(clean)
        if task.noise is not None:
            data = noisy(data, sigma=task.noise / 255, seed=0)
    found = reconstruct(physics, prior, data, **task.options)
    result = found.image.reshape(-1, *found.image.shape[2:])
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.with_pixels(result).save(out)
    height, width = result.shape[1:]
    steps = len(found.history["residual"]) - 1
    typer.echo(f"{out}: {width} x {height} pixels, {found.status} in {steps} iterations")
    if task.simulate:
        typer.echo(f"PSNR {psnr(result, picture.pixels):.2f} dB")
    if task.json is not None:
        write_text(task.json, found.certificate.to_json())
    return found.status == "converged"


def _split(pixels: Tensor, channels: int) -> Tensor:
    """Return a batch of images with as many channels as the prior takes."""
    if channels == 1:
        return pixels[:, None]
    return pixels.expand(channels, -1, -1)[None]


def _maker(text: str) -> Callable[[Tensor], LinearMap | None]:
    """Return data -> operator, of what --physics says."""
    name, _, value = text.partition(":")
    try:
        if name == "denoising" and not value:
            return lambda data: None
        if name == "blur":
            std = float(value)
            return lambda data: _blur(std, data)
        if name == "downsampling":
            factor = int(value)
            return lambda data: Downsampling(factor, channels=data.shape[1])
    except ValueError:
        name = ""
    if name == "inpainting" and value:
        mask = Picture.open(Path(value)).pixels.mean(0) > 0.5
        return lambda data: Inpainting(mask, channels=data.shape[1])
    raise ValueError(
        "Expected --physics denoising, blur:STD, downsampling:FACTOR or inpainting:MASK.png; got "
        f"{text!r}. STD is in pixels, FACTOR an integer, and the mask white where data are."
    )


def _blur(std: float, data: Tensor) -> Blur:
    """Return a Gaussian blur of the data's channels, whose kernel is no larger than they are."""
    if 8 * std >= min(data.shape[2:]):
        size = " x ".join(map(str, data.shape[:1:-1]))
        raise ValueError(
            f"Expected --physics blur:STD with 8 STD below the size of the picture; got "
            f"STD {std:g} and {size} pixels."
        )
    return Blur.gaussian(std, channels=data.shape[1])
