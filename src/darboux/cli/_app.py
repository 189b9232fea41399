"""The command line, put together from its commands."""

from __future__ import annotations

import typer

from darboux.cli._train import train_denoise
from darboux.cli._trained import certify, denoise

app = typer.Typer(
    name="darboux",
    help="Neural networks whose mathematical structure holds by construction, with a certificate.",
    epilog="Exit codes: 0 done, 1 a claim was refuted, 2 bad input, 3 the certificate is "
    "undecided, 70 an error of the program.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
"""The typer application behind ``darboux``."""

_train = typer.Typer(help="Train a network into a run folder.", no_args_is_help=True)

_train.command("denoise")(train_denoise)

app.add_typer(_train, name="train")

app.command("denoise")(denoise)

app.command("certify")(certify)


def main() -> None:
    """Run the command line.

    Example:
        >>> from typer.testing import CliRunner
        >>> CliRunner().invoke(app, ["--help"]).exit_code
        0
    """
    app()
