"""Products with a transposed Jacobian, wherever the call may stand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Pull = Callable[[Tensor], Tensor]


def pullback(g: Callable[[Tensor], Tensor], x: Tensor) -> Pull:
    """Return v -> g'(x)ᵀ v, with g evaluated once.

    By `torch.func`, which nests in its other transforms. Checkpoints and offloading hook into
    what autograd saves, which `torch.func` refuses: there by autograd, and what is saved on the
    way is kept from those hooks, because nothing of it is left for a backward pass.

    Args:
        g: the map.
        x: where, detached.

    Example:
        >>> pullback(torch.square, torch.tensor([1.0, 2.0]))(torch.ones(2))
        tensor([2., 4.])
    """
    try:
        pull = torch.func.vjp(g, x)[1]
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):
            raise
        return _by_autograd(g, x)
    return lambda v: pull(v)[0]


def _by_autograd(g: Callable[[Tensor], Tensor], x: Tensor) -> Pull:
    with torch.enable_grad(), _unhooked():
        start = x.detach().requires_grad_()
        image = g(start)

    def pull(v: Tensor) -> Tensor:
        if not image.requires_grad:
            return torch.zeros_like(x)
        with torch.enable_grad(), _unhooked():
            (slope,) = torch.autograd.grad(
                image, start, v, create_graph=True, allow_unused=True, materialize_grads=True
            )
        return slope

    return pull


def _unhooked() -> torch.autograd.graph.saved_tensors_hooks:
    """Return hooks that do nothing: only the innermost ones are called."""
    return torch.autograd.graph.saved_tensors_hooks(lambda saved: saved, lambda saved: saved)
