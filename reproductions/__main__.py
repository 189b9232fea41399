"""``python -m reproductions list | NAME | all``: exit code 0 holds, 1 refuted, 2 bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch

from darboux._ending import INTERRUPTED, NO_READER, drop_output, told
from reproductions import EXPERIMENTS, RefutedError, reproduce
from reproductions.run import REPORT
from reproductions.run_all import INDEX, reproduce_all

_REFUTED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an experiment or list them, and return the exit code."""
    try:
        options = _parser().parse_args(arguments)
        if options.name == "list":
            _say(_listed())
            return 0
        _check(options)
        return _run_all(options) if options.name == "all" else _run(options)
    except KeyboardInterrupt:
        return _fail("Interrupted. Nothing was written.", INTERRUPTED)
    except BrokenPipeError:
        drop_output()
        return NO_READER
    except Exception as error:
        return _fail(*told(error))


def _run(options: argparse.Namespace) -> int:
    """Run one experiment, and say what it found and where the report lies."""
    name, code, out = options.name, 0, _folder(options)
    if name.replace("_", "-") in EXPERIMENTS:
        size = "quick" if options.quick else "full"
        sys.stderr.write(f"Running {name}, {size} size ...\n")
    try:
        found = str(
            reproduce(
                name,
                out,
                quick=options.quick,
                seed=options.seed,
                overwrite=options.overwrite,
                data=options.data,
            )
        )
    except RefutedError as error:
        found, code = str(error), _REFUTED
    _say(f"{found}\nReport: {out / REPORT}")
    return code


def _check(options: argparse.Namespace) -> None:
    """Refuse numbers outside their range, and set the threads."""
    if not 0 <= options.seed < 2**31:
        raise ValueError(f"Expected 0 <= --seed < 2^31; got {options.seed}.")
    if options.threads is not None:
        if not 1 <= options.threads <= 1024:
            raise ValueError(f"Expected --threads between 1 and 1024; got {options.threads}.")
        torch.set_num_threads(options.threads)


def _folder(options: argparse.Namespace) -> Path:
    return Path("runs") / options.name if options.out is None else options.out


def _run_all(options: argparse.Namespace) -> int:
    """Run all experiments, telling how far it is, and say where the page lies."""
    out = _folder(options)
    try:
        found = reproduce_all(
            out,
            lambda text: sys.stderr.write(f"{text}\n"),
            quick=options.quick,
            seed=options.seed,
            overwrite=options.overwrite,
            data=options.data,
        )
    except KeyboardInterrupt:
        text = f"Interrupted. What is finished lies in {out}: the same command goes on from there."
        return _fail(text, INTERRUPTED)
    holding = sum(each.holds for each in found.results.values())
    _say(f"{holding} of {len(EXPERIMENTS)} experiments hold.\nReport: {out / INDEX}")
    return found.code


def _listed() -> str:
    """Return names and summaries in two columns."""
    width = max(map(len, EXPERIMENTS))
    return "\n".join(
        f"{name:<{width}}  {each.summary}{f'; --data: {each.data}' if each.data else ''}"
        for name, each in EXPERIMENTS.items()
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}. Try: {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m reproductions",
        description="Run the paper's experiments: figures, metrics.json and report.html, and "
        "index.html for all of them.",
        epilog=f"experiments:\n{_listed()}\n\n"
        "exit codes: 0 every statement holds, 1 one does not, 2 bad input, 70 internal error",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", help="of the experiment, 'list' or 'all'")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, the same statements")
    parser.add_argument("--out", type=Path, help="folder to write to (runs/NAME)")
    parser.add_argument("--seed", type=int, default=0, help="of random weights and data (0)")
    parser.add_argument("--data", type=Path, help="folder to read, for those that need one")
    parser.add_argument("--threads", type=int, help="CPU threads (torch's choice)")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier experiment in --out"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()  # a reader who has left is noticed here


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
