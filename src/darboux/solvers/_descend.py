"""Descent along a loss by an optimizer of torch: the training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from darboux.structure._arguments import Within, checked

_Batch = TypeVar("_Batch")


@checked
def descend(
    optimizer: torch.optim.Optimizer,
    loss: Callable[[_Batch], Tensor],
    batches: Iterable[_Batch],
    *,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    clip: Annotated[float, Within("a positive number or ∞", above=0, infinite=True)] = math.inf,
    on_step: Callable[[int], None] | None = None,
) -> list[float]:
    """Make one update of the optimizer for each batch, and return the loss before each.

    With g = ∇ loss(batch) in the parameters of the optimizer, it is given g min(1, clip/‖g‖).
    Training stops with an error at the first loss or gradient that is not finite, before it
    reaches the parameters.

    Args:
        optimizer: one whose `step` needs no closure.
        loss: batch -> what is minimised, ().
        batches: drawn one by one, each when its update comes: a DataLoader, a generator.
        schedule: takes a step after every update.
        clip: the largest norm ‖g‖.
        on_step: called after each update with the number of updates so far.

    Raises:
        FloatingPointError: naming the step at which training broke down.
        ValueError: if there are no batches, or the loss depends on none of the parameters.

    Example:
        >>> layer, x = torch.nn.Linear(3, 1), torch.randn(64, 3)
        >>> adam = torch.optim.Adam(layer.parameters(), lr=0.1)
        >>> def loss(rows):
        ...     return (layer(x[rows]) - x[rows].sum(1, keepdim=True)).square().mean()
        >>> losses = descend(adam, loss, (torch.randint(64, (16,)) for _ in range(200)))
        >>> losses[-1] < 0.1 * losses[0]
        True
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    losses: list[float] = []
    for step, batch in enumerate(batches, start=1):
        value = loss(batch)
        losses.append(_finite(value.detach(), "loss", step))
        optimizer.zero_grad()
        if value.requires_grad:
            value.backward()
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            msg = (
                "Expected a loss that depends on the parameters of the optimizer; got one that "
                "depends on others alone. Give the optimizer those of the network in the loss."
            )
            raise ValueError(msg)
        norm = get_total_norm(gradients)
        if _finite(norm, "gradient", step) > clip:
            clip_grads_with_norm_(parameters, clip, norm)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        if on_step is not None:
            on_step(step)
    if not losses:
        msg = "Expected at least one batch; got none. A generator of batches serves one call only."
        raise ValueError(msg)
    return losses


def _finite(value: Tensor, what: str, step: int) -> float:
    """Return the number, or refuse one that is none."""
    found = float(value)
    if not math.isfinite(found):
        msg = (
            f"Expected a finite {what}; got {found} at step {step}. The parameters are those "
            "before it. Use a smaller learning rate, clip=1.0, or look at the data of that step."
        )
        raise FloatingPointError(msg)
    return found
