"""Mechanical systems with constrained positions: Hamiltonian fields on cotangent bundles."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from darboux.fields._differentiate import energies, slope
from darboux.fields._field import Time, VectorField
from darboux.manifolds import CotangentBundle
from darboux.solvers._transforms import without_autocast
from darboux.structure import PointSet
from darboux.structure._arguments import Positive, checked

Inertia = tuple[Positive, Positive, Positive]


@final
class MechanicalField(VectorField):
    """The Hamiltonian field of H(q, p) = Σ p²/2m + V(q) for q on a manifold.

    q̇ = p/m, ṗ = -∇V(q) - Dg(q)ᵀλ, where the forces of constraint Dgᵀλ keep q on {g = 0}: a
    spherical pendulum, or a free rigid body or a heavy top, for which `rigid_body` finds
    the masses. `Rattle` steps it.

    Shapes: x = (q, p) is (batch, 2s, ...) for positions of shape (s, ...), see
    `CotangentBundle`.

    Source: sections 2.1.2 and 2.4.3.

    Args:
        base: the manifold of the positions: ``Sphere(n)``, ``SO(n)``, or a `LevelSet`.
        potential: V, a function or a module of q, (batch, s, ...) -> (batch,).
        masses: m, one for all or one for each entry of the last axis.

    Raises:
        TypeError: if the equations of the manifold are not known.
        ValueError: if masses are not positive, or too few or too many.

    Example:
        >>> import torch, darboux as dx
        >>> height = lambda q: 9.81 * q[:, 2]
        >>> pendulum = dx.fields.MechanicalField(dx.manifolds.Sphere(3), height)
        >>> flow = dx.Flow(pendulum, dx.integrators.Rattle(), horizon=1.0, steps=100)
        >>> x = torch.tensor([[0.0, 0.6, -0.8, 0.5, 0.0, 0.0]])
        >>> bool((flow.energy(flow(x)) - flow.energy(x)).abs() < 1e-3)
        True
    """

    autonomous = True

    @checked
    def __init__(
        self,
        base: PointSet,
        potential: Callable[[Tensor], Tensor],
        *,
        masses: Positive | tuple[Positive, ...] = 1.0,
    ) -> None:
        super().__init__()
        self.manifold: CotangentBundle = CotangentBundle(base, masses)
        self.potential = potential

    @staticmethod
    @checked
    def rigid_body(
        base: PointSet, inertia: Inertia, potential: Callable[[Tensor], Tensor]
    ) -> MechanicalField:
        """Return a rigid body that turns about a fixed point, R in SO(3) from body to space.

        Its Lagrangian is tr(Ṙ D Ṙᵀ)/2 - V(R) with D = (I_1 + I_2 + I_3)/2 - I_i on the diagonal.

        Args:
            base: ``SO(3)``.
            inertia: the principal moments I_1, I_2, I_3.
            potential: V(R), 0 for a free body, m g l R_33 for a heavy top.

        Raises:
            ValueError: if one moment is not less than the sum of the others, as that of no body is.

        Example:
            >>> import torch, darboux as dx
            >>> rotations = dx.manifolds.SO(3)
            >>> top = dx.fields.MechanicalField.rigid_body(
            ...     rotations, (1.0, 1.0, 0.5), lambda r: 9.81 * r[:, 2, 2]
            ... )
            >>> top.manifold.masses
            (0.25, 0.25, 0.75)
        """
        half = sum(inertia) / 2
        masses = tuple(half - moment for moment in inertia)
        if min(masses) <= 0:
            msg = (
                "rigid_body: expected principal moments of inertia of which none is as large as "
                f"the sum of the others; got {inertia}."
            )
            raise ValueError(msg)
        return MechanicalField(base, potential, masses=masses)

    def force(self, q: Tensor) -> Tensor:
        """Return -∇V(q), in the surrounding space."""
        return -slope(lambda y: energies("MechanicalField", self.potential(y), y), q)

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return H(q, p), (batch,)."""
        del t  # autonomous
        q, p = self.manifold.halves(x)
        kinetic = 0.5 * (p.square() / self.manifold.mass(p)).flatten(1).sum(dim=1)
        return kinetic + energies("MechanicalField", self.potential(q), q)

    def forward(self, t: Time, x: Tensor) -> Tensor:
        """Return (q̇, ṗ)."""
        del t  # autonomous
        with without_autocast(x):
            wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            q, p = self.manifold.halves(wide)
            push = self.manifold.pushed(q, p, self.force(q))
            return self.manifold.join(p / self.manifold.mass(p), push).to(x.dtype)
