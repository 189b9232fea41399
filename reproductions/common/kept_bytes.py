"""What autograd keeps between forward and backward pass, in bytes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def kept_bytes(module: nn.Module, call: Callable[[], Tensor]) -> int:
    """Return the bytes that a call keeps for its backward pass, parameters and buffers aside.

    Every storage counts once, however many operations keep it.

    Args:
        module: whose parameters and buffers do not count.
        call: makes what could be differentiated.

    Example:
        >>> layer = nn.Linear(10, 20)
        >>> x = torch.ones(3, 10)
        >>> kept_bytes(layer, lambda: layer(x).exp())  # x and the value of exp
        360
    """
    own = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        value = call()
    del value  # what it kept was alive until here, so no address came twice
    return sum(kept.values())
