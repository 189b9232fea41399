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
    """Denoise an image with the network of a run, or every image of a folder.

    A network of one channel treats the channels of a colour image one by one. The type of the
    samples is kept: any in TIFF, 8 and 16 bits in PNG; other formats hold 8 bits. So is
    transparency, where the format of --out can hold it. The input is never changed. An image of
    a folder that cannot be denoised is passed over, and named at the end.
    """
    from darboux.cli._trained import denoise_pictures

    denoise_pictures(run, image, out, noise=noise, levels=levels, overwrite=overwrite)


def reconstruct(
    *,
    run: Annotated[Path, typer.Argument(help="Folder of a run of darboux train regularizer.")],
    image: Annotated[
        Path,
        typer.Argument(help="Picture of the data, grey or colour; or a folder of them."),
    ],
    physics: Annotated[
        str,
        typer.Option(
            help="What made the data of the image: denoising, blur:STD (in pixels), "
            "downsampling:FACTOR, or inpainting:MASK.png (white where there are data)."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="File to write; or the folder to write to, under the same names.")
    ],
    weight: Annotated[
        float, typer.Option(min=0.0, help="Of the regulariser; less for data with less noise.")
    ] = 1.0,
    tol: Annotated[
        float, typer.Option(help="Of the residual, relative to the data; in (0, 1).")
    ] = 1e-4,
    max_iter: Annotated[int, typer.Option(min=1, help="The most iterations.")] = 1000,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate", help="Take the picture for the image: make data of it, and tell the PSNR."
        ),
    ] = False,
    noise: Annotated[
        float | None,
        typer.Option(
            help="Add noise of this standard deviation to simulated data, on the scale 0 ... 255."
        ),
    ] = None,
    levels: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Values of black and white in the picture; needed for integers with a sign or of "
            "32 bits, and for floats beyond [0, 1].",
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", help="Write the certificate of the reconstruction as JSON, too."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what exists under these names.")
    ] = False,
) -> None:
    """Reconstruct an image from indirect data with the regulariser of a run, or a whole folder.

    The image minimises ‖A x - y‖² / 2 + weight · R(x), with the operator A of --physics and the
    data y. Where that did not converge, which is said, the best image so far is written and the
    exit code is 3. A regulariser of one channel treats the channels of a colour picture one by one.
    """
    from darboux.cli._reconstruct import Task, reconstruct_pictures

    options = {"weight": weight, "tol": tol, "max_iter": max_iter}
    task = Task(physics=physics, options=options, noise=noise, simulate=simulate, json=json)
    reconstruct_pictures(run, image, out, task, levels=levels, overwrite=overwrite)


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
