"""The commands on a trained run, as they are called; what they do is imported when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Effort = Annotated[
    Literal["quick", "normal", "thorough"],
    typer.Option(help="How hard the certificate attacks."),
]

Run = Annotated[Path, typer.Argument(help="Folder of a trained run.")]


def denoise(
    *,
    run: Run,
    image: Annotated[
        Path,
        typer.Argument(help="Image to denoise, of any size, grey or colour; or a folder of them."),
    ],
    out: Annotated[
        Path, typer.Option(help="File to write; or the folder to write to, under the same names.")
    ],
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
        bool, typer.Option("--overwrite", help="Replace what exists under these names.")
    ] = False,
) -> None:
    """Denoise an image with the nonexpansive network of a run, or every image of a folder.

    A network of one channel treats the channels of a colour image one by one. The type of the
    samples is kept: any in TIFF, 8 and 16 bits in PNG; other formats hold 8 bits. So is
    transparency, where the format of --out can hold it. The input is never changed. An image of
    a folder that cannot be denoised is passed over, and named at the end.
    """
    from darboux.cli._trained import denoise_pictures

    denoise_pictures(run, image, out, noise=noise, levels=levels, overwrite=overwrite)


def certify(
    *,
    run: Run,
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
    from darboux.cli._trained import certify_run

    certify_run(run, effort=effort, json=json, html=html)
