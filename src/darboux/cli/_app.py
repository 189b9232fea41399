"""The command line, put together from its commands."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from darboux.cli._commands import certify, denoise, reconstruct
from darboux.cli._errors import exit_code

_UNHEARD = logging.NullHandler()


class _Program(TyperGroup):
    """Commands that end with one of our exit codes, whatever happens."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *unused: Any,
        **unused_too: Any,
    ) -> Any:
        del unused, unused_too
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # it may lack letters of file names, or our σ
                stream.reconfigure(errors="backslashreplace")
        # It tells of damaged files what we say in our own words.
        logging.getLogger("tifffile").addHandler(_UNHEARD)
        arguments = sys.argv[1:] if args is None else list(args)
        raise SystemExit(exit_code(lambda: self._run(arguments, prog_name or "darboux")))

    def _run(self, arguments: list[str], name: str) -> None:
        with self.make_context(name, arguments) as context:
            self.invoke(context)


class _Trainings(TyperGroup):
    """The commands whose options are settings of a training, built when one of them is asked for.

    The settings need torch, which takes seconds to import.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return ["denoise", "regularizer"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        from darboux.cli._train import command

        alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        alone.command(cmd_name)(command(cmd_name))
        return typer.main.get_command(alone)


app = typer.Typer(
    name="darboux",
    cls=_Program,
    help="Neural networks whose mathematical structure holds by construction, with a certificate.",
    epilog="Exit codes: 0 done, 1 a claim was refuted, 2 bad input, 3 the certificate is "
    "undecided, 70 an error of the program.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
"""The typer application behind ``darboux``."""


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"darboux {version('darboux')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version, and exit."
        ),
    ] = False,
) -> None:
    """Take what stands before the name of a command."""
    del version


_train = typer.Typer(cls=_Trainings, no_args_is_help=True)


@_train.callback()
def _train_options() -> None:
    """Train a network into a run folder."""


app.add_typer(_train, name="train")

app.command("denoise")(denoise)

app.command("reconstruct")(reconstruct)

app.command("certify")(certify)


def main() -> None:
    """Run the command line.

    Example:
        >>> from typer.testing import CliRunner
        >>> CliRunner().invoke(app, ["--help"]).exit_code
        0
    """
    app()
