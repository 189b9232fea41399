"""Files that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: another name in the same folder, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write_through(temporary, content)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, _sentence(path, error)) from error
    _sync_folder(path.parent)


def write_text(path: Path, content: str) -> None:
    """Replace a text file atomically, in UTF-8; see `write_bytes`."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically; see `write_bytes`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"Expected JSON in {path}; got something else ({error}). "
            "The file is damaged or foreign: restore it, or start in a new folder."
        ) from error


def _write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system lets folders be synchronised."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse it; the rename itself is done
        pass
    finally:
        os.close(handle)


def _sentence(path: Path, error: OSError) -> str:
    """Return what happened to a write, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"No space is left on the disk for {path}; what stood there before is untouched. "
            "Free some space and continue with --resume."
        )
    return f"{path} cannot be written ({error.strerror}); what stood there before is untouched."
