"""``darboux denoise``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from darboux.cli._errors import one_line_errors
from darboux.data import Picture, noisy
from darboux.training._evaluation import denoise as denoised
from darboux.training._evaluation import in_tiles, psnr
from darboux.training._networks import build_network
from darboux.training._run_folder import RunFolder

_TILE = 768  # pixels: some 100 MB for each feature map of the default network


@one_line_errors
def denoise(
    *,
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    image: Annotated[Path, typer.Argument(help="Image to denoise, of any size, grey or colour.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    noise: Annotated[
        float | None,
        typer.Option(
            help="First add Gaussian noise of this standard deviation, on the scale 0 ... 255, "
            "and tell the PSNR before and after."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace --out if it exists.")
    ] = False,
) -> None:
    """Denoise an image with the nonexpansive network of a run.

    A network of one channel treats the channels of a colour image one by one. Bit depth and
    transparency are kept where the format of --out can hold them; the input is never changed.
    """
    _check(image, out, overwrite=overwrite)
    folder = RunFolder(run)
    config = folder.load_config()
    network = build_network("model", config)
    folder.load_weights("model", network)
    picture = Picture.open(image)
    pixels = picture.pixels
    if noise is not None:
        pixels = noisy(pixels, sigma=noise / 255, seed=config.seed)
    network.eval()
    result = in_tiles(
        partial(denoised, network, channels=config.channels),
        pixels,
        tile=_TILE,
        halo=config.reach(),
        step=config.shuffle,
    )
    picture.with_pixels(result).save(out)
    height, width = result.shape[1:]
    typer.echo(f"{out}: {width} x {height} pixels")
    if noise is not None:
        before, after = psnr(pixels, picture.pixels), psnr(result, picture.pixels)
        typer.echo(f"PSNR {before:.2f} dB with the noise, {after:.2f} dB denoised")


def _check(image: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse to write over the input, or over another file that nobody gave up."""
    if not out.exists():
        return
    if image.exists() and out.samefile(image):
        raise FileExistsError(
            f"Expected another name than the input's for --out; got {out}. Choose a new name."
        )
    if not overwrite:
        raise FileExistsError(
            f"Expected a new name for --out; got {out}, which exists. Use --overwrite to replace "
            "it, or choose another name."
        )
