"""Write the peak memory of training steps of a flow in bytes: python peak_flow.py WAY METHOD STEPS.

Beyond what the process had with its parameters, after a step of a short flow, and beyond the
gradients of the parameters, in a process of its own with MALLOC_MMAP_THRESHOLD_ set.
"""

from __future__ import annotations

import sys

import torch
from flows import step
from peak_memory import resident


def main(way: str, method: str, steps: int) -> None:
    torch.set_num_threads(1)
    step(way, method, 2)[0]()  # the kernels, so that they are loaded before counting starts
    run, module = step(way, method, steps)
    before = resident("VmRSS") + sum(p.numel() * p.element_size() for p in module.parameters())
    run()
    sys.stdout.write(f"{resident('VmHWM') - before}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
