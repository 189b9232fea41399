"""How commands end: exit codes, and one line on stderr instead of a traceback for bad input."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import typer

_P = ParamSpec("_P")

_R = TypeVar("_R")

OF_VERDICTS = {"holds": 0, "refuted": 1, "undecided": 3}

_BAD_INPUT = 2

_INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h

# What the library raises for what a person got wrong, or a disk, or a training that diverged.
_EXPECTED = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)


def one_line_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Wrap a command so that bad input ends it with one clear line and exit code 2.

    Whatever else goes wrong is a fault of the program: its traceback, and exit code 70.
    """

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except _EXPECTED as error:
            _end(error)
        except KeyboardInterrupt:
            _end_interrupted()
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            typer.echo(f"{traceback.format_exc()}Error: this was not expected.", err=True)
            raise typer.Exit(_INTERNAL_ERROR) from error

    return wrapped


def _end(error: Exception) -> NoReturn:
    """Print what was wrong, on one process, and exit."""
    if _is_main():
        typer.echo(f"Error: {_text(error)}", err=True)
    raise typer.Exit(_BAD_INPUT) from error


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
    """Return whether this is the main process, the only one that prints."""
    return int(os.environ.get("RANK", "0")) == 0
