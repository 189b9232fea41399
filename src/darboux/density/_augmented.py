"""The ODE of a continuous flow with the integrals that go along, as one system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.bijections._jacobian_products import products
from darboux.fields import VectorField
from darboux.integrators import Time

Slope = Callable[[Time, Tensor], Tensor]

_Map = Callable[[Tensor], Tensor]

_Found = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Augmented:
    """The field of (z, log-determinant, kinetic energy, norm of the Jacobian), as one vector."""

    field: Slope
    shape: torch.Size
    extras: int
    noise: Tensor | None

    def __call__(self, t: Time, state: Tensor) -> Tensor:
        """Return the slope of a state."""
        z = state[:, : self.shape.numel()]
        # methods that pick their steps have one time for each sample
        time = t.reshape(-1, *(1,) * len(self.shape)) if isinstance(t, Tensor) and t.ndim else t

        def f(flat: Tensor) -> Tensor:
            return self._slope(time, flat)

        if self.extras == 0:
            return f(z)
        value, trace, norm = self._derived(f, z)
        kinetic = value.square().sum(dim=1) / 2
        integrals = torch.stack([trace, kinetic, norm][: self.extras], dim=1)
        return torch.cat([value, integrals.to(value.dtype)], dim=1)

    def pack(self, z: Tensor) -> Tensor:
        """Return z with integrals of 0, (batch, entries + extras)."""
        return torch.cat([z.flatten(1), z.new_zeros(len(z), self.extras)], dim=1)

    def unpack(self, state: Tensor) -> tuple[Tensor, ...]:
        """Return z and the integrals, (batch,) each."""
        entries = self.shape.numel()
        z = state[:, :entries].reshape(-1, *self.shape)
        return z, *state[:, entries:].unbind(dim=1)

    def _slope(self, t: Time, flat: Tensor) -> Tensor:
        z = flat.reshape(-1, *self.shape)
        found = self.field(t, z)
        if found.shape != z.shape:
            msg = (
                f"ContinuousFlow: expected f(t, z) of the shape of z, {tuple(z.shape)}; got "
                f"{tuple(found.shape)}. Return one slope for each entry of z."
            )
            raise ValueError(msg)
        return found.flatten(1)

    def _derived(self, f: _Map, z: Tensor) -> _Found:
        if self.noise is None:
            return _exact_trace(f, z)
        return _estimated_trace(f, z, self.noise.flatten(1).to(z.dtype))


def prepared(field: nn.Module, context: Tensor | None) -> Slope:
    """Return (t, z) -> f(t, z; c), with what depends on parameters alone computed once."""
    f = field.prepare() if isinstance(field, VectorField) else field
    if getattr(field, "context_features", None) is None:
        return f
    return lambda t, z: f(t, z, context)  # type: ignore[call-arg]


def _exact_trace(f: _Map, z: Tensor) -> _Found:
    """Return f(z), tr Df(z) and ‖Df(z)‖²_F, by one derivative for each entry of a sample."""
    value, product = products(f, z)
    basis = torch.eye(z.shape[1], dtype=value.dtype, device=z.device)
    trace = norm = value.new_zeros(len(z))
    for i in range(z.shape[1]):
        row = product(basis[i].expand_as(value), graph=True)
        trace, norm = trace + row[:, i], norm + row.square().sum(dim=1)
    return value, trace, norm


def _estimated_trace(f: _Map, z: Tensor, noise: Tensor) -> _Found:
    """Return f(z), and the estimates vᵀ Df(z) v and ‖Df(z)ᵀ v‖², one probe v a sample."""
    # Both are unbiased if E v vᵀ = I.
    # Hutchinson 1990; Grathwohl et al. 2019, FFJORD.
    value, product = products(f, z)
    row = product(noise.to(value.dtype), graph=True)
    return value, (row * noise).sum(dim=1), row.square().sum(dim=1)


def rademacher(like: Tensor) -> Tensor:
    """Return independent entries ±1, from PyTorch's global random numbers."""
    # Their variance in `_estimated_trace` is the smallest that independent entries can have.
    return 2 * torch.randint_like(like, 2) - 1
