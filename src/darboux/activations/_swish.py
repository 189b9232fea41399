"""The swish and its slope as one node of the graph."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from darboux.solvers._transforms import again, in_batches, is_plain

SCALE = 1.1


@final
class Swish(torch.autograd.Function):
    """(x, s) -> (σ(x), σ'(x)), σ(x) = x t/1.1 with t = sigmoid(s x) and one number s."""

    # With u = s x, 1.1 σ' = t (1 + u (1 - t)), the slope of which is t (1 - t) (2 + u (1 - 2t)).

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return value and slope."""
        u = s * x
        t = u.sigmoid()
        slope = torch.addcmul(t, t, (1 - t).mul_(u)).div_(SCALE)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, s, u, t, slope)
        return (x * t).div_(SCALE), slope

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and s."""
        x, s, u, t, slope = ctx.saved_tensors
        value, steepness = gradients
        if torch.is_grad_enabled() or in_batches(*gradients):
            return again(_with_slope, (x, s), gradients)
        rest = 1 - t
        bent = (t * rest).div_(SCALE)  # x² times it is ∂σ/∂s
        x_part = s_part = None
        if steepness is not None:
            turned = rest.sub_(t).mul_(u).add_(2).mul_(bent).mul_(steepness)
            x_part, s_part = turned * s, turned
        if value is not None:
            x_part = value * slope if x_part is None else x_part.addcmul_(value, slope)
            moved = bent.mul_(value).mul_(x)
            s_part = moved if s_part is None else s_part.add_(moved)
        return x_part, None if s_part is None else (s_part * x).sum()


def swish(x: Tensor, s: Tensor) -> Tensor:
    """Return σ(x)."""
    u = s * x
    if is_plain() and not u.requires_grad:
        return u.sigmoid_().mul_(x).div_(SCALE)  # in one piece of memory
    return x * torch.sigmoid(u) / SCALE


def _with_slope(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values of `Swish` by operations of PyTorch."""
    u = s * x
    t = torch.sigmoid(u)
    return x * t / SCALE, t * (1 + u * (1 - t)) / SCALE
