"""Checks of the arguments of a continuous flow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from darboux.integrators import Field, Integrator, PostActivation, Time
from darboux.integrators._adaptive import Adaptive
from darboux.solvers._rows import mixing
from darboux.structure._module import check_features


def check_field(field: nn.Module) -> None:
    """Refuse what mixes samples, or is random."""
    for name, part in field.named_modules():
        if isinstance(part, (_BatchNorm, _DropoutNd)):
            why = (
                "mixes the samples of a batch, so that no sample has a Jacobian of its own"
                if isinstance(part, _BatchNorm)
                else "is another field at every stage of a step, so that there is no ODE"
            )
            msg = (
                f"ContinuousFlow: expected a field that acts on every sample alone and is no "
                f"random one; got {type(part).__name__} at {name!r}, which {why}. Leave it out, or "
                "use LayerNorm or GroupNorm."
            )
            raise TypeError(msg)


def check_rows(field: Field, z: Tensor) -> None:
    """Refuse a field that mixes samples, or is random, as far as some samples show."""
    why = mixing(lambda state: field(0.0, state), z.detach())
    if why is not None:
        msg = (
            "ContinuousFlow: expected a field that acts on every sample alone, so that each has a "
            f"Jacobian of its own; got f(0, z) of which this was seen: {why}. Leave out what looks "
            "at the whole batch, such as batch statistics or attention between samples."
        )
        raise ValueError(msg)


def check_integrator(integrator: Integrator) -> Integrator:
    """Return a method that solves any ODE, as one for z and its log-determinant must."""

    def values(t: Time, z: Tensor) -> Tensor:
        del t
        return z

    fits = not isinstance(integrator, PostActivation)
    if fits:
        try:
            integrator.require(values)
        except TypeError:
            fits = False
    if not fits:
        msg = (
            f"ContinuousFlow: expected a method that solves any ODE, because z goes together with "
            f"its log-determinant; got {integrator!r}. Use a Runge-Kutta method such as Kutta4(), "
            "ImplicitMidpoint() or DormandPrince()."
        )
        raise TypeError(msg)
    return integrator


def check_steps(steps: int | None, integrator: Integrator) -> int:
    """Return the number of steps."""
    if steps is None:
        return 1 if isinstance(integrator, Adaptive) else 8
    return steps


def shape_of(shape: int | Sequence[int]) -> torch.Size:
    """Return the shape of one sample."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not sizes:
        msg = (
            f"ContinuousFlow: expected the sizes of a sample; got {shape}. Use 2 for two features."
        )
        raise ValueError(msg)
    return torch.Size(sizes)


def check_input(x: Tensor, shape: torch.Size) -> None:
    """Refuse features of another shape."""
    check_features("ContinuousFlow", x)
    if x.ndim != 1 + len(shape) or x.shape[1:] != shape:
        msg = (
            f"ContinuousFlow: expected (batch, {', '.join(map(str, shape))}); got "
            f"{tuple(x.shape)}. Build the flow with shape={tuple(x.shape[1:])} for such features."
        )
        raise ValueError(msg)
