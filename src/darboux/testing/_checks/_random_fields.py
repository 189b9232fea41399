"""Random fields whose constants are known, stiff ones among them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darboux.activations import LeakyReLU, Tanh
from darboux.fields import GradientField
from darboux.integrators._integrator import Field, Time
from darboux.linear import Dense


def gradient_field(generator: torch.Generator) -> tuple[Field, float]:
    """Return -Aᵀ σ(Az + b(t)), slopes of σ in [0, 1], with its ν̄ = -1/‖A‖²."""
    a = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    a /= torch.linalg.matrix_norm(a, 2)
    a *= float(torch.rand((), generator=generator)) + 0.5
    b = torch.randn(6, generator=generator, dtype=torch.float64)

    def field(t: Time, z: Tensor) -> Tensor:
        y = z @ a.T + b * math.cos(5 * t)
        sigma = torch.cat([y[:, :2].relu(), y[:, 2:4].clamp(-0.3, 0.3), y[:, 4:].tanh()], dim=1)
        return -sigma @ a

    return field, -1 / float(torch.linalg.matrix_norm(a, 2)) ** 2


def monotone_field(generator: torch.Generator) -> tuple[Field, float]:
    """Return -(z + N(t, z))/2, N nonexpansive: firmly nonexpansive, ν̄ = -1, no gradient."""
    first, second = _frame(generator), _frame(generator)

    def field(t: Time, z: Tensor) -> Tensor:
        return -0.5 * (z + (z @ first + math.sin(7 * t)).abs() @ second)

    return field, -1.0


def expanding_field(lipschitz: float) -> Field:
    return lambda t, z: lipschitz * z


def lipschitz_field(lipschitz: float, generator: torch.Generator) -> Field:
    orthogonal = _frame(generator)
    return lambda t, z: lipschitz * torch.relu(z @ orthogonal + math.sin(5 * t))


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
