"""Write the peak memory of training steps in bytes: python peak_memory.py MODE DEPTH.

The mode is one of our chain, or "memcnn".

Beyond what the process had with its parameters, after a step of a chain of two layers, and
beyond the gradients of the parameters.

In a process of its own; with MALLOC_MMAP_THRESHOLD_ set, what is freed is given back, so that
the largest resident size is what was in use.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from couplings import Memcnn, chain, networks, step
from torch import nn

CHANNELS, HIDDEN, SIDE, BATCH = 16, 16, 64, 32


def resident(entry: str) -> int:
    """The present (VmRSS) or largest (VmHWM) resident size of this process, in bytes.

    Not ru_maxrss: that of the parent is carried over.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{entry}:")[1].split()[0])


def build(mode: str, depth: int) -> nn.Module:
    parts = networks(depth, channels=CHANNELS, hidden=HIDDEN)
    return Memcnn(parts) if mode == "memcnn" else chain(parts, mode)


def main(mode: str, depth: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, head = torch.randn(BATCH, CHANNELS, SIDE, SIDE), nn.Conv2d(CHANNELS, CHANNELS, 1)
    # the kernels of a short chain first, so that they are loaded before counting starts
    step(build(mode, 2), head, x)()
    module = build(mode, depth)
    before = resident("VmRSS") + sum(p.numel() * p.element_size() for p in module.parameters())
    run = step(module, head, x)
    for _ in range(4):
        run()
    checkpoints = (0,) if mode == "memcnn" else module.drift_report().checkpoints
    sys.stdout.write(f"{resident('VmHWM') - before} {checkpoints}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
