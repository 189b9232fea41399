"""Step sizes, and how a state moves along a slope by one."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.integrators._integrator import Field, StepSize, Time


def step_size(h: StepSize, z: Tensor) -> StepSize:
    """Return h as a step for z: a number, or a 0-dimensional tensor of its dtype and device."""
    if not isinstance(h, Tensor):
        return h
    if h.dim() != 0:
        msg = (
            f"Expected a step size that is a number or a 0-dimensional tensor; got shape "
            f"{tuple(h.shape)}. Use h.squeeze(), or one step for each size."
        )
        raise ValueError(msg)
    return h.to(dtype=z.dtype, device=z.device)


def shifted(z: Tensor, slope: Tensor, h: StepSize, *, weight: float = 1.0) -> Tensor:
    """Return z + w h k in one fused operation."""
    if slope.shape != z.shape:
        msg = (
            f"Expected a slope of the shape of what it moves, {tuple(z.shape)}; got "
            f"{tuple(slope.shape)}. Return one slope for each entry."
        )
        raise ValueError(msg)
    if isinstance(h, Tensor):
        return torch.addcmul(z, slope, h, value=weight)
    return torch.add(z, slope, alpha=weight * h)


def slope_of(field: Field, t: Time, z: Tensor) -> Tensor:
    """Return f(t, z)."""
    slope = field(t, z)
    if slope.shape != z.shape:
        msg = (
            f"Expected field(t, z) of the shape of z, {tuple(z.shape)}; got "
            f"{tuple(slope.shape)}. Return one slope for each entry of z."
        )
        raise ValueError(msg)
    return slope


_VMAP = (
    "{method}: expected a batch on the first axis; got tensors of torch.func.vmap, under which "
    "steps cannot depend on errors. Put the samples on the first axis: each has its own steps."
)


def holds_anywhere(mask: Tensor, method: str) -> bool:
    """Return whether an entry is set."""
    try:
        return bool(mask.any())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(_VMAP.format(method=method)) from error


class StiffnessError(RuntimeError):
    """Steps that became too small or too many: which sample, where, and the methods to try."""
