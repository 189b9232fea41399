"""Peak memory of a training step, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Steps:
    """What a process measured."""

    peaks: list[int]  # bytes in memory at most, above what was there before, size by size
    error: str  # that of an allocation that failed, or ""


def measured_steps(
    name: str,
    *,
    channels: int,
    depth: Sequence[int],
    sides: Sequence[int],
    weights: Path | None = None,
    limit: int | None = None,
) -> Steps:
    """Do a training step for each size in a new process, and return its peaks of memory.

    Freed memory goes back to the system at once (MALLOC_MMAP_THRESHOLD_), so that the peak is
    what was in use. The limit holds for addresses, which the kernel then refuses (RLIMIT_AS).
    """
    if not sys.platform.startswith("linux"):
        raise OSError(
            f"Expected Linux, whose memory limits and counts are used; got {sys.platform}."
        )
    task = {
        "name": name,
        "channels": channels,
        "depth": list(depth),
        "sides": list(sides),
        "weights": str(weights or ""),
        "limit": limit or 0,
    }
    done = subprocess.run(
        [sys.executable, "-m", "reproductions.volume_segmentation.training_step"],
        input=json.dumps(task),
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RuntimeError(
            f"Expected the measurement of {name} to end, or to run out of memory with an error; "
            f"it ended with code {done.returncode}: {last}"
        )
    found = json.loads(done.stdout)
    return Steps(peaks=found["peaks"], error=found["error"])
