"""Decisions that depend on the values of a batch, or on who asks for derivatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

_VMAP = (
    "{method}: expected a batch on the first axis; got tensors of torch.func.vmap, under which "
    "steps cannot depend on errors. Put the samples on the first axis: each has its own steps."
)


def holds_anywhere(mask: Tensor, method: str) -> bool:
    """Return whether an entry is set.

    Args:
        mask: booleans.
        method: who asks, for the message.

    Raises:
        RuntimeError: inside `torch.func.vmap`, where nothing can depend on values.

    Example:
        >>> holds_anywhere(torch.tensor([False, True]), "example")
        True
    """
    try:
        return bool(mask.any())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(_VMAP.format(method=method)) from error


def is_differentiated(x: object) -> bool:
    """Return whether a derivative may be asked for: of autograd, or of any `torch.func` level.

    Args:
        x: a tensor; anything else has no derivatives.

    Example:
        >>> is_differentiated(torch.ones(2, requires_grad=True)), is_differentiated(1.0)
        (True, False)
    """
    return isinstance(x, Tensor) and (
        (x.requires_grad and torch.is_grad_enabled())
        or torch._C._are_functorch_transforms_active()
        or forward_ad.unpack_dual(x).tangent is not None
    )
