"""Decisions that depend on the values of a batch."""

from __future__ import annotations

from torch import Tensor

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
        >>> import torch
        >>> holds_anywhere(torch.tensor([False, True]), "example")
        True
    """
    try:
        return bool(mask.any())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(_VMAP.format(method=method)) from error
