"""How contexts reach sub-networks."""

from __future__ import annotations

import torch
from torch import Tensor


def context_at(name: str, x: Tensor, context: Tensor | None, features: int) -> Tensor:
    """Return the context at every point of x, (batch, features, *space).

    Args:
        name: who asks, for messages.
        x: (batch, channels, *space).
        context: (batch, features), or with the space of x as well.
        features: how many are expected.

    Raises:
        ValueError: if the context is missing or has another shape.

    Example:
        >>> context_at("Layer", torch.ones(2, 1, 4), torch.ones(2, 3), 3).shape
        torch.Size([2, 3, 4])
    """
    short = (len(x), features)
    long = (*short, *x.shape[2:])
    shape = None if context is None else tuple(context.shape)
    if context is None or shape not in (short, long):
        got = "none" if shape is None else f"one of shape {shape}"
        msg = (
            f"{name}: expected a context of shape {short}, or with the space of x as well; got "
            f"{got}. Give one context for each sample, with context_features={features}."
        )
        raise ValueError(msg)
    if context.ndim < x.ndim:
        context = context.reshape(*short, *(1,) * (x.ndim - 2)).expand(long)
    return context.to(x.dtype)


def with_context(name: str, x: Tensor, context: Tensor | None, features: int) -> Tensor:
    """Return (x, c), the context after the channels of x at every point.

    Shapes: x is (batch, channels, *space), c is (batch, features) or (batch, features, *space).

    Args:
        name: who asks, for messages.
        x: features.
        context: c.
        features: how many c has.

    Raises:
        ValueError: if the context is missing or has another shape.

    Example:
        >>> with_context("Layer", torch.zeros(1, 1, 2), torch.ones(1, 1), 1)
        tensor([[[0., 0.],
                 [1., 1.]]])
    """
    return torch.cat((x, context_at(name, x, context, features)), 1)
