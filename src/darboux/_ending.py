"""How a program ends: exit codes, and one line instead of a traceback."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from importlib.metadata import version

BAD_INPUT = 2

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h

INTERRUPTED = 130  # what shells say of a program that SIGINT ended

NO_READER = 141  # and of one that SIGPIPE ended

ALONE = "Expected to reach the other processes of this training"

# What the library raises for what a person got wrong, or a disk, or a training that diverged.
_EXPECTED = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)


def told(error: Exception) -> tuple[str, int]:
    """Return the line to print about an error, and the exit code.

    The traceback of an error that is a fault of the program goes to a new file.
    """
    reason = _reason(error)
    line = one_line(f"Error: {reason or _unforeseen(error)}")
    return line, BAD_INPUT if reason else INTERNAL_ERROR


def _reason(error: Exception) -> str:
    """Return why the program could not go on, or nothing where it is its own fault."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        named = error.filename and str(error.filename) not in error.strerror
        return f"{error.filename}: {error.strerror}" if named else error.strerror
    if isinstance(error, _EXPECTED):
        return text or type(error).__name__
    if isinstance(error, MemoryError) or "not enough memory" in text or "out of memory" in text:
        return "There is not enough memory for this. Use smaller sizes or pictures."
    if type(error).__name__.startswith("Dist") or "gloo/transport" in text or "NCCL" in text:
        said = text.rpartition("] ")[2].partition(". ")[0]
        return (
            f"{ALONE}; got: {said}. One has ended, or cannot be reached. See what it said, and go "
            "on with --resume."
        )
    return ""


def _unforeseen(error: Exception) -> str:
    """Write the traceback to a new file, and return what happened and where that is."""
    about = f"darboux {version('darboux')}, {platform.platform()}, Python {sys.version}"
    content = f"{about}\n{sys.argv}\n{''.join(traceback.format_exception(error))}"
    what = f"{type(error).__name__}: {error}. This is a fault of the program"
    try:
        with tempfile.NamedTemporaryFile(prefix="darboux-", suffix=".log", delete=False) as file:
            file.write(content.encode(errors="backslashreplace"))
    except OSError:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{what}, in line {place.lineno} of {place.filename}; no log could be written."
    return f"{what}: please report it with {file.name}, which says where."


def one_line(text: str) -> str:
    """Return a text without line breaks and what else a terminal would obey."""
    shown = (c if c.isprintable() else f"\\x{ord(c):02x}" for c in " ".join(text.split()))
    return "".join(shown)


def drop_output() -> None:
    """Keep Python from telling on its way out that nobody reads."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
