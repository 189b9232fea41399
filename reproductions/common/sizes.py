"""Sizes of networks: their parameters, and what they keep for gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from reproductions.common.result import Statement


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(p.numel() for p in network.parameters())


def same_size(counts: Mapping[str, int], text: str) -> Statement:
    """Return whether networks have the same number of parameters to within 5 %, as the text says.

    Example:
        >>> same_size({"a": 100, "b": 106}, "they are as large").holds
        False
    """
    measured = ", ".join(f"{name} {count}" for name, count in counts.items())
    return Statement(text, measured, holds=max(counts.values()) <= 1.05 * min(counts.values()))


def kept_bytes(module: nn.Module, call: Callable[[], Tensor]) -> int:
    """Return the bytes that a call keeps for its backward pass, parameters and buffers aside.

    Every storage counts once, however many operations keep it.

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
