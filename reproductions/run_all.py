"""Run all experiments into one folder, with a page of all of them; what is done is kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from darboux._ending import told
from reproductions.common.report import to_html
from reproductions.common.result import METRICS, RefutedError, Result
from reproductions.run import reproduce
from reproductions.table import EXPERIMENTS

INDEX = "index.html"
_TITLE = "Reproductions, "


@dataclass(frozen=True)
class Outcome:
    """What became of all experiments."""

    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # the errors of those without a result
    codes: list[int] = field(default_factory=list)  # the exit codes of these errors

    @property
    def code(self) -> int:
        """The exit code: of the worst error, else whether a statement is refuted."""
        refuted = any(not each.holds for each in self.results.values())
        return max([*self.codes, int(refuted)])


def reproduce_all(
    out: Path,
    say: Callable[[str], object],
    *,
    quick: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    data: Path | None = None,
) -> Outcome:
    """Run every experiment into a folder of its name, and write the page of all after each.

    One that fails does not keep the others from running, and one that is there with the same size
    and seed is kept.
    """
    _require_room(out, quick=quick, seed=seed, overwrite=overwrite)
    out.mkdir(parents=True, exist_ok=True)
    found = Outcome()
    for number, (name, experiment) in enumerate(EXPERIMENTS.items(), 1):
        say(f"[{number}/{len(EXPERIMENTS)}] {name} ...")
        begin, folder = time.perf_counter(), out / name
        kept = _settings(folder) == (quick, seed)
        try:
            if not kept:
                source = data if experiment.data else None
                reproduce(name, folder, quick=quick, seed=seed, overwrite=overwrite, data=source)
        except RefutedError:
            pass  # written, and read like all others
        except Exception as error:
            found.failures[name], code = told(error)
            found.codes.append(code)
        if name not in found.failures:
            found.results[name] = Result.read(folder)
        _write_index(out, found, quick=quick)
        say(f"  {_word(name, found)}{', kept' if kept else f', {_since(begin)}'}")
    return found


def _require_room(out: Path, *, quick: bool, seed: int, overwrite: bool) -> None:
    """Refuse a folder whose files nobody gave up, before anything runs."""
    if (out / INDEX).exists() and not _is_ours(out / INDEX):
        raise FileExistsError(
            f"Expected a new folder, or one that holds experiments; got {out}, which holds another "
            f"{INDEX}. Nothing was written: choose another folder with --out."
        )
    settings = {path.parent.name: _settings(path.parent) for path in _written(out)}
    other = [name for name, its in settings.items() if its != (quick, seed)]
    if other and not overwrite:
        raise FileExistsError(
            f"Expected a folder whose experiments have the same size and seed; got {out}, where "
            f"{', '.join(sorted(other))} has another, or misses files. Nothing was written: use "
            "--overwrite to replace it, or choose another folder with --out."
        )


def _is_ours(index: Path) -> bool:
    """Return whether a page is of experiments, all of which may have failed."""
    return f"<title>{_TITLE}" in index.read_text(encoding="utf-8", errors="replace")


def _written(out: Path) -> Iterator[Path]:
    return (path for path in out.glob(f"*/{METRICS}") if path.parent.name in EXPERIMENTS)


def _settings(folder: Path) -> tuple[object, object] | None:
    """Return the size and seed of the experiment that a folder holds; None and None of a part."""
    try:
        content = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        found = content["quick"], content["seed"]
        whole = all((folder / name).is_file() for name in content["figures"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return None, None
    return found if whole else (None, None)


def _write_index(out: Path, found: Outcome, *, quick: bool) -> None:
    title = f"{_TITLE}{'quick' if quick else 'full'} size"
    unfinished = out / f".{INDEX}"
    unfinished.write_text(to_html(title, found.results, found.failures), encoding="utf-8")
    os.replace(unfinished, out / INDEX)


def _word(name: str, found: Outcome) -> str:
    if name in found.failures:
        return f"FAILED: {found.failures[name]}"
    result = found.results[name]
    count, refuted = len(result.statements), len(result.refuted)
    return f"{refuted} of {count} statements REFUTED" if refuted else f"{count} statements hold"


def _since(begin: float) -> str:
    return f"{time.perf_counter() - begin:.0f} s"
