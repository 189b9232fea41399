"""Files written whole: the old or the new one, never half of each."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

PARTS = ".*.part"
"""Names of files that are being written, or whose writer was killed."""


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: another name in the same folder, fsync, rename."""
    target = Path(os.path.realpath(path))  # a link stays a link
    if target.exists() and not target.is_file():  # a device, or a pipe: nothing to replace
        target.write_bytes(content)
        return
    part = target.with_name(f".{target.name:.60}.{secrets.token_hex(4)}.part")
    try:
        _write_through(part, content)
        if target.exists():
            part.chmod(target.stat().st_mode & 0o777)
        os.replace(part, target)
    except OSError as error:
        raise OSError(error.errno, _sentence(path, error)) from error
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(target.parent)


def write_text(path: Path, content: str) -> None:
    """Replace a text file atomically, in UTF-8; see `write_bytes`."""
    write_bytes(path, content.encode())


def append_bytes(path: Path, content: bytes) -> None:
    """Append to a file, all of it or nothing: a failure takes back what was written."""
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                _write_all(file.fileno(), content)
            except OSError:
                file.truncate(before)
                raise
    except OSError as error:
        raise OSError(error.errno, _sentence(path, error)) from error


def _write_through(path: Path, content: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with path.open("xb", buffering=0) as file:
        _write_all(file.fileno(), content)


def _write_all(handle: int, content: bytes) -> None:
    """Write every byte, and wait until the disk has them."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


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
            "Free some space and try again; a training goes on with --resume."
        )
    return f"{path} cannot be written ({error.strerror}); what stood there before is untouched."
