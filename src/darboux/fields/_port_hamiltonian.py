"""The port-Hamiltonian field of section 6.4.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from darboux.fields._differentiate import energies, slope
from darboux.fields._field import Time, VectorField
from darboux.linear import LinearMap, SkewPart
from darboux.structure import Premise, lipschitz_field, norm_at_most
from darboux.structure._arguments import checked

Energy = Callable[[Tensor], Tensor]

Signal = Callable[[Time], Tensor]

_NAME = "PortHamiltonianField"


@final
class PortHamiltonianField(VectorField):
    """The field ż = (J - R) ∇H(z) + B u(t) with the output y = B* ∇H(z).

    J = S - S* is skew and R = D*D >= 0, whatever the parameters are, so that along solutions

        dH/dt = -‖D ∇H‖² + ⟨y, u⟩ <= ⟨y, u⟩:

    energy is stored, dissipated in D, and exchanged through the ports, but never created. A
    discrete gradient (`darboux.integrators.GonzalezGradient`) keeps this balance exactly.

    Where the energy has a method ``smoothness()``, the Lipschitz constant of ∇H, the field
    has L = (‖J‖ + ‖D‖²) smoothness.

    Shapes: z is (batch, features, *space); u and y are (batch, ports, *space).

    Source: section 6.4.1; van der Schaft and Jeltsema 2014.

    Args:
        energy: H, from z to (batch,).
        skew: the square linear map S, of which J is the skew part.
        damping: D, from features to any number; None for R = 0.
        port: B, from ports to features; None where there are no ports.
        signal: u, from t to (batch or 1, ports, *space), or what broadcasts to it; None for
            u = 0.

    Raises:
        ValueError: if the maps do not fit together, or there is a signal and no port.

    Example:
        >>> import torch, darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        >>> damping = dx.linear.Dense(4, 2)
        >>> field = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4), damping=damping)
        >>> z = torch.randn(3, 4)
        >>> bool(((field(0.0, z) * field.gradient(0.0, z)).sum(dim=1) <= 1e-6).all())
        True
    """

    @checked
    def __init__(
        self,
        energy: Energy,
        skew: LinearMap,
        *,
        damping: LinearMap | None = None,
        port: LinearMap | None = None,
        signal: Signal | None = None,
    ) -> None:
        super().__init__()
        self.skew = SkewPart(skew)
        self.features, self.dim = skew.in_features, skew.dim
        self._check(damping, port, signal)
        self.storage = energy
        self.damping, self.port, self.signal = damping, port, signal
        self.ports = 0 if port is None else port.in_features
        self.autonomous = signal is None
        self.passive = signal is None
        self.conservative = signal is None and damping is None

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        flow = self.steer(t, z, self.gradient(t, z))
        supply = self.supply(t, z)
        return flow if supply is None else flow + supply

    def energy(self, t: Time, z: Tensor) -> Tensor:
        """Return H(z), (batch,)."""
        del t  # the energy does not depend on time
        return self._energy(z)

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        """Return ∇H(z), of the shape of z."""
        del t
        return slope(self._energy, z)

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return (J - R) g."""
        del t, z  # J and R are constant
        turned = self.skew(g)
        return turned if self.damping is None else turned - self.damping.adjoint(self.damping(g))

    def supply(self, t: Time, z: Tensor) -> Tensor | None:
        """Return B u(t), of the shape of z, or None for u = 0.

        Raises:
            ValueError: if u(t) does not broadcast to (batch, ports, *space).
        """
        if self.port is None or self.signal is None:
            return None
        shape = (z.shape[0], self.ports, *z.shape[2:])
        return self.port(_broadcast(self.signal(t), shape, z))

    def output(self, t: Time, z: Tensor) -> Tensor:
        """Return y = B* ∇H(z), (batch, ports, *space).

        Raises:
            TypeError: if there are no ports.
        """
        return self.collect(self.gradient(t, z))

    def inject(self, u: Tensor) -> Tensor:
        """Return B u.

        Raises:
            TypeError: if there are no ports.
        """
        return self._require_port()(u)

    def collect(self, g: Tensor) -> Tensor:
        """Return B* g, what comes out of the ports where the gradient is g.

        Raises:
            TypeError: if there are no ports.
        """
        return self._require_port().adjoint(g)

    def dissipation(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return ⟨g, R g⟩ = ‖D g‖² >= 0, (batch,)."""
        del t, z
        if self.damping is None:
            return g.new_zeros(g.shape[0])
        return self.damping(g).flatten(1).square().sum(dim=1)

    def lipschitz(self) -> Tensor | None:
        """Return L, or None where the energy does not say how smooth it is."""
        smoothness = getattr(self.storage, "smoothness", None)
        if smoothness is None:
            return None
        norm = self.skew.norm_bound()
        if self.damping is not None:
            norm = norm + self.damping.norm_bound().square()
        return norm * smoothness()

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        if self.lipschitz() is None:
            return ()
        maps = (self.skew,) if self.damping is None else (self.skew, self.damping)
        return (*(norm_at_most(map) for map in maps), lipschitz_field(self))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "J skew, R = D*D >= 0: dH/dt = -‖D∇H‖² + ⟨y, u⟩ (section 6.4.1)"

    def _energy(self, z: Tensor) -> Tensor:
        return energies(_NAME, self.storage(z), z)

    def _require_port(self) -> LinearMap:
        if self.port is None:
            msg = f"{_NAME}: expected a field with ports; this one has none. Give port=B."
            raise TypeError(msg)
        return self.port

    def _check(
        self, damping: LinearMap | None, port: LinearMap | None, signal: Signal | None
    ) -> None:
        if signal is not None and port is None:
            msg = f"{_NAME}: expected a port for the signal u to enter by; got none. Give port=B."
            raise ValueError(msg)
        if damping is not None:
            self._check_map("damping to map from", damping.in_features, damping.dim)
        if port is not None:
            self._check_map("port to map to", port.out_features, port.dim)

    def _check_map(self, role: str, features: int, dim: int) -> None:
        if (features, dim) != (self.features, self.dim):
            msg = (
                f"{_NAME}: expected {role} {self.features} features with {self.dim} spatial axes, "
                f"like skew; got {features} features with {dim}. Use maps that fit together."
            )
            raise ValueError(msg)


def _broadcast(u: Tensor, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return u(t) on every sample and pixel: a padded port does not map constants to constants."""
    u = torch.as_tensor(u, dtype=like.dtype, device=like.device)
    if u.ndim > len(shape) or any(
        have not in (1, want)
        for have, want in zip(reversed(u.shape), reversed(shape), strict=False)
    ):
        msg = (
            f"{_NAME}: expected signal(t) to broadcast to (batch, ports, *space) = {shape}; got "
            f"shape {tuple(u.shape)}. Use (1, ports, 1, ...) for one value of each port."
        )
        raise ValueError(msg)
    return u.expand(shape)
