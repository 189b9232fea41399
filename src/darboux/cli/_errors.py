"""Bad input becomes one line on stderr and exit code 2, never a traceback."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import typer

P = ParamSpec("P")

R = TypeVar("R")

REFUTED = 1

BAD_INPUT = 2

# What the library raises for what a person got wrong, or a disk, or a training that diverged.
_EXPECTED = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that bad input ends it with one clear line and exit code 2.

    Args:
        command: the function behind a command.

    Example:
        >>> @one_line_errors
        ... def command() -> None:
        ...     raise ValueError("Expected sigma > 0; got 0.")
        >>> try:
        ...     command()
        ... except typer.Exit as end:
        ...     end.exit_code
        2
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except _EXPECTED as error:
            _end(error)
        except KeyboardInterrupt:
            _end_interrupted()

    return wrapped


def _end(error: Exception) -> NoReturn:
    """Print what was wrong, on one process, and exit."""
    if _is_main():
        typer.echo(f"Error: {_text(error)}", err=True)
    raise typer.Exit(BAD_INPUT) from error


def _end_interrupted() -> NoReturn:
    """Say how to go on, and exit as an interrupted program does."""
    if _is_main():
        typer.echo("Interrupted. Continue with --resume.", err=True)
    raise typer.Exit(130)


def _text(error: Exception) -> str:
    """Return the message of an error on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename and str(error.filename) not in text:
        text = f"{error.filename}: {text}"
    return " ".join(text.split())


def _is_main() -> bool:
    """Return whether this process is the one that speaks."""
    return int(os.environ.get("RANK", "0")) == 0
