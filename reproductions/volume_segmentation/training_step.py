"""One training step of a volume network in a process of its own, under a memory limit.

The process is this file, run by `python -m`: it reads its task from standard input as JSON and
writes what it measured to standard output.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.volume_segmentation.networks import CLASSES, unet

_STATUS = Path("/proc/self/status")
BATCH = 4  # for a single small volume torch would unfold all of it, 27-fold, to convolve
_OUT_OF_MEMORY = re.compile(r"alloc|memory|primitive", re.IGNORECASE)


class _Found(TypedDict):
    """What is written: the peaks of memory in bytes, and the error that ended them, or ""."""

    peaks: list[int]
    error: str


def main() -> None:
    """Do the steps that standard input asks for, smallest first; write peaks as JSON."""
    task = json.loads(sys.stdin.read())
    torch.set_num_threads(1)
    build = partial(_network, task["name"], task["channels"], task["depth"], task["weights"])
    _train(build(), _volumes(8))  # what libraries set up once is no part of the step
    if task["limit"]:
        _limit(task["limit"])
    before, found = _resident("VmRSS"), _Found(peaks=[], error="")
    for side in sorted(task["sides"]):
        try:
            _train(build(), _volumes(side))
        except (RuntimeError, MemoryError) as error:
            found["error"] = _reason(error)
            break
        found["peaks"].append(_resident("VmHWM") - before)
    sys.stdout.write(json.dumps(found))


def _train(net: nn.Module, volumes: Tensor) -> None:
    """Do one training step: forward pass, backward pass, and a step along the gradient."""
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-6)
    classes = torch.arange(volumes.numel()).view_as(volumes[:, 0]) % CLASSES
    F.cross_entropy(net(volumes), classes).backward()
    optimiser.step()
    optimiser.zero_grad()


def _network(name: str, channels: int, depth: Sequence[int], weights: str) -> nn.Module:
    """Return a network without history: its first step measures how inverses drift."""
    found = unet(name, channels, depth)
    if weights:
        found.load_state_dict(torch.load(weights, weights_only=True))
    return found


def _volumes(side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(BATCH, 1, side, side, side, generator=generator)


def _limit(size: int) -> None:
    """Let the process have `size` bytes of addresses more than it has now, and no more."""
    import resource  # only where there is Linux

    most = _resident("VmSize") + size
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _resident(name: str) -> int:
    """Return a size of this process in bytes, as the kernel counts it."""
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found is not None, f"no {name} in {_STATUS}"
    return 1024 * int(found.group(1))


def _reason(error: Exception) -> str:
    """Return the first line of an error that says that memory ran out; raise any other."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(line):
        raise error
    return line


if __name__ == "__main__":
    main()
