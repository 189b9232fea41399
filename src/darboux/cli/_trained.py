"""``darboux denoise`` and ``darboux certify``: commands on a trained run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

from darboux.cli._errors import REFUTED, one_line_errors
from darboux.cli._options import Effort
from darboux.data import Picture, noisy
from darboux.training._config import DenoiseConfig
from darboux.training._evaluation import certify_denoiser, in_tiles, psnr
from darboux.training._evaluation import denoise as denoised
from darboux.training._files import write_text
from darboux.training._run_folder import RunFolder
from darboux.training._setup import build_network

_DOCUMENT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Certificate</title>
{body}
</html>
"""

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
    _check_output(image, out, overwrite=overwrite)
    config, network = _trained(run)
    picture = Picture.open(image)
    pixels = picture.pixels
    if noise is not None:
        pixels = noisy(pixels, sigma=noise / 255, seed=config.seed)
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


@one_line_errors
def certify(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    effort: Effort = "normal",
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the certificate as JSON, too.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the certificate as HTML, too.")
    ] = None,
) -> None:
    """Attack every claim of a trained network on photographs, and print what was found.

    The network is rebuilt from config.json and model.safetensors. Exit code 1 means that a claim
    was refuted.
    """
    config, network = _trained(run)
    certificate = certify_denoiser(
        network, channels=config.channels, sigma=config.sigma, effort=effort
    )
    typer.echo(str(certificate))
    if json is not None:
        write_text(json, certificate.to_json())
    if html is not None:
        write_text(html, _DOCUMENT.format(body=certificate.to_html()))
    if not certificate.holds:
        raise typer.Exit(REFUTED)


def _trained(run: Path) -> tuple[DenoiseConfig, nn.Module]:
    """Return the settings and the nonexpansive network of a run."""
    folder = RunFolder(run)
    config = folder.load_config()
    network = build_network("model", config)
    folder.load_weights("model", network)
    return config, network.eval()


def _check_output(image: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse to overwrite the input, or another file without --overwrite."""
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
