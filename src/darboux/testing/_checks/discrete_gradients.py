"""Checks of discrete gradients: their identity, the energy balance, order and drift."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from darboux.integrators import DiscreteGradient, Integrator, Kutta4
from darboux.structure._arguments import Count, Positive, checked
from darboux.testing._checks._call import probe, require
from darboux.testing._tolerance import assert_close


@checked
def check_discrete_gradient(method: DiscreteGradient, field: Any, z: Tensor) -> None:
    """Assert ⟨∇̄H(z, z'), z' - z⟩ = H(z') - H(z), and ∇̄H(z, z) = ∇H(z).

    For z' from far away to as close as rounding allows, and with finite derivatives where
    z' = z.

    Args:
        method: the method.
        field: a field with ``energy`` and ``gradient``.
        z: states, (batch, features, *space), float64.

    Raises:
        AssertionError: with the numbers.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        >>> z = torch.ones(2, 4, dtype=torch.float64)
        >>> check_discrete_gradient(dx.integrators.GonzalezGradient(), field, z)
    """
    for size in (3.0, 0.3, 1e-2, 1e-5, 1e-9):
        after = z + size * probe(z)
        gradient = method.gradient(field, 0.0, 0.2, z, after)
        _check_identity(field, z, after, gradient)
        exact = field.gradient(0.1, z)
        error = float((gradient - exact).detach().norm() / (1 + exact.detach().norm()))
        require(error <= 50 * size + 1e-9, f"∇̄H at distance {size:g} is off ∇H by {error:.3g}.")
    same = z.detach().requires_grad_()
    at_rest = method.gradient(field, 0.0, 0.2, z.detach(), same)
    assert_close(at_rest, field.gradient(0.1, z), size=8 * z[0].numel(), what="∇̄H(z, z)")
    (slope,) = torch.autograd.grad((at_rest * probe(z)).sum(), same)
    require(bool(slope.isfinite().all()), "the derivative of ∇̄H is not finite at z' = z.")


def _check_identity(field: Any, z: Tensor, after: Tensor, gradient: Tensor) -> None:
    start, end = field.energy(0.1, z), field.energy(0.1, after)
    along = (gradient * (after - z)).flatten(1).sum(dim=1)
    reach = gradient.flatten(1).norm(dim=1) * (after.flatten(1).norm(dim=1) + 1)
    scale = float((start.abs() + end.abs() + reach).detach().max())
    size = 4 * z[0].numel()
    assert_close(along, end - start, size=size, scale=scale, what="⟨∇̄H, z' - z⟩, H(z') - H(z)")


@checked
def check_balance(
    method: DiscreteGradient, field: Any, z: Tensor, *, t: float = 0.3, h: float = 0.2
) -> None:
    """Assert H(z') - H(z) = h (-⟨∇̄H, R ∇̄H⟩ + ⟨∇̄H, B u⟩) for one step, to rounding.

    Args:
        method: the method.
        field: a port-Hamiltonian field.
        z: states, (batch, features, *space), float64.
        t: the time.
        h: the step size.

    Raises:
        AssertionError: with the numbers.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> damping = dx.linear.Dense(4, 4)
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4), damping=damping)
        >>> z = torch.ones(2, 4, dtype=torch.float64)
        >>> check_balance(dx.integrators.GonzalezGradient(), field.double(), z)
    """
    after = method.step(field, t, h, z)
    gradient = method.gradient(field, t, h, z, after)
    middle = 0.5 * (z + after)
    supplied = field.supply(t + 0.5 * h, middle)
    gained = 0.0 if supplied is None else (gradient * supplied).flatten(1).sum(dim=1)
    expected = h * (gained - field.dissipation(t + 0.5 * h, middle, gradient))
    start, end = field.energy(t, z), field.energy(t, after)
    reach = gradient.flatten(1).norm(dim=1) * after.flatten(1).norm(dim=1)
    scale = float((start.abs() + end.abs() + reach).detach().max())
    assert_close(end - start, expected, size=4 * z[0].numel(), scale=scale, what="energy balance")


@checked
def check_convergence(
    method: DiscreteGradient, field: Any, z: Tensor, *, within: Positive = 0.25
) -> None:
    """Assert that errors fall like h^p, p the method's `order`, against small Kutta(4) steps.

    Args:
        method: the method.
        field: a smooth field with an energy.
        z: states, (batch, features, *space), float64.
        within: how far the slope may be from p.

    Raises:
        AssertionError: with the slope that was measured.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4), floor=1.0)
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        >>> z = torch.ones(1, 4, dtype=torch.float64)
        >>> check_convergence(dx.integrators.GonzalezGradient(), field, z)
    """
    with torch.no_grad():
        exact = _march(Kutta4(), field, z, steps=100, horizon=1.0)
        counts = [5, 20]
        errors = [
            float((_march(method, field, z, steps=n, horizon=1.0) - exact).norm()) for n in counts
        ]
    slope = math.log(errors[0] / errors[-1]) / math.log(counts[-1] / counts[0])
    near = abs(slope - method.order) <= within
    require(near, f"errors fall like h^{slope:.2f}; the order is {method.order}.")


@checked
def check_energy_drift(
    method: Integrator,
    field: Any,
    z: Tensor,
    *,
    steps: Count = 1000,
    h: float = 0.1,
    allowed: Positive = 1e-11,
) -> None:
    """Assert that the energy stays within a relative distance of its start in every step.

    Args:
        method: the method.
        field: a conservative field.
        z: states, (batch, features, *space), float64.
        steps: how many.
        h: the step size.
        allowed: the largest |H(z_k) - H(z_0)|/|H(z_0)|.

    Raises:
        AssertionError: with the drift.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        >>> z = torch.ones(1, 4, dtype=torch.float64)
        >>> check_energy_drift(dx.integrators.GonzalezGradient(), field, z, steps=5)
    """
    with torch.no_grad():
        start, worst = field.energy(0.0, z), 0.0
        for k in range(steps):
            z = method.step(field, k * h, h, z)
            drift = (field.energy(0.0, z) - start).abs() / start.abs()
            worst = max(worst, float(drift.max()))
    require(worst <= allowed, f"relative energy drift {worst:.3g}; at most {allowed:.3g}.")


def _march(method: Any, field: Any, z: Tensor, *, steps: int, horizon: float) -> Tensor:
    """Return z(horizon) from z(0) in equal steps."""
    h = horizon / steps
    for k in range(steps):
        z = method.step(field, k * h, h, z)
    return z
