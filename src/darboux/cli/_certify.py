"""``darboux certify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from darboux.cli._errors import REFUTED, one_line_errors
from darboux.cli._options import Effort
from darboux.training._certificates import certify_denoiser
from darboux.training._files import write_text
from darboux.training._networks import build_network
from darboux.training._run_folder import RunFolder


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
    folder = RunFolder(run)
    config = folder.load_config()
    network = build_network("model", config)
    folder.load_weights("model", network)
    certificate = certify_denoiser(
        network.eval(), channels=config.channels, sigma=config.sigma, effort=effort
    )
    typer.echo(str(certificate))
    if json is not None:
        write_text(json, certificate.to_json())
    if html is not None:
        write_text(html, certificate.to_html())
    if not certificate.holds:
        raise typer.Exit(REFUTED)
