"""Difference quotients of an energy, safe where they are rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.integrators.integrator import Time
from darboux.integrators.properties import GradientForm

_ROUNDING = 4  # units of rounding in a difference of two energies


@final
@dataclass(frozen=True, eq=False)
class Increment:
    """A gradient with what it misses of an increment of the energy: g + (missing/size) v.

    What is missing is of third order in the step, but computed by subtraction. Where it is not
    larger than the rounding of that subtraction it is left out: divided by something small it
    would be noise, in the values as in the derivatives.

    Shapes: everything broadcasts to z, (batch, features, *space).

    Source: section 2.2.2.

    Args:
        gradient: g.
        missing: H(z') - H(z) - ⟨g, δ⟩ along the increment δ.
        size: ⟨v, δ⟩.
        direction: v.
        scale: the size of the terms of `missing`.

    Example:
        >>> zero, one = torch.zeros(1, 1), torch.ones(1, 1)
        >>> Increment(one, 1e-9 * one, zero, one, scale=one).discrete_gradient()
        tensor([[1.]])
        >>> Increment(one, one, 2 * one, one, scale=one).discrete_gradient()
        tensor([[1.5000]])
    """

    gradient: Tensor
    missing: Tensor
    size: Tensor
    direction: Tensor
    scale: Tensor

    def discrete_gradient(self) -> Tensor:
        """Return g + (missing/size) v, of finite value and derivative for size 0, too."""
        matters = self._exceeds(_ROUNDING)
        safe = torch.where(matters, self.size, torch.ones_like(self.size))
        missing = torch.where(matters, self.missing, torch.zeros_like(self.missing))
        return self.gradient + missing / safe * self.direction

    def noise(self) -> Tensor:
        """Return how far one unit of rounding in the energy moves the discrete gradient, >= 0."""
        matters = self._exceeds(_ROUNDING / 2)
        safe = torch.where(matters, self.size.detach().abs(), torch.inf)
        return self.scale.detach() / safe * self.direction.detach().abs()

    def _exceeds(self, units: float) -> Tensor:
        eps = torch.finfo(self.missing.dtype).eps
        large = self.missing.detach().abs() > units * eps * self.scale.detach()
        return large & (self.size.detach() != 0)


def along(field: GradientForm, t: Time, z: Tensor, after: Tensor, gradient: Tensor) -> Increment:
    """Return the increment of the energy from z to z', of which a gradient ḡ misses little.

    Its discrete gradient is ḡ + (H(z') - H(z) - ⟨ḡ, δ⟩) δ/‖δ‖², δ = z' - z.

    Example:
        >>> import darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(1, 1), floor=1.0)
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(1, 1))
        >>> z, after = torch.zeros(1, 1), torch.ones(1, 1)
        >>> found = along(field, 0.0, z, after, torch.zeros(1, 1)).discrete_gradient()
        >>> torch.testing.assert_close(found[0], energy(after))
    """
    delta = after - z
    start, end = field.energy(t, torch.cat([z, after])).chunk(2)
    missing = end - start - _inner(gradient, delta)
    size = _inner(delta, delta)
    # the last term is what the rounding of z' itself does to H
    reach = (_inner(gradient, gradient) * _inner(after, after)).detach().sqrt()
    scale = start.abs() + end.abs() + reach
    terms = (x.reshape(-1, *(1,) * (z.ndim - 1)) for x in (missing, size, scale))
    missing, size, scale = terms
    return Increment(gradient, missing, size, delta, scale)


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """Return ⟨x, y⟩ of every sample, (batch,)."""
    return (x * y).flatten(1).sum(dim=1)
