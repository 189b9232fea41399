"""How commands end: exit codes, and one line on stderr, on one process of a training."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import typer

from darboux._ending import ALONE, BAD_INPUT, INTERRUPTED, NO_READER, drop_output, one_line, told

OF_VERDICTS = {"holds": 0, "refuted": 1, "undecided": 3}

_Usage: type[Exception] = typer.BadParameter.__mro__[1]  # the only one of its kind that typer names


def exit_code(run: Callable[[], object]) -> int:
    """Run the program, and return the code to end with; whatever stopped it is told in one line."""
    try:
        run()
    except typer.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, typer.Abort) as error:
        _say(f"Interrupted. {error}".strip())
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # rich exits where nobody reads
        drop_output()
        return NO_READER
    except _Usage as error:
        _say(_usage(error))
        return BAD_INPUT
    except Exception as error:
        line, code = told(error)
        _say(line)
        return code
    return 0


def _usage(error: Exception) -> str:
    """Return what is wrong with the options; nothing where the help has been shown instead."""
    context, text = getattr(error, "ctx", None), one_line(getattr(error, "message", ""))
    if not text and type(error).__name__ == "NoArgsIsHelpError":
        return ""
    text = one_line(error.format_message())  # type: ignore[attr-defined]
    return (
        f"Error: {text.rstrip('.')}. Try: {context.command_path if context else 'darboux'} --help"
    )


def _say(text: str) -> None:
    """Print a line on stderr, unless another process of the training has."""
    if not text or (ALONE not in text and _said_elsewhere(text)):
        return
    rank = os.environ.get("RANK", "0")
    with suppress(OSError):
        typer.echo(text if rank == "0" else f"[process {rank}] {text}", err=True)


def _said_elsewhere(text: str) -> bool:
    """Return whether another process of the training has had the same to say."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return False
    try:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=5))
        return store.add(f"{os.environ.get('TORCHELASTIC_RESTART_COUNT')} {text}", 1) > 1
    except Exception:  # whatever it is, the line has to be said
        return False
