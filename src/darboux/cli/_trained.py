"""What ``darboux denoise`` and ``darboux certify`` do with a trained run."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import typer
from torch import nn

from darboux.cli._errors import OF_VERDICTS
from darboux.data import Picture, noisy
from darboux.data._files import write_text
from darboux.data._folder import image_files
from darboux.data._patches import check_sigma
from darboux.training._config import DenoiseConfig
from darboux.training._evaluation import certify_denoiser, in_tiles, psnr
from darboux.training._evaluation import denoise as denoised
from darboux.training._regularizer_config import RegularizerConfig
from darboux.training._run_folder import RunFolder
from darboux.training._setup import build_network

_DOCUMENT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Certificate</title>
{body}
</html>
"""

Config = DenoiseConfig | RegularizerConfig

_TILE = 768  # pixels: some 100 MB for each feature map of the default network


def denoise_pictures(
    run: Path,
    image: Path,
    out: Path,
    *,
    noise: float | None,
    levels: tuple[float, float] | None,
    overwrite: bool,
) -> None:
    """Denoise an image, or each of a folder as if it were alone."""
    pairs = pairs_of(image, out)
    for source, target in pairs:
        check_output(source, target, overwrite=overwrite)
    if noise is not None:
        check_sigma(noise / 255)
    config, network = _trained(run)

    def work(source: Path, target: Path) -> None:
        _denoise(config, network, Picture.open(source, levels=levels), target, noise)

    each_picture(image, pairs, work)


def each_picture(
    image: Path, pairs: Sequence[tuple[Path, Path]], work: Callable[[Path, Path], None]
) -> None:
    """Work on a picture, or on all of a folder; those that are refused are named at the end."""
    refused: dict[str, ValueError] = {}
    for source, target in pairs:
        try:
            work(source, target)
        except ValueError as error:
            if not image.is_dir():
                raise
            refused[source.name] = error
    if refused:
        raise ValueError(
            f"Expected pictures in {image}; got {len(refused)} of {len(pairs)} that were passed "
            f"over: {', '.join(refused)}. Of the first: {next(iter(refused.values()))}"
        )


def pairs_of(image: Path, out: Path) -> list[tuple[Path, Path]]:
    """Return which file is read and which is written."""
    if image.is_dir():
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(
                f"Expected a folder for --out, since {image} is one; got the file {out}."
            )
        return [(file, out / file.name) for file in image_files(image)]
    return [(image, out / image.name if out.is_dir() else out)]


def _denoise(
    config: Config, network: nn.Module, picture: Picture, out: Path, noise: float | None
) -> None:
    """Denoise a picture, write it and say so."""
    pixels = picture.pixels
    if noise is not None:
        pixels = noisy(pixels, sigma=noise / 255, seed=config.seed)
    function = partial(denoised, network, channels=config.channels)
    if isinstance(config, DenoiseConfig):
        halo, step = config.reach(), config.shuffle
        result = in_tiles(function, pixels, tile=_TILE, halo=halo, step=step)
    else:
        result = function(pixels)
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.with_pixels(result).save(out)
    height, width = result.shape[1:]
    typer.echo(f"{out}: {width} x {height} pixels")
    if noise is not None:
        before, after = psnr(pixels, picture.pixels), psnr(result, picture.pixels)
        typer.echo(f"PSNR {before:.2f} dB with the noise, {after:.2f} dB denoised")


def certify_run(run: Path, *, effort: str, json: Path | None, html: Path | None) -> None:
    """Certify the network of a run; print the certificate, write it, and exit by its verdict."""
    for path in filter(None, (json, html)):
        _check_certificate(run, path)
    config, network = _trained(run)
    certificate = certify_denoiser(
        network, channels=config.channels, sigma=config.sigma, effort=effort
    )
    try:
        typer.echo(str(certificate))
    finally:  # files are written though nobody reads what is printed
        if json is not None:
            write_text(json, certificate.to_json())
        if html is not None:
            write_text(html, _DOCUMENT.format(body=certificate.to_html()))
    raise typer.Exit(OF_VERDICTS[certificate.verdict])


def _trained(run: Path) -> tuple[Config, nn.Module]:
    """Return the settings and the network of a run."""
    folder = RunFolder(run)
    config = folder.load_config()
    network = build_network("model", config)
    folder.load_weights("model", network)
    return config, network.eval()


def check_output(image: Path, out: Path, *, overwrite: bool) -> None:
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


def _check_certificate(run: Path, path: Path) -> None:
    """Refuse to write a certificate over what the run consists of, and make its folder."""
    own = RunFolder(run)
    if path.exists() and path.parent.samefile(run) and path.name != own.certificate.name:
        raise FileExistsError(
            f"Expected a file for the certificate; got {path}, which belongs to the run. Choose "
            "another name."
        )
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file for the certificate; got the folder {path}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):  # said now, not after minutes of attacks
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))
