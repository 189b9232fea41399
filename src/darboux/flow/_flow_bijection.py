"""A flow that can be stepped back, as a bijection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, final

from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, zeros
from darboux.flow._step import Step, step_back
from darboux.flow._step_bijection import StepBijection
from darboux.flow._volume import require_volume, with_log_det
from darboux.structure import Claims, Invertible

if TYPE_CHECKING:
    from darboux.flow._flow import Flow


@final
class FlowBijection(Bijection):
    """The flow of a method that can step back, z -> z(T), as a bijection.

    In a `darboux.bijections.Chain` each of its steps is undone on its own, so that K steps need
    no more memory than one.

    Shapes: z is (batch, features, *space), kept.

    Source: sections 2.2.3, 4.2.1 and 4.3.1.

    Args:
        flow: a flow whose steps claim to be invertible.

    Raises:
        TypeError: if the method cannot step back.
        ValueError: if the steps cannot be undone in closed form.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.HamiltonianField(
        ...     dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), dx.activations.Tanh()
        ... )
        >>> layer = dx.Flow(field, dx.integrators.StormerVerlet(), steps=4).as_bijection()
        >>> x = torch.randn(5, 4)
        >>> torch.testing.assert_close(layer.inverse(layer(x)), x)
        >>> layer.forward_and_log_det(x)[1]
        tensor([0., 0., 0., 0., 0.])
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        step_back(flow.integrator)  # refuses methods that cannot
        if flow.claims().find(Invertible) is None:
            msg = (
                f"as_bijection: expected steps that are undone in closed form; "
                f"{flow.integrator!r} on {type(flow.fields[0]).__name__} solves equations that may "
                "have more than one solution. Use a separable field, or LeapfrogMidpoint() and "
                "flow.doubled()."
            )
            raise ValueError(msg)
        self.flow = flow

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z(T)."""
        del context
        return self.flow(x)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z(0)."""
        del context
        return self.flow.inverse(y)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return z(T), and zeros.

        Raises:
            TypeError: if the flow does not preserve volume.
        """
        del context
        require_volume(self.claims())
        return self.flow(x), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return z(0), and zeros, with the errors of `forward_and_log_det`."""
        del context
        require_volume(self.claims())
        return self.flow.inverse(y), zeros(y)

    def parts(self) -> Iterator[tuple[str, Bijection]]:
        """Yield the steps, as bijections."""
        for name, step in self.flow.maps():
            assert isinstance(step, Step)  # two-step methods were refused
            yield name, StepBijection(step)

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the steps as maps of their own."""
        return list(self.parts())

    def claims(self) -> Claims:
        """Return the claims of the flow, and that log|det| = 0 where volume is preserved."""
        return with_log_det(self.flow.claims())
