"""Checks and derivatives of learned energies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.fields._field import Time
from darboux.solvers._transforms import is_plain, refuse_export


def time_of(t: Time, like: Tensor) -> Tensor:
    """Return t as energies get it: (batch, 1, ..., 1), one time for every sample."""
    shape = (like.shape[0], *(1,) * (like.ndim - 1))
    if not isinstance(t, Tensor):
        return like.new_full(shape, t)
    time = t.to(like)
    if time.ndim == 0:
        return time.expand(shape)
    if time.shape[0] != like.shape[0] or time.numel() != like.shape[0]:
        msg = (
            "Expected a time t that is a number, or a tensor with one entry for each sample, "
            f"{shape}; got {tuple(time.shape)} for a batch of {like.shape[0]}. Use one time for "
            "all, or t.reshape(-1, 1)."
        )
        raise ValueError(msg)
    return time.reshape(shape)


def energies(name: str, energy: object, like: Tensor) -> Tensor:
    """Return the energies of a batch, or refuse what is none."""
    if not isinstance(energy, Tensor):
        msg = (
            f"{name}: expected energies of shape (batch,) = {tuple(like.shape[:1])}; got "
            f"{type(energy).__name__}. Return a tensor with one energy for each sample."
        )
        raise TypeError(msg)
    if energy.shape != like.shape[:1]:
        msg = (
            f"{name}: expected energies of shape (batch,) = {tuple(like.shape[:1])}; got "
            f"{tuple(energy.shape)}. A Hamiltonian is one number for each sample: sum over "
            "channels and space, e.g. by .flatten(1).sum(dim=1), and not over the batch."
        )
        raise ValueError(msg)
    return energy


def slope(energy: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the derivative of energies (batch,) in the samples x, each of its own sample."""
    return slopes(energy, x)[0]


def slopes(energy: Callable[..., Tensor], *at: Tensor) -> tuple[Tensor, ...]:
    """Return the derivatives of energies (batch,) in all arguments, each of its own sample."""
    # They are differentiable again, in the arguments and in everything that the energy uses.
    refuse_export("The slope of an energy")
    if at[0].shape[0] == 0:  # torch has no second derivatives of a convolution of nothing
        return tuple([x + energy(*at).reshape(0, *(1,) * (x.ndim - 1)) for x in at])
    return _by_autograd(energy, at) if is_plain() else _by_transform(energy, at)


def _by_transform(energy: Callable[..., Tensor], at: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    numbers = tuple(range(len(at)))
    found: tuple[Tensor, ...] = torch.func.grad(lambda *y: energy(*y).sum(), numbers)(*at)
    return found


def _by_autograd(energy: Callable[..., Tensor], at: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        y = [x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in at]
        total = energy(*y).sum()
        if not total.requires_grad:
            return tuple([torch.zeros_like(x) for x in at])
        again = again and (any(x.requires_grad for x in at) or _sees_others(total, y))
        found = torch.autograd.grad(total, y, create_graph=again, allow_unused=True)
    # zeros of torch's own making would be further leaves
    return tuple([torch.zeros_like(x) if s is None else s for s, x in zip(found, at, strict=True)])


def _sees_others(total: Tensor, y: list[Tensor]) -> bool:
    """Return whether another leaf enters: else the slopes have no derivatives of their own."""
    own, seen, ahead = set(map(id, y)), set(), [total.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", y[0])
        if id(leaf) not in own:
            return True
        ahead.extend(following for following, _ in node.next_functions)
    return False
