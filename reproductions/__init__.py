"""The paper's pictures and numbers: one folder a topic, run by ``python -m reproductions``.

An experiment is a function ``run(out, *, quick, seed)`` that writes its figures and returns a
`Result`: numbers, and statements of the paper beside what was measured; one that reads a folder
takes ``data`` as well. `reproduce` also writes numbers and report, and raises `RefutedError`
where a statement does not hold.
"""

from reproductions.common.result import RefutedError, Result, Statement
from reproductions.run import reproduce
from reproductions.table import EXPERIMENTS, Experiment, experiment_named

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "RefutedError",
    "Result",
    "Statement",
    "experiment_named",
    "reproduce",
]
