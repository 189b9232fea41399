"""What depends on values: an error where it can be raised, and NaN where it cannot."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.solvers._transforms import is_mapped


def within(value: Tensor, ok: Tensor, say: Callable[[], str]) -> Tensor:
    """Return the value, (*batch, ...), where ok, (*batch), holds; elsewhere raise the sentence.

    Inside `torch.func.vmap`, compiled graphs and on the meta device nothing can depend on values:
    there the value is NaN where ok does not hold.

    Raises:
        ValueError: with the sentence.
    """
    if not seen(value):
        wide = ok.reshape((*ok.shape, *[1] * (value.ndim - ok.ndim)))
        return torch.where(wide, value, torch.nan)
    if bool(ok.all()):
        return value
    raise ValueError(say())


def seen(value: Tensor) -> bool:
    """Return whether what is done can depend on values."""
    return not (torch.compiler.is_compiling() or is_mapped() or value.is_meta)
