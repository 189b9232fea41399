"""The power-conserving interconnection of two port-Hamiltonian fields."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.fields._field import Time, VectorField
from darboux.fields._port_hamiltonian import PortHamiltonianField
from darboux.structure._arguments import checked


@final
class Interconnection(VectorField):
    """Two port-Hamiltonian fields in negative feedback, u₁ = e₁ - y₂ and u₂ = e₂ + y₁.

    What one gives the other takes, ⟨u₁, y₁⟩ + ⟨u₂, y₂⟩ = ⟨e₁, y₁⟩ + ⟨e₂, y₂⟩, so the whole is
    port-Hamiltonian again, with H = H₁ + H₂ and the ports of both:

        J = [[J₁, -B₁B₂*], [B₂B₁*, J₂]],  R = diag(R₁, R₂),  B = diag(B₁, B₂).

    The external inputs e are the signals of the two fields. An interconnection may be
    interconnected.

    Shapes: z is (batch, features₁ + features₂, *space), the state of the first field before
    that of the second on the channel axis.

    Source: section 6.4.1; van der Schaft and Jeltsema 2014, interconnection.

    Args:
        first: a field with ports.
        second: a field with as many ports.

    Raises:
        TypeError: if one of them is not port-Hamiltonian.
        ValueError: if one has no ports, or the numbers of ports or spatial axes differ.

    Example:
        >>> import torch, darboux as dx
        >>> def part():
        ...     return dx.fields.PortHamiltonianField(
        ...         dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4)),
        ...         dx.linear.Dense(4, 4),
        ...         port=dx.linear.Dense(2, 4),
        ...     )
        >>> both = dx.fields.Interconnection(part(), part())
        >>> both.conservative, both(0.0, torch.ones(3, 8)).shape
        (True, torch.Size([3, 8]))
    """

    features: int
    dim: int
    ports: int
    passive: bool
    conservative: bool

    @checked
    def __init__(
        self,
        first: PortHamiltonianField | Interconnection,
        second: PortHamiltonianField | Interconnection,
    ) -> None:
        super().__init__()
        _check(first, second)
        self.first, self.second = first, second
        self.features, self.dim = first.features + second.features, first.dim
        self.ports = first.ports + second.ports
        self.autonomous = first.autonomous and second.autonomous
        self.passive = first.passive and second.passive
        self.conservative = first.conservative and second.conservative

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        flow = self.steer(t, z, self.gradient(t, z))
        supply = self.supply(t, z)
        return flow if supply is None else flow + supply

    def energy(self, t: Time, z: Tensor) -> Tensor:
        """Return H₁ + H₂, (batch,)."""
        one, two = self._split(z)
        return self.first.energy(t, one) + self.second.energy(t, two)

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        """Return ∇H, of the shape of z."""
        one, two = self._split(z)
        return torch.cat([self.first.gradient(t, one), self.second.gradient(t, two)], dim=1)

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return (J - R) g."""
        (one, two), (g1, g2) = self._split(z), self._split(g)
        to_first = self.first.steer(t, one, g1) - self.first.inject(self.second.collect(g2))
        to_second = self.second.steer(t, two, g2) + self.second.inject(self.first.collect(g1))
        return torch.cat([to_first, to_second], dim=1)

    def supply(self, t: Time, z: Tensor) -> Tensor | None:
        """Return what the signals of the two fields bring in, or None where there are none."""
        one, two = self._split(z)
        to_first, to_second = self.first.supply(t, one), self.second.supply(t, two)
        if to_first is None and to_second is None:
            return None
        to_first = torch.zeros_like(one) if to_first is None else to_first
        to_second = torch.zeros_like(two) if to_second is None else to_second
        return torch.cat([to_first, to_second], dim=1)

    def output(self, t: Time, z: Tensor) -> Tensor:
        """Return y = B* ∇H(z), (batch, ports, *space)."""
        return self.collect(self.gradient(t, z))

    def inject(self, u: Tensor) -> Tensor:
        """Return B u."""
        one, two = torch.split(u, [self.first.ports, self.second.ports], dim=1)
        return torch.cat([self.first.inject(one), self.second.inject(two)], dim=1)

    def collect(self, g: Tensor) -> Tensor:
        """Return B* g, what comes out of the ports where the gradient is g."""
        g1, g2 = self._split(g)
        return torch.cat([self.first.collect(g1), self.second.collect(g2)], dim=1)

    def dissipation(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return ⟨g, R g⟩ >= 0, (batch,)."""
        (one, two), (g1, g2) = self._split(z), self._split(g)
        return self.first.dissipation(t, one, g1) + self.second.dissipation(t, two, g2)

    def why(self) -> str:
        """Return the theorem, in words."""
        return "u₁ = -y₂, u₂ = y₁ conserves power: H₁ + H₂ is stored or dissipated (6.4.1)"

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if z.ndim < 2 or z.shape[1] != self.features:
            msg = (
                f"Interconnection: expected {self.first.features} + {self.second.features} "
                f"channels on axis 1; got shape {tuple(z.shape)}. Use torch.cat([z1, z2], dim=1)."
            )
            raise ValueError(msg)
        one, two = torch.split(z, [self.first.features, self.second.features], dim=1)
        return one, two


def _check(
    first: PortHamiltonianField | Interconnection, second: PortHamiltonianField | Interconnection
) -> None:
    if first.ports != second.ports or first.ports == 0 or first.dim != second.dim:
        msg = (
            "Interconnection: expected equally many ports, at least one, and equally many "
            f"spatial axes; got {first.ports} and {second.ports} ports, {first.dim} and "
            f"{second.dim} axes. Use port=B with equal in_features and dim."
        )
        raise ValueError(msg)
