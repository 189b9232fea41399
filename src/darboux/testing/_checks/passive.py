"""Checks of port-Hamiltonian fields, and of the volume that parts and maps preserve."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.testing._checks._call import probe, require
from darboux.testing._tolerance import assert_close, tolerance


@checked
def check_power(field: Any, z: Tensor, *, t: float = 0.3) -> None:
    """Assert dH/dt = -⟨∇H, R ∇H⟩ + ⟨∇H, supply⟩, and ⟨g, S g⟩ = -⟨g, R g⟩ <= 0 for random g.

    A field that says it is conservative must dissipate nothing, and one is passive if and
    only if nothing is supplied.

    Args:
        field: a field of gradient form with a ``dissipation``.
        z: states, (batch, features, *space).
        t: the time.

    Raises:
        AssertionError: with the numbers.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> damping = dx.linear.Dense(4, 2)
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4), damping=damping)
        >>> check_power(field, torch.ones(2, 4))
    """
    z = z.detach()
    speed, gradient, supply = field(t, z), field.gradient(t, z).detach(), field.supply(t, z)
    rate = torch.func.jvp(lambda x: field.energy(t, x), (z,), (speed.detach(),))[1]
    gained = -field.dissipation(t, z, gradient)
    gained = gained if supply is None else gained + _inner(gradient, supply)
    scale = float((_norm(gradient) * _norm(speed)).detach().max())
    assert_close(rate, gained, size=8 * z[0].numel(), scale=scale, what="dH/dt")
    require(field.passive == (supply is None), "passive means that nothing is supplied.")
    for g in (gradient, probe(z), 1e3 * probe(z, seed=2)):
        lost, steered = field.dissipation(t, z, g).detach(), field.steer(t, z, g).detach()
        require(bool((lost >= 0).all()), f"the dissipation {float(lost.min()):.3g} is negative.")
        scale = float((_norm(g) * _norm(steered)).max())
        power = _inner(g, steered)
        assert_close(power, -lost, size=8 * z[0].numel(), scale=scale, what="⟨g, S g⟩, -⟨g, R g⟩")
        lossless = not field.conservative or not bool(lost.any())
        require(lossless, "a field that says it is conservative dissipates energy.")


@checked
def check_interconnection(field: Any, z: Tensor, *, t: float = 0.3) -> None:
    """Assert that each of two interconnected fields gets the output of the other as its input.

    Negative feedback, u₁ = -y₂ and u₂ = y₁, and the sum of the energies.

    Args:
        field: a `darboux.fields.Interconnection`.
        z: states, (batch, features, *space).
        t: the time.

    Raises:
        AssertionError: with the difference.

    Example:
        >>> import darboux as dx
        >>> def part():
        ...     energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        ...     lossless = dx.linear.Dense(4, 4)
        ...     return dx.fields.PortHamiltonianField(energy, lossless, port=dx.linear.Dense(2, 4))
        >>> check_interconnection(dx.fields.Interconnection(part(), part()), torch.ones(2, 8))
    """
    first, second = field.first, field.second
    one, two = z.split([first.features, second.features], dim=1)
    y1, y2 = first.output(t, one), second.output(t, two)
    coupled = [first(t, one) - first.inject(y2), second(t, two) + second.inject(y1)]
    size = 8 * z[0].numel()
    assert_close(field(t, z), torch.cat(coupled, dim=1), size=size, what="the coupled fields")
    total = first.energy(t, one) + second.energy(t, two)
    assert_close(field.energy(t, z), total, size=size, what="the sum of the energies")
    assert_close(field.output(t, z), torch.cat([y1, y2], dim=1), size=size, what="the outputs")


@checked
def check_part_volumes(field: Any, z: Tensor, *, t: float = 0.3, h: float = 0.3) -> None:
    """Assert that the flow of each part is undone by -h, and keeps volume, as their product does.

    Args:
        field: a field with ``parts()``.
        z: states, (batch, features, *space), float64.
        t: the time.
        h: the duration.

    Raises:
        AssertionError: with the numbers.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.ShearField(dx.linear.Dense(4, 6), dx.activations.Tanh()).double()
        >>> check_part_volumes(field, torch.ones(2, 4, dtype=torch.float64))
    """
    for part in field.parts():
        back = part.flow(t, -h, part.flow(t, h, z))
        assert_close(back, z, size=8 * z[0].numel(), c=64, what="a flow by h, then by -h")
        check_determinant(partial(part.flow, t, h), z)

    def composed(x: Tensor) -> Tensor:
        for part in field.parts():
            x = part.flow(t, h, x)
        return x

    check_determinant(composed, z)


@checked
def check_determinant(function: Callable[[Tensor], Tensor], z: Tensor) -> None:
    """Assert |det| = 1 for the autodiff Jacobian of a map, up to rounding.

    Args:
        function: a map of states, of samples independent of each other.
        z: states, (batch, features, *space), float64.

    Raises:
        AssertionError: with log|det|.

    Example:
        >>> check_determinant(lambda x: x.flip(1), torch.ones(2, 4, dtype=torch.float64))
    """
    for row in z.detach().split(1):
        jacobian = torch.autograd.functional.jacobian(function, row)
        jacobian = jacobian.reshape(row.numel(), row.numel())
        value = float(torch.linalg.slogdet(jacobian).logabsdet)
        condition = float(torch.linalg.cond(jacobian))
        allowed = tolerance(z.dtype, len(jacobian)) * (1 + condition)
        require(
            abs(value) <= allowed, f"log|det| = {value:.3g}; at most {allowed:.3g} is rounding."
        )


def _inner(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).flatten(1).sum(dim=1)


def _norm(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1)
