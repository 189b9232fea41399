"""A gradient field whose metric was computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from torch import Tensor

from darboux.fields.field import Time

if TYPE_CHECKING:
    from darboux.fields.gradient import GradientField


@final
class BoundGradientField:
    """A `GradientField` with a fixed diagonal T⁻¹: what `GradientField.bind` returns.

    It has what integrators ask of a gradient form, f = S∇V with S = -I, so that all stages
    of a discrete gradient share one bound, too.

    Shapes: as for the field.

    Source: sections 2.1.1 and 2.2.2.

    Args:
        field: the field.
        scale: the diagonal, as `GradientField.scale` returns it.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> z = torch.ones(2, 4)
        >>> bool((BoundGradientField(field, field.scale())(0.0, z) == field(0.0, z)).all())
        True
    """

    autonomous = True
    conservative = False
    passive = True

    def __init__(self, field: GradientField, scale: Tensor | None) -> None:
        self.field = field
        self.scale = scale

    def __call__(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        return -self.gradient(t, z)

    def energy(self, t: Time, z: Tensor) -> Tensor:
        """Return the potential V(z), (batch,)."""
        del t  # autonomous
        return self.field.potential(z, self.scale)

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        """Return ∇V."""
        del t
        return self.field.potential_slope(z, self.scale)

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return S g = -g."""
        del t, z
        return -g

    def supply(self, t: Time, z: Tensor) -> None:
        """Return that nothing flows in."""
        del t, z
