"""Run an experiment into a folder: figures, metrics and report, all of them or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from reproductions.common.report import to_html
from reproductions.common.result import METRICS, Result
from reproductions.table import experiment_named

REPORT = "report.html"


def reproduce(
    name: str,
    out: str | Path,
    *,
    quick: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    data: str | Path | None = None,
) -> Result:
    """Run an experiment and write its figures, ``metrics.json`` and ``report.html``.

    The state of torch's random numbers is the same before and after. A `RefutedError` comes when
    everything has been written; after any other error nothing has been.

    Example:
        >>> reproduce("figure", "runs/figure")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: Expected an experiment among activity-recognition, ...; got 'figure'.
    """
    experiment = experiment_named(name)
    source = {} if data is None else {"data": Path(data)}
    if source and not experiment.data:
        raise ValueError(f"Expected no data, for {name} needs none; got {data}. Leave out --data.")
    name = name.replace("_", "-")
    about = {"experiment": name, "quick": quick, "seed": seed}
    with _written(Path(out), overwrite=overwrite) as folder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            result = experiment.run(folder, quick=quick, seed=seed, **source)
        result.write(folder, about)
        page = to_html(result.title, {name: result})
        (folder / REPORT).write_text(page, encoding="utf-8")
    result = result.in_folder(Path(out))
    result.require()
    return result


@contextmanager
def _written(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder whose files move to `out` at the end, unless something is raised."""
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
    if not (out / METRICS).is_file():
        raise FileExistsError(
            f"Expected a new or empty folder, or one that holds an experiment; got {out}, which "
            "holds other files. Nothing was written: choose another folder with --out."
        )
    if not overwrite:
        raise FileExistsError(
            f"Expected a new folder; got {out}, which already holds an experiment. Nothing was "
            "written: use --overwrite to replace it, or choose another folder with --out."
        )
