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


@dataclass(frozen=True, eq=False)
class Augmented:
    """The field of (z, log-determinant, kinetic energy, norm of the Jacobian), as one vector.

    Shapes: a state is (batch, entries + extras), the entries of z first.

    Source: section 4.2.3.

    Args:
        field: (t, z) -> f(t, z), z of shape (batch, *shape).
        shape: the shape of one z.
        extras: how many of the integrals go along, 0, 1 or 3.
        noise: the probe of an estimated trace, None for an exact one.

    Example:
        >>> system = Augmented(lambda t, z: -z, torch.Size([2]), 1, None)
        >>> system(0.0, system.pack(torch.ones(1, 2))).detach()
        tensor([[-1., -1., -2.]])
    """

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

    def unpack(self, state: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return z and the integrals, (batch,) each."""
        entries = self.shape.numel()
        z = state[:, :entries].reshape(-1, *self.shape)
        return z, tuple(state[:, entries:].unbind(dim=1))

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

    def _derived(self, f: Callable[[Tensor], Tensor], z: Tensor) -> Found:
        if self.noise is None:
            return exact_trace(f, z)
        return estimated_trace(f, z, self.noise.flatten(1).to(z.dtype))


def bound(field: nn.Module, context: Tensor | None) -> Slope:
    """Return (t, z) -> f(t, z; c), with what depends on parameters alone computed once.

    Example:
        >>> import darboux as dx
        >>> field = dx.density.TimeConditionedField(torch.nn.Linear(2, 1))
        >>> bound(field, None)(0.0, torch.ones(3, 1)).shape
        torch.Size([3, 1])
    """
    f = field.bind() if isinstance(field, VectorField) else field
    if getattr(field, "context_features", None) is None:
        return f
    return lambda t, z: f(t, z, context)  # type: ignore[call-arg]


def wide(x: Tensor) -> Tensor:
    """Return x in float32 where autocast made it half precision: its weights are float32.

    Example:
        >>> wide(torch.ones(1)).dtype
        torch.float32
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


Map = Callable[[Tensor], Tensor]

Found = tuple[Tensor, Tensor, Tensor]


def exact_trace(f: Map, z: Tensor) -> Found:
    """Return f(z), tr Df(z) and ‖Df(z)‖²_F, by one derivative for each entry of a sample.

    Shapes: z and f(z) are (batch, entries), the others (batch,).

    Args:
        f: acts on every sample alone.
        z: where.

    Example:
        >>> a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> exact_trace(lambda z: z @ a, torch.ones(1, 2))[1:]
        (tensor([5.]), tensor([30.]))
    """
    value, product = products(f, z)
    basis = torch.eye(z.shape[1], dtype=value.dtype, device=z.device)
    trace = norm = value.new_zeros(len(z))
    for i in range(z.shape[1]):
        row = product(basis[i].expand_as(value), graph=True)
        trace, norm = trace + row[:, i], norm + row.square().sum(dim=1)
    return value, trace, norm


def estimated_trace(f: Map, z: Tensor, noise: Tensor) -> Found:
    """Return f(z), and the estimates vᵀ Df(z) v and ‖Df(z)ᵀ v‖² with one probe v for each sample.

    Both are unbiased if E v vᵀ = I.

    Shapes: z, f(z) and v are (batch, entries), the others (batch,).

    Source: Hutchinson 1990; Grathwohl et al. 2019, FFJORD.

    Args:
        f: acts on every sample alone.
        z: where.
        noise: v.

    Example:
        >>> a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> estimated_trace(lambda z: z @ a, torch.ones(1, 2), torch.ones(1, 2))[1]
        tensor([10.])
    """
    value, product = products(f, z)
    row = product(noise.to(value.dtype), graph=True)
    return value, (row * noise).sum(dim=1), row.square().sum(dim=1)


def rademacher(like: Tensor) -> Tensor:
    """Return independent entries ±1, from PyTorch's global random numbers.

    Their variance in `estimated_trace` is the smallest that independent entries can have.

    Example:
        >>> rademacher(torch.ones(2, 3)).abs().sum()
        tensor(6.)
    """
    return 2 * torch.randint_like(like, 2) - 1
