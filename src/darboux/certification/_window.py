"""Small windows of large inputs, for maps whose claims hold at every image size."""

from __future__ import annotations

from dataclasses import replace

import torch

from darboux.certification._problem import Map
from darboux.certification._target import Target

_LARGEST = {1: 256, 2: 16, 3: 8}


def windowed(call: Map, target: Target) -> Target:
    """Return the target with a window of its inputs, where the map accepts one."""
    # Only for vector fields and steps of flows: their constants hold at every image size,
    # so a small image may refute them, and costs less.
    inputs = target.inputs
    largest = _LARGEST.get(inputs.ndim - 2)
    if largest is None or max(inputs.shape[2:]) <= largest:
        return target
    window = tuple(slice(0, largest) for _ in inputs.shape[2:])
    small = inputs[(slice(None), slice(None), *window)].contiguous()
    try:
        with torch.no_grad():
            fits = call(small).shape == small.shape
    except (RuntimeError, ValueError):
        return target
    return replace(target, inputs=small) if fits else target
