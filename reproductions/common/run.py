"""Run an experiment into a folder: figures, numbers, report."""

from __future__ import annotations

from pathlib import Path

import torch

from darboux.training._files import write_json, write_text
from reproductions.common.folder import NUMBERS, REPORT, written
from reproductions.common.report import to_html
from reproductions.common.result import Result
from reproductions.common.table import experiment_named


def reproduce(
    name: str,
    out: str | Path,
    *,
    quick: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    data: str | Path | None = None,
) -> Result:
    """Run an experiment and write its figures, ``numbers.json`` and ``report.html``.

    The state of torch's random numbers is the same before and after.

    Args:
        name: of the experiment, a key of `EXPERIMENTS`.
        out: the folder, new or empty.
        quick: smaller sizes, the same statements.
        seed: of weights and data.
        overwrite: whether the files of an earlier experiment in the folder may be replaced.
        data: the folder that the experiment reads, where it needs one: `Experiment.data`.

    Raises:
        ValueError: if there is no such experiment, or it needs no data, or other; nothing is
            written.
        FileExistsError: if the folder holds something; nothing is written.
        NotADirectoryError: if the folder is a file.
        RefutedError: if a statement does not hold; everything has been written by then.

    Example:
        >>> reproduce("figure", "runs/figure")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: Expected an experiment among approximate-equivariance, ...; got 'figure'.
    """
    experiment = experiment_named(name)
    source = {} if data is None else {"data": Path(data)}
    if source and not experiment.data:
        raise ValueError(f"Expected no data, for {name} needs none; got {data}. Leave out --data.")
    about = {"experiment": name.replace("_", "-"), "quick": quick, "seed": seed}
    with written(out, overwrite=overwrite) as folder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            result = experiment.run(folder, quick=quick, seed=seed, **source)
        write_json(folder / NUMBERS, {**about, **result.to_dict()})
        write_text(folder / REPORT, to_html(result))
    result = result.in_folder(Path(out))
    result.require()
    return result
