"""Maximum likelihood training, in few lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.density._normalizing_flow import NormalizingFlow

Loss = Callable[[Tensor, Tensor | None], Tensor]


def fit(
    flow: NormalizingFlow,
    data: Tensor,
    *,
    steps: int,
    batch: int = 256,
    lr: float = 1e-3,
    context: Tensor | None = None,
    validation: tuple[Tensor, Tensor | None] | Tensor | None = None,
    every: int = 100,
    clip: float = math.inf,
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
        clip: the largest norm of the gradient.
        loss: (x, context) -> what is minimised; the flow's negative_log_likelihood if None.
        optimizer: another one than Adam, of the flow's parameters.
        generator: the source of the random order, on the CPU; torch's global one if None.

    Raises:
        ValueError: if there are no data, or contexts for another number of samples.
        FloatingPointError: naming the step at which training broke down.

    Example:
        >>> import darboux as dx
        >>> flow = dx.density.NormalizingFlow(
        ...     dx.density.LogitTransform(), dx.density.DiagonalNormal(1)
        ... )
        >>> len(fit(flow, torch.rand(100, 1), steps=5, batch=20).loss)
        5
    """
    _check(data, context, steps, batch)
    minimised = flow.negative_log_likelihood if loss is None else loss
    optimizer = torch.optim.Adam(flow.parameters(), lr=lr) if optimizer is None else optimizer
    held = (validation, None) if isinstance(validation, Tensor) else validation
    losses: list[float] = []
    checked: list[tuple[int, float]] = []
    mode = flow.training
    for step, rows in zip(range(1, steps + 1), _batches(len(data), batch, generator), strict=False):
        flow.train()
        rows = rows.to(data.device)
        value = minimised(data[rows], None if context is None else context[rows])
        losses.append(_update(flow, optimizer, value, clip, step))
        if held is not None and (step % every == 0 or step == steps):
            flow.eval()
            with torch.no_grad():
                checked.append((step, float(flow.negative_log_likelihood(*held))))
    flow.train(mode)
    return History(tuple(losses), tuple(checked))


def _update(
    flow: NormalizingFlow,
    optimizer: torch.optim.Optimizer,
    value: Tensor,
    clip: float,
    step: int,
) -> float:
    """Make one update and return the loss, or refuse one that is not finite."""
    found = float(value.detach())
    _require(math.isfinite(found), "loss", found, step)
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    norm = float(torch.nn.utils.clip_grad_norm_(flow.parameters(), clip))
    _require(math.isfinite(norm), "gradient", norm, step)
    optimizer.step()
    return found


def _require(finite: bool, what: str, value: float, step: int) -> None:  # noqa: FBT001
    if not finite:
        msg = (
            f"fit: expected a finite {what}; got {value} at step {step}. The parameters are those "
            "before it. Use a smaller lr, clip=1.0, or look at the data of that step."
        )
        raise FloatingPointError(msg)


def _batches(n: int, batch: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """Yield the rows of batches, without end; what is left of a round is left out."""
    size = min(batch, n)
    while True:
        order = torch.randperm(n, generator=generator)
        yield from order[: n - n % size].split(size)


def _check(data: Tensor, context: Tensor | None, steps: int, batch: int) -> None:
    if len(data) == 0 or steps < 1 or batch < 1:
        msg = (
            f"fit: expected samples, steps >= 1 and batch >= 1; got {len(data)} samples, "
            f"steps={steps}, batch={batch}."
        )
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
