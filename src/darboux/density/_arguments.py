"""Checks of the arguments and values of a flow's distribution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import constraints, transform_to

from darboux.solvers._transforms import nesting


def batch_shape_of(expected: torch.Size | None, context: Tensor | None) -> torch.Size:
    """Return the batch shape of a context, or refuse it."""
    if expected is None or context is None:
        if expected is None and context is None:
            return torch.Size()
        wanted = "no context" if expected is None else f"a context (..., {_sizes(expected)})"
        got = "none" if context is None else f"shape {tuple(context.shape)}"
        msg = (
            f"NormalizingFlow: expected {wanted}; got {got}. Whether there is one is up to the "
            "bijection: build its layers with context_features, or give context_shape."
        )
        raise ValueError(msg)
    lead = context.ndim - len(expected)
    if lead < 0 or context.shape[lead:] != expected:
        msg = (
            f"NormalizingFlow: expected a context of shape (..., {_sizes(expected)}); got "
            f"{tuple(context.shape)}. The layers are built for {tuple(expected)}."
        )
        raise ValueError(msg)
    return context.shape[:lead]


def leading_shape(name: str, x: Tensor, event: torch.Size, batch: torch.Size) -> torch.Size:
    """Return the axes before those of one sample, broadcast against the batch shape."""
    lead = x.ndim - len(event)
    if lead < 0 or x.shape[lead:] != event:
        msg = (
            f"NormalizingFlow: expected {name} of shape (..., {_sizes(event)}); got "
            f"{tuple(x.shape)}. One sample has the shape {tuple(event)}."
        )
        raise ValueError(msg)
    try:
        return torch.broadcast_shapes(x.shape[:lead], batch)
    except RuntimeError as error:
        msg = (
            f"NormalizingFlow: expected {name} of shape (..., {_sizes(batch)}, {_sizes(event)}), "
            f"one sample for each of the contexts; got {tuple(x.shape)}. Use {name}.unsqueeze("
            f"{lead}) for the density of every sample under every context."
        )
        raise ValueError(msg) from error


def check_values(name: str, x: Tensor, support: constraints.Constraint = constraints.real) -> None:
    """Refuse nan, infinite values and such outside of a support, where they can be looked at."""
    if torch.compiler.is_compiling() or nesting():
        return
    if not bool(x.isfinite().all()):
        count = int((~x.isfinite()).sum())
        msg = (
            f"NormalizingFlow: expected {name} with finite entries; got {count} of {x.numel()} "
            "that are nan or infinite. Clean the data, or see which layer before made them."
        )
        raise ValueError(msg)
    if support is not constraints.real and not bool(support.check(x).all()):
        msg = (
            f"NormalizingFlow: expected {name} in the support {support}; got values from "
            f"{float(x.min()):g} to {float(x.max()):g}. Scale the data as the first layer wants it."
        )
        raise ValueError(msg)


def moved_inside(x: Tensor, support: constraints.Constraint, *, axes: int) -> tuple[Tensor, Tensor]:
    """Return x with another point for samples outside of a support, and which are inside, (...)."""
    entries = (x.isfinite() & support.check(x)) | x.isnan()
    inside = entries.flatten(x.ndim - axes).all(dim=-1)
    try:
        middle = transform_to(support)(torch.zeros_like(x))
    except NotImplementedError:  # a constraint that PyTorch does not know
        return x, inside
    return torch.where(inside.reshape(*inside.shape, *(1,) * axes), x, middle), inside


def checked_value(name: str, whose: str, x: object, shape: torch.Size, n: int) -> Tensor:
    """Return what a bijection returned, or refuse it."""
    if not isinstance(x, Tensor) or x.shape != (n, *shape):
        got = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        msg = (
            f"NormalizingFlow: expected {name} as one tensor ({n}, {_sizes(shape)}); got {got}. "
            f"That shape is the one of {whose}; join several tensors in the chain."
        )
        raise ValueError(msg)
    return x


def checked_log_det(log_det: Tensor, n: int) -> Tensor:
    """Return the log-determinants that a bijection returned, or refuse them."""
    if log_det.shape != (n,):  # a sum over the batch would broadcast unnoticed
        msg = (
            f"NormalizingFlow: expected log-determinants of shape ({n},), one for each sample; "
            f"got {tuple(log_det.shape)}. Sum over the entries of a sample in the bijection."
        )
        raise ValueError(msg)
    return log_det


def _sizes(shape: torch.Size) -> str:
    return ", ".join(map(str, shape))
