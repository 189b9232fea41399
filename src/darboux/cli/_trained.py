"""``darboux denoise`` and ``darboux certify``: commands on a trained run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

from darboux.cli._errors import OF_VERDICTS, one_line_errors
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
    levels: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Values of black and white in the image; needed for integers with a sign or of 32 "
            "bits, and for floats beyond [0, 1].",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace --out if it exists.")
    ] = False,
) -> None:
    """Denoise an image with the nonexpansive network of a run.

    A network of one channel treats the channels of a colour image one by one. The type of the
    samples is kept: any in TIFF, 8 and 16 bits in PNG; other formats hold 8 bits. So is
    transparency, where the format of --out can hold it. The input is never changed.
    """
    _check_output(image, out, overwrite=overwrite)
    config, network = _trained(run)
    picture = Picture.open(image, levels=levels)
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

    The network is rebuilt from config.json and model.safetensors. Exit codes: 0 the certificate
    holds, 1 a claim was refuted, 2 bad input, 3 undecided: the certificate says what is missing.
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
    raise typer.Exit(OF_VERDICTS[certificate.verdict])


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
