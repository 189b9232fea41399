"""A field made of a network that sees the time as one more channel."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.fields import VectorField
from darboux.fields._field import Time
from darboux.structure._arguments import Count, checked


@final
class TimeConditionedField(VectorField):
    """The field f(t, z; c) = network([z, t, c]), joined on the channel axis.

    The time is a channel that is constant over the space of an image, and so is a context
    without space. The network must act on every sample alone: a normalisation over the batch
    would make the Jacobian of a sample depend on the others.

    Shapes: z is (batch, channels, *space), the input of the network (batch, channels + 1 +
    context_features, *space) and its output that of z; c is (batch, context_features) or has
    the space of z as well.

    Source: section 4.2.3; Chen et al. 2018, Neural ordinary differential equations.

    Args:
        network: any module.
        context_features: the channels of a context; None if there is none.

    Raises:
        ValueError: in a call, if the context is missing or of another size.

    Example:
        >>> field = TimeConditionedField(torch.nn.Linear(3, 2))
        >>> field(0.5, torch.zeros(4, 2)).shape
        torch.Size([4, 2])
    """

    @checked
    def __init__(self, network: nn.Module, *, context_features: Count | None = None) -> None:
        super().__init__()
        self.network = network
        self.context_features = context_features

    def forward(self, t: Time, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Return f(t, z; c)."""
        if isinstance(t, Tensor):
            time = t.to(z).expand(len(z), 1, *z.shape[2:])
        else:
            time = z.new_full((len(z), 1, *z.shape[2:]), t)
        parts = [z, time]
        if self.context_features is not None:
            parts.append(self._spread(context, z, self.context_features))
        found: Tensor = self.network(torch.cat(parts, dim=1))
        return found

    def _spread(self, context: Tensor | None, z: Tensor, features: int) -> Tensor:
        """Return the context with the space of z."""
        wanted, spaces = (len(z), features), (torch.Size(), z.shape[2:])
        fits = context is not None and context.shape[:2] == wanted and context.shape[2:] in spaces
        if context is None or not fits:
            got = "none" if context is None else f"shape {tuple(context.shape)}"
            msg = (
                f"TimeConditionedField: expected a context {wanted}, with or without the space "
                f"of z, {tuple(z.shape[2:])}; got {got}. Give one context for each sample."
            )
            raise ValueError(msg)
        context = context.to(z)
        if context.ndim < z.ndim:
            context = context.reshape(*wanted, *(1,) * (z.ndim - 2))
        return context.expand(*wanted, *z.shape[2:])
