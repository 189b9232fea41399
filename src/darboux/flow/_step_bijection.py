"""One step of a flow as a bijection."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.bijections._bijection import Bijection, zeros
from darboux.flow._step import Step
from darboux.flow._volume import require_volume, with_log_det
from darboux.structure import Claims


@final
class StepBijection(Bijection):
    """One step of a flow as a bijection.

    Args:
        step: that claims to be invertible.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.HamiltonianField(
        ...     dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), dx.activations.Tanh()
        ... )
        >>> flow = dx.Flow(field, dx.integrators.SymplecticEuler(), steps=2)
        >>> layer = StepBijection(flow.maps()[0][1])
        >>> torch.testing.assert_close(layer.inverse(layer(torch.ones(1, 4))), torch.ones(1, 4))
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the features after the step."""
        del context
        return self.step(x)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the features before it."""
        del context
        return self.step.inverse(y)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the features after the step, and zeros.

        Raises:
            TypeError: if the step does not preserve volume.
        """
        del context
        require_volume(self.claims())
        return self.step(x), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the features before the step, and zeros."""
        del context
        require_volume(self.claims())
        return self.step.inverse(y), zeros(y)

    def claims(self) -> Claims:
        """Return the claims of the step."""
        return with_log_det(self.step.claims())
