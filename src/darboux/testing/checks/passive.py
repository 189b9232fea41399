"""Checks of fields that store and dissipate energy, and of fields without divergence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.testing.checks._call import probe, require
from darboux.testing.tolerance import assert_close, tolerance


def check_passive_form(field: Any, z: Tensor, *, t: float = 0.3) -> None:
    """Assert f = S ∇H + supply with ∇H the derivative of the energy, and ⟨g, S g⟩ <= 0.

    For fields that claim to be conservative ⟨g, S g⟩ = 0, and for those with a
    ``dissipation`` it is minus that. Attacked with the gradient and with random g.

    Args:
        field: a field with ``energy``, ``gradient``, ``steer`` and ``supply``.
        z: states, (batch, features, *space).
        t: the time.

    Raises:
        AssertionError: with the numbers.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> check_passive_form(
        ...     dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)), torch.ones(2, 4)
        ... )
    """
    z = z.detach().requires_grad_()
    (expected,) = torch.autograd.grad(field.energy(t, z).sum(), z)
    gradient = field.gradient(t, z)
    size = 4 * z[0].numel()
    assert_close(gradient, expected, size=size, what="gradient against the energy's derivative")
    flow = field.steer(t, z, gradient)
    supply = field.supply(t, z)
    assert_close(field(t, z), flow if supply is None else flow + supply, size=size, what="f")
    require(field.passive == (supply is None), "passive means that nothing is supplied.")
    for g in (gradient, probe(z), 1e3 * probe(z, seed=2)):
        _check_power(field, t, z, g, size)


def _check_power(field: Any, t: float, z: Tensor, g: Tensor, size: int) -> None:
    g = g.detach()
    steered = field.steer(t, z, g).detach()
    power = (g * steered).flatten(1).sum(dim=1)
    scale = g.flatten(1).norm(dim=1) * steered.flatten(1).norm(dim=1)
    slack = tolerance(z.dtype, size) * scale
    worst = float((power - slack).max())
    require(worst <= 0, f"⟨g, S g⟩ exceeds 0 by {worst:.3g}.")
    lost = field.dissipation(t, z, g).detach()
    error = float(((power + lost).abs() - slack).max())
    require(error <= 0, f"⟨g, S g⟩ differs from -dissipation by {error:.3g} more than rounding.")
    require(
        not (field.conservative and bool(lost.any())), "a conservative field dissipates energy."
    )


def check_divergence(field: VectorField, z: Tensor, *, t: float = 0.3) -> None:
    """Assert that the trace of the Jacobian by automatic differentiation vanishes.

    Args:
        field: the field.
        z: states, (batch, features, *space).
        t: the time.

    Raises:
        AssertionError: with the divergence.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.ShearField(dx.linear.Dense(4, 6), dx.activations.Tanh())
        >>> check_divergence(field, torch.ones(2, 4))
    """
    for row in z.detach():
        jacobian = _jacobian(lambda x: field(t, x), row)
        trace, size = float(jacobian.trace().detach()), len(jacobian)
        allowed = tolerance(z.dtype, size) * float(jacobian.detach().norm())
        require(abs(trace) <= allowed, f"div f = {trace:.3g}; at most {allowed:.3g} is rounding.")


def check_parts(field: Any, z: Tensor, *, t: float = 0.3, h: float = 0.4) -> None:
    """Assert that the parts sum to the field, and flow as they say without changing volume.

    For each part: the derivative of its flow by h at 0 is the part, a flow by -h undoes it,
    and log|det| of the autodiff Jacobian of the flow is 0.

    Args:
        field: a field with ``parts()``, each callable as a field.
        z: states, (batch, features, *space), float64.
        t: the time.
        h: the duration.

    Raises:
        AssertionError: with the numbers.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.ShearField(dx.linear.Dense(4, 6), dx.activations.Tanh()).double()
        >>> check_parts(field, torch.ones(2, 4, dtype=torch.float64))
    """
    parts = field.parts()
    size = 4 * z[0].numel()
    assert_close(sum(part(t, z) for part in parts), field(t, z), size=size, what="sum of parts")
    for part in parts:
        ahead, back = part.flow(t, 1e-4, z), part.flow(t, -1e-4, z)
        slope = (ahead - back) / 2e-4
        torch.testing.assert_close(slope, part(t, z), rtol=1e-6, atol=1e-7)
        there = part.flow(t, h, z)
        assert_close(part.flow(t, -h, there), z, size=size, c=64, what="flow by h and by -h")
        check_volume(lambda x, part=part: part.flow(t, h, x), z)  # type: ignore[misc]


def check_volume(function: Any, z: Tensor) -> None:
    """Assert that log|det| of the autodiff Jacobian of a map vanishes to rounding.

    Args:
        function: a map of states.
        z: states, (batch, features, *space), float64.

    Raises:
        AssertionError: with the logarithm.

    Example:
        >>> check_volume(lambda x: x.flip(1), torch.ones(2, 4, dtype=torch.float64))
    """
    for row in z.detach():
        jacobian = _jacobian(function, row)
        value = float(torch.linalg.slogdet(jacobian).logabsdet.detach())
        allowed = tolerance(z.dtype, len(jacobian), c=64)
        require(
            abs(value) <= allowed, f"log|det| = {value:.3g}; at most {allowed:.3g} is rounding."
        )


def _jacobian(function: Any, row: Tensor) -> Tensor:
    """Return the Jacobian at one sample, by rows of reverse mode."""
    jacobian = torch.autograd.functional.jacobian(
        lambda x: function(x.unsqueeze(0)).squeeze(0), row
    )
    return jacobian.reshape(row.numel(), row.numel())
