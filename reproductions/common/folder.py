"""The folder that an experiment writes to: all of its files at once, or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NUMBERS = "numbers.json"
REPORT = "report.html"


@contextmanager
def written(out: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder whose files move to `out` at the end, unless something is raised.

    Args:
        out: the folder, new or empty.
        overwrite: whether the files of an earlier experiment may be replaced.

    Raises:
        NotADirectoryError: if the path is a file.
        FileExistsError: if the folder holds an experiment and `overwrite` is False, or
            anything else.

    Example:
        >>> out = Path(tempfile.mkdtemp()) / "energy"
        >>> with written(out) as folder:
        ...     _ = (folder / "numbers.json").write_text("{}")
        >>> [path.name for path in out.iterdir()]
        ['numbers.json']
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(
            f"Expected a folder to write to; got the file {out}. Choose another folder with --out."
        )
    if out.is_dir() and any(out.iterdir()):
        _require_ours(out, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        yield Path(temporary)
        out.mkdir(exist_ok=True)
        for file in sorted(Path(temporary).iterdir()):
            os.replace(file, out / file.name)


def _require_ours(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder whose files nobody gave up."""
    if not (out / NUMBERS).is_file():
        raise FileExistsError(
            f"Expected a new or empty folder, or one that holds an experiment; got {out}, which "
            "holds other files. Nothing was written: choose another folder with --out."
        )
    if not overwrite:
        raise FileExistsError(
            f"Expected a new folder; got {out}, which already holds an experiment. Nothing was "
            "written: use --overwrite to replace it, or choose another folder with --out."
        )
