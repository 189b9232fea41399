"""Write the peak memory of training steps in bytes: python peak_memory.py MODE DEPTH.

Beyond what the process had with its parameters, after a step of a chain of two layers, and
beyond the gradients of the parameters.

In a process of its own; with MALLOC_MMAP_THRESHOLD_ set, what is freed is given back, so that
the largest resident size is what was in use.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch
from couplings import chain, networks, step
from torch import nn

CHANNELS, HIDDEN, SIDE, BATCH = 16, 16, 64, 32


def peak() -> int:
    """The largest resident size so far, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def present() -> int:
    """The present resident size, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main(mode: str, depth: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, head = torch.randn(BATCH, CHANNELS, SIDE, SIDE), nn.Conv2d(CHANNELS, CHANNELS, 1)
    # the kernels of a short chain first, so that they are loaded before counting starts
    step(chain(networks(2, channels=CHANNELS, hidden=HIDDEN), mode), head, x)()
    module = chain(networks(depth, channels=CHANNELS, hidden=HIDDEN), mode)
    before = present() + sum(p.numel() * p.element_size() for p in module.parameters())
    run = step(module, head, x)
    for _ in range(4):
        run()
    sys.stdout.write(f"{peak() - before} {module.drift_report().checkpoints}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
