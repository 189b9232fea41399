"""Accelerate's view of the devices and processes, on machines with and without a GPU."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator


def make_accelerator() -> Accelerator:
    """Return the accelerator of this process, as torchrun or accelerate launch started it.

    Accelerate joins processes without a GPU only when it is told that they have none.

    Raises:
        ValueError: if several processes were started, but they do not know of each other.

    Example:
        >>> make_accelerator().num_processes
        1
    """
    accelerator = Accelerator(cpu=not _has_device())
    wanted = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != wanted:
        raise ValueError(
            f"Expected the {wanted} processes of WORLD_SIZE; got {accelerator.num_processes}. "
            "Start them with torchrun, or run a single process without WORLD_SIZE."
        )
    return accelerator


def _has_device() -> bool:
    """Return whether torch sees a device that computes in float64, as the bounds need."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return device is not None and device.type != "mps"
