"""The continuous adjoint: the equations of theorem 3.1, solved backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from darboux.flow._links import Leg
from darboux.gradients import OpenLayerError
from darboux.gradients._captured import Captured
from darboux.gradients._record import Inventory, is_watched
from darboux.gradients._tape import HELD, require_own
from darboux.integrators import Field, Integrator, StepSize, Time


def continuous(
    method: Integrator, legs: Sequence[Leg], z: Tensor, after: Tensor | None = None
) -> Tensor:
    """Return z after some steps, with the gradient of theorem 3.1, as given if it is known."""
    if any(isinstance(x, Tensor) and x.requires_grad for leg in legs for x in (leg.t, leg.h)):
        raise ValueError(_MOVING)
    wanted = {id(p): p for leg in legs for p in _parameters(leg)}
    found: Tensor = _Continuous.apply(method, legs, after, z, *wanted.values())
    return found


@final
class _Continuous(torch.autograd.Function):
    """Steps as one node of the graph."""

    @staticmethod
    def forward(
        ctx: Any,
        method: Integrator,
        legs: Sequence[Leg],
        after: Tensor | None,
        z: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        if after is None:
            after = z
            for leg in legs:
                after = _stepped(method, leg.prepare(), leg.t, leg.h, after)
        after = after.clone()
        ctx.method, ctx.legs = method, legs
        ctx.save_for_backward(after, *parameters)
        return after

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(_TWICE)
        z, *parameters = ctx.saved_tensors
        sums = {id(p): torch.zeros_like(p) for p in parameters}
        p = gradient
        for leg in reversed(ctx.legs):
            z, p = _back(ctx.method, leg, z, p, sums)
        return None, None, None, p, *sums.values()


def _back(
    method: Integrator, leg: Leg, z: Tensor, p: Tensor, sums: dict[int, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return z and p before a step, and add the integral of -f_θᵀp to the sums."""
    # All of it is one system, whose error an adaptive method measures as one.
    wanted = _parameters(leg)
    members = [z, p, *(torch.zeros_like(w) for w in wanted)]
    sizes = [member.numel() for member in members]

    def parted(x: Tensor) -> list[Tensor]:
        parts = x.reshape(-1).split(sizes)
        return [y.reshape(member.shape) for y, member in zip(parts, members, strict=True)]

    def slope(t: Time, x: Tensor) -> Tensor:
        here, costate, *_ = parted(x)
        time = t.reshape(-1, *(1,) * (z.ndim - 1)) if isinstance(t, Tensor) and t.ndim else t
        with torch.enable_grad():
            leaf = here.detach().requires_grad_()
            f = leg.prepare()(time, leaf)
        loose = leg.module.loose if isinstance(leg.module, Captured) else ()
        known = [leaf, *wanted, *leg.module.parameters(), *loose]
        require_own(type(leg.module).__name__, [f], known)
        found = torch.autograd.grad(
            f, [leaf, *wanted], costate, allow_unused=True, materialize_grads=True
        )
        return torch.cat([f.detach().reshape(-1), *(-g.reshape(-1) for g in found)]).unsqueeze(0)

    start = torch.cat([member.reshape(-1) for member in members]).unsqueeze(0)
    with torch.no_grad():
        z, p, *found = parted(_stepped(method, slope, leg.t + leg.h, -leg.h, start))
    for parameter, part in zip(wanted, found, strict=True):
        sums[id(parameter)] += part
    return z, p


def _stepped(method: Integrator, field: Field, t: Time, h: StepSize, z: Tensor) -> Tensor:
    state = method.init(field, t, h, z)
    return method.value(method.step(field, t, h, state))


def _parameters(leg: Leg) -> list[Tensor]:
    """Return the parameters that the field of a step has gradients for."""
    found = [p for _, p in Inventory(leg.module).parameters if p.requires_grad]
    if any(map(is_watched, found)):
        raise OpenLayerError(HELD)
    return found


_MOVING = (
    "gradient='continuous': expected steps that are numbers; got some that gradients reach. Use "
    "gradient='adjoint', or detach() them."
)

_TWICE = (
    "gradient='continuous': expected derivatives of first order; got create_graph=True, and the "
    "equations that are solved backwards have no graph. Use gradient='adjoint'."
)
