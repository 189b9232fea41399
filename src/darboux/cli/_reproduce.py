"""``darboux reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from darboux.cli._errors import REFUTED, one_line_errors
from reproductions import EXPERIMENTS, RefutedError
from reproductions import reproduce as reproduced

_NAMES = "; ".join(f"{name}: {experiment.summary}" for name, experiment in EXPERIMENTS.items())

_DATA = "; ".join(f"{name}: {each.data}" for name, each in EXPERIMENTS.items() if each.data)


@one_line_errors
def reproduce(
    *,
    name: Annotated[str, typer.Argument(help=f"Name of the experiment. {_NAMES}.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to.", show_default="runs/NAME"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Smaller sizes, the same statements.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of random weights and data.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help=f"Folder to read. {_DATA}.", show_default="none"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads.", show_default="torch's choice")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier experiment in --out.")
    ] = False,
) -> None:
    """Run one of the paper's experiments: figures, numbers, and a report.

    The folder gets PNG pictures, numbers.json and report.html. Exit code 1 means that the
    experiment found something else than the paper says.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    folder = Path("runs") / name if out is None else out
    try:
        result = reproduced(name, folder, quick=quick, seed=seed, overwrite=overwrite, data=data)
    except RefutedError as error:
        typer.echo(f"{error}\nReport: {folder / 'report.html'}")
        raise typer.Exit(REFUTED) from error
    typer.echo(f"{result}\nReport: {folder / 'report.html'}")
