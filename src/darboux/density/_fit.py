"""Maximum likelihood training, in few lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import torch
from torch import Tensor

from darboux.density._normalizing_flow import NormalizingFlow
from darboux.solvers import descend
from darboux.structure._arguments import Count, Positive, Within, checked

Loss = Callable[[Tensor, Tensor | None], Tensor]


@checked
def fit(
    flow: NormalizingFlow,
    data: Tensor,
    *,
    steps: Annotated[int, Within("an integer from 1 to 10000000", least=1, most=10**7)],
    batch: Count = 256,
    lr: Positive = 1e-3,
    context: Tensor | None = None,
    validation: tuple[Tensor, Tensor | None] | Tensor | None = None,
    every: Count = 100,
    clip: Annotated[float, Within("a positive number or ∞", above=0, infinite=True)] = math.inf,
    loss: Loss | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> History:
    """Minimise the negative log-likelihood (49) of data by Adam, in place.

    The data are gone through in random order, again and again; training stops with an error
    at the first loss or gradient that is not finite, before it reaches the parameters.

    Shapes: data are (samples, *shape), a context (samples, *context_shape).

    Source: section 4.2.3, equation (49).

    Args:
        flow: what is trained; its training mode is the same afterwards.
        data: on the device of the flow.
        steps: how many updates.
        batch: samples in each of them; all data if there are fewer.
        lr: the step size of Adam.
        context: one for each sample.
        validation: held-out data, or (data, context).
        every: after how many steps they are evaluated; always after the last one.
        clip: the largest norm of the gradient in the parameters of the optimizer.
        loss: (x, context) -> what is minimised; the flow's negative_log_likelihood if None.
        optimizer: another one than Adam, of the flow's parameters.
        generator: the source of the random order, on the CPU; torch's global one if None.

    Raises:
        ValueError: if there are no data, or held-out ones, contexts for another number of
            samples, no parameters that can be trained, or an optimizer of other ones.
        FloatingPointError: naming the step at which training broke down.

    Example:
        >>> import darboux as dx
        >>> flow = dx.density.NormalizingFlow(
        ...     dx.density.LogitTransform(), dx.density.DiagonalNormal(1)
        ... )
        >>> len(fit(flow, torch.rand(100, 1), steps=5, batch=20).loss)
        5
    """
    held = (validation, None) if isinstance(validation, Tensor) else validation
    _check("data", data, context)
    if held is not None:
        _check("validation", *held)
    minimised = flow.negative_log_likelihood if loss is None else loss
    optimizer = torch.optim.Adam(_trained(flow), lr=lr) if optimizer is None else optimizer
    checked: list[tuple[int, float]] = []
    mode = flow.training

    def value(rows: Tensor) -> Tensor:
        flow.train()
        rows = rows.to(data.device)
        return minimised(data[rows], None if context is None else context[rows])

    def check(step: int) -> None:
        if held is not None and (step % every == 0 or step == steps):
            flow.eval()
            with torch.no_grad():
                checked.append((step, float(flow.negative_log_likelihood(*held))))

    rows = islice(_batches(len(data), batch, generator), steps)
    try:
        losses = descend(optimizer, value, rows, clip=clip, on_step=check)
    finally:
        flow.train(mode)
    return History(tuple(losses), tuple(checked))


def _batches(n: int, batch: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """Yield the rows of batches, without end; what is left of a round is left out."""
    size = min(batch, n)
    while True:
        order = torch.randperm(n, generator=generator)
        yield from order[: n - n % size].split(size)


def _trained(flow: NormalizingFlow) -> list[Tensor]:
    """Return the parameters that are not frozen."""
    found: list[Tensor] = [p for p in flow.parameters() if p.requires_grad]
    if not found:
        msg = (
            "fit: expected a flow with parameters that require a gradient; got none. Use "
            "flow.requires_grad_(True), or layers with parameters."
        )
        raise ValueError(msg)
    return found


def _check(what: str, data: Tensor, context: Tensor | None) -> None:
    if data.ndim == 0 or len(data) == 0:
        msg = f"fit: expected {what} (samples, *shape); got 0 samples, shape {tuple(data.shape)}."
        raise ValueError(msg)
    if context is not None and len(context) != len(data):
        msg = (
            f"fit: expected one context for each of {len(data)} samples; got {len(context)}. Use "
            "a context of shape (samples, *context_shape)."
        )
        raise ValueError(msg)


@dataclass(frozen=True)
class History:
    """What training measured.

    Args:
        loss: the loss of every step, in nats unless another loss was given.
        validation: (step, negative log-likelihood in nats) of held-out data.

    Example:
        >>> History((2.0, 1.0), ()).loss[-1]
        1.0
    """

    loss: tuple[float, ...]
    validation: tuple[tuple[int, float], ...]
