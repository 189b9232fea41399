"""A two-step flow as a map of its pairs of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from torch import Tensor, nn

from darboux.flow._pair_bijection import PairBijection
from darboux.flow._pairs import halved, paired
from darboux.structure import Claim, Claims, Invertible, Kind, VolumePreserving

if TYPE_CHECKING:
    from darboux.flow._flow import Flow


@final
class DoubledFlow(nn.Module):
    """The map of pairs (z, auxiliary) that a two-step method steps, for any field.

    Leapfrog, (z_{k-1}, z_k) -> (z_k, z_{k-1} + 2h f(z_k)), and the reversible Heun method are
    shears, up to reflections and exchanges: whatever f is, the map can be undone in closed form and
    |det| = 1. As a map of z alone the flow has neither property.

    Shapes: a pair is (batch, 2 features, *space), its members one after the other on the
    channel axis.

    Source: sections 2.2.3 and 4.3.1; Kidger et al. 2021 for reversible Heun.

    Args:
        flow: a flow with a two-step integrator.

    Raises:
        TypeError: if its integrator is a one-step method.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
        >>> pairs = dx.Flow(field, dx.integrators.LeapfrogMidpoint(), steps=4).doubled()
        >>> x = torch.randn(2, 6)
        >>> torch.testing.assert_close(pairs.inverse(pairs(x)), x)
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        if not flow.integrator.doubled:
            msg = (
                f"doubled: expected a two-step method; got {flow.integrator!r}, whose state is z "
                "itself. Use the flow as it is, or LeapfrogMidpoint() or ReversibleHeun()."
            )
            raise TypeError(msg)
        self.flow = flow

    def forward(self, x: Tensor) -> Tensor:
        """Return the pair after the last step."""
        state = halved(x)
        for bound, t, h in self.flow.grid():
            state = self.flow.integrator.step(bound, t, h, state)
        return paired(state)

    def inverse(self, y: Tensor) -> Tensor:
        """Return the pair before the first step."""
        state = halved(y)
        back = self.flow.integrator.step_back  # type: ignore[attr-defined]
        for bound, t, h in reversed(self.flow.grid()):
            state = back(bound, t, h, state)
        return paired(state)

    def as_bijection(self) -> PairBijection:
        """Return the map as a bijection with its log-determinant, which is 0, for chains."""
        return PairBijection(self)

    def start(self, z: Tensor) -> Tensor:
        """Return the pair with which the flow starts at z."""
        bound, t, h = self.flow.grid()[0]
        return paired(self.flow.integrator.init(bound, t, h, z))

    def value(self, x: Tensor) -> Tensor:
        """Return the features z of a pair."""
        return self.flow.integrator.value(halved(x))

    def claims(self) -> Claims:
        """Return that the map preserves volume and can be inverted."""
        reason = f"{self.flow.integrator!r}: shears and reflections of pairs, for any field"
        found = (VolumePreserving(), Invertible())
        return Claims(tuple(Claim(s, Kind.CONSTRUCTION, reason) for s in found))
