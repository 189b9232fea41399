"""Data of a reconstruction, checked."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from darboux.imaging._energy import Box
from darboux.linear import LinearMap
from darboux.structure._arguments import shown

_FORMATS = (torch.float32, torch.float64)


def check_data(y: Tensor, name: str = "y") -> Tensor:
    """Return data without their graph, or refuse what is no batch of finite real numbers."""
    if y.dtype not in _FORMATS or y.ndim < 3:
        advice = (
            "Give real and imaginary parts as channels." if y.is_complex() else "Use y.float()."
        )
        msg = (
            f"reconstruct: expected {name} of shape (batch, channels, *space), float32 or float64; "
            f"got {shown(y)}. {advice}"
        )
        raise (ValueError if y.dtype in _FORMATS else TypeError)(msg)
    if y.is_meta:
        msg = f"reconstruct: expected {name} with numbers; got a tensor on the meta device."
        raise ValueError(msg)
    lost = int((~y.isfinite()).sum())
    if lost:
        msg = (
            f"reconstruct: expected finite numbers in {name}; got {lost} of {y.numel()} that are "
            "NaN or infinite. Leave them out by the operator, for instance by Inpainting."
        )
        raise ValueError(msg)
    return y.detach()


def usable_box(box: tuple[float, float] | Literal["auto"] | None) -> Box | None:
    """Return the box, (0, 1) for "auto", or refuse what is none."""
    if box is None:
        return None
    low, high = (0.0, 1.0) if box == "auto" else box
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        msg = f"reconstruct: expected box = (smallest, largest), finite and ascending; got {box}."
        raise ValueError(msg)
    return low, high


def first_image(physics: LinearMap | None, norm: float, y: Tensor, x0: Tensor | None) -> Tensor:
    """Return x0, checked, or A* y / ‖A‖²."""
    made = y if physics is None else physics.adjoint(y)
    if x0 is None:
        return made / norm**2 if norm > 0 else made
    if x0.shape != made.shape or x0.dtype != made.dtype or x0.device != made.device:
        msg = (
            f"reconstruct: expected x0 of shape {tuple(made.shape)} and {made.dtype} on "
            f"{made.device}, as A* y is; got {shown(x0)} on {x0.device}."
        )
        raise ValueError(msg)
    return check_data(x0, "x0")
