"""Checks of implicit methods: contraction at any step, derivatives of what was solved for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.activations import LeakyReLU, Tanh
from darboux.fields import GradientField
from darboux.integrators import Integrator
from darboux.integrators._integrator import Field, Time
from darboux.linear import Dense
from darboux.testing._checks._call import require

STEPS = (1e-2, 1.0, 1e2, 1e4)


def check_contraction_at_any_step(
    method: Integrator,
    *,
    steps: Sequence[float] = STEPS,
    generator: torch.Generator | None = None,
) -> None:
    """Assert that no step, however large, brings pairs further apart on stiff fields with ν <= 0.

    The fields: gradient fields with large weights, kinked and saturated; a linear one with
    rates from 1e-3 to 1e4; a monotone one that is no gradient and depends on time.

    Source: section 2.2.1, equation (21).

    Args:
        method: a method that claims to be B-stable.
        steps: the step sizes.
        generator: of the fields and pairs; seeded with 0 if None.

    Raises:
        AssertionError: with the field, the step and the growth.

    Example:
        >>> from darboux.integrators import ImplicitEuler
        >>> check_contraction_at_any_step(ImplicitEuler(), steps=(1.0, 1e4))
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    for name, field in stiff_fields(generator).items():
        for h in steps:
            growth = _growth(method, field, h, generator)
            message = f"{method}: pairs grow by {growth - 1:.3g} on {name} with h = {h:g}."
            require(growth <= 1 + 1e-9, message)


def check_derivatives_of_step(method: Integrator) -> None:
    """Assert that a step's first derivatives by z, h, t and a parameter are finite differences.

    Args:
        method: the method.

    Raises:
        AssertionError: with the largest difference.

    Example:
        >>> from darboux.integrators import RadauIIA
        >>> check_derivatives_of_step(RadauIIA(2))
    """
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    z = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    h, t = (torch.tensor(x, dtype=torch.float64) for x in (0.4, 0.2))
    inputs = (weight, z, h, t)

    def step(weight: Tensor, z: Tensor, h: Tensor, t: Tensor) -> Tensor:
        return method.step(lambda t, z: torch.tanh(z @ weight + t), t, h, z).sum()

    slopes = torch.func.grad(step, argnums=(0, 1, 2, 3))(*inputs)
    for k, (name, slope) in enumerate(zip(("weight", "z", "h", "t"), slopes, strict=True)):
        u = torch.randn(slope.shape, generator=generator, dtype=torch.float64)
        moved = [[*inputs[:k], inputs[k] + s * 1e-5 * u, *inputs[k + 1 :]] for s in (1, -1)]
        difference = float(step(*moved[0]) - step(*moved[1])) / 2e-5
        error = abs(float((slope * u).sum()) - difference)
        require(error <= 1e-8, f"{method}: the derivative by {name} is off by {error:.3g}.")


def stiff_fields(generator: torch.Generator) -> dict[str, Field]:
    """Return stiff fields on (batch, 4) with ν <= 0, by name."""
    rates = torch.logspace(-3, 4, 4, dtype=torch.float64)
    frame = _frame(generator)
    return {
        "kinked gradient": _gradient(LeakyReLU(slope=0.1), 30.0, generator),
        "saturated gradient": _gradient(Tanh(), 10.0, generator),
        "linear": lambda t, z: -(z @ frame * rates) @ frame.T,
        "monotone": _monotone(generator),
    }


def _gradient(activation: LeakyReLU | Tanh, scale: float, generator: torch.Generator) -> Field:
    field = GradientField(Dense(4, 6), activation, metric="norm").double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator) / 2)
    return field.requires_grad_(requires_grad=False)


def _monotone(generator: torch.Generator) -> Field:
    """Return -100 (z + N(t, z)), N nonexpansive, so that ν <= 0."""
    first, second = _frame(generator), _frame(generator)

    def field(t: Time, z: Tensor) -> Tensor:
        return -100 * (z + torch.sin(z @ first + t) @ second)

    return field


def _frame(generator: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q


def _growth(method: Integrator, field: Field, h: float, generator: torch.Generator) -> float:
    """Return the largest ‖Δz'‖/‖Δz‖ over pairs from close to far apart."""
    noise = torch.randn(2, 24, 4, generator=generator, dtype=torch.float64)
    z = 2 * noise[0]
    other = z + noise[1] * torch.logspace(1, -3, 24, dtype=torch.float64).unsqueeze(1)
    with torch.no_grad():
        first, second = method.step(field, 0.3, h, torch.cat([z, other])).chunk(2)
    return float(((second - first).norm(dim=1) / (other - z).norm(dim=1)).max())
