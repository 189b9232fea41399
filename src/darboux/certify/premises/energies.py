"""The energy of a field, differentiated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from darboux.certify.finding import NotAttackedError
from darboux.certify.target import Target


def energy_gradient(field: nn.Module, target: Target, points: Tensor) -> Tensor:
    """Return ∇H of the field's own ``energy`` at points, by automatic differentiation.

    Raises:
        NotAttackedError: if the field has no energy.

    Example:
        >>> import darboux as dx
        >>> from darboux.certify.effort import Effort
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> target = Target(field, torch.ones(1, 4), Effort.named("quick"), torch.Generator())
        >>> energy_gradient(field, target, torch.ones(3, 4)).shape
        torch.Size([3, 4])
    """
    energy: Callable[[float, Tensor], Tensor] | None = getattr(field, "energy", None)
    if energy is None:
        msg = f"{type(field).__name__} has no method energy(t, z)"
        raise NotAttackedError(msg)
    time = float(getattr(target.module, "time", 0.0))
    z = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(energy(time, z).sum(), z)
    return slope.detach()
