"""The abstract separable field on phase space, and its two shears."""

from __future__ import annotations

from abc import ABC
from typing import final

import torch
from torch import Tensor

from darboux.fields.field import Time
from darboux.fields.phase_space import PhaseSpaceField, halves, join


class SeparablePhaseField(PhaseSpaceField, ABC):
    """A field ż = drift(t, p), ṗ = kick(t, z): each half moves by what the other half says.

    It is the sum of two shears, `DriftPart` and `KickPart`, each with divergence 0 and a flow
    that is exact: while one half moves, what moves it stays where it is. Subclasses see to
    it that drift does not look at z, nor kick at p.

    Shapes: as for `PhaseSpaceField`.

    Source: section 2.1.2, equations (18) and (19); section 2.2.3.
    """

    separable = True
    divergence_free = True
    exact_parts = True

    def parts(self) -> tuple[DriftPart, KickPart]:
        """Return the two shears, the drift first."""
        return DriftPart(self), KickPart(self)


@final
class DriftPart:
    """The shear ż = drift(t, p), ṗ = 0.

    Shapes: states are (batch, 2 features, *space), kept.

    Source: section 2.2.3.

    Args:
        field: the separable field.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> DriftPart(field).flow(0.0, 0.5, torch.tensor([[1.0, 2.0]]))
        tensor([[2., 2.]])
    """

    def __init__(self, field: SeparablePhaseField) -> None:
        self.field = field

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return (drift(t, p), 0)."""
        z, p = halves(x)
        return join(self.field.drift(t, z, p), torch.zeros_like(p))

    def flow(self, t: Time, h: Time, x: Tensor) -> Tensor:
        """Return (z + h drift(t, p), p)."""
        z, p = halves(x)
        return join(z + h * self.field.drift(t, z, p), p)


@final
class KickPart:
    """The shear ż = 0, ṗ = kick(t, z).

    Shapes: states are (batch, 2 features, *space), kept.

    Source: section 2.2.3.

    Args:
        field: the separable field.

    Example:
        >>> import torch, darboux as dx
        >>> linear = dx.linear.Dense(1, 1)
        >>> field = dx.fields.SecondOrderField(linear, dx.activations.Tanh())
        >>> x = torch.tensor([[0.0, 2.0]])
        >>> bool((KickPart(field).flow(0.0, 0.5, x) == x).all())
        True
    """

    def __init__(self, field: SeparablePhaseField) -> None:
        self.field = field

    def __call__(self, t: Time, x: Tensor) -> Tensor:
        """Return (0, kick(t, z))."""
        z, p = halves(x)
        return join(torch.zeros_like(z), self.field.kick(t, z, p))

    def flow(self, t: Time, h: Time, x: Tensor) -> Tensor:
        """Return (z, p + h kick(t, z))."""
        z, p = halves(x)
        return join(z, p + h * self.field.kick(t, z, p))
