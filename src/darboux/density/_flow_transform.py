"""The bijection of a flow as a transform of torch.distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

if TYPE_CHECKING:
    from darboux.density._flow_distribution import FlowDistribution


@final
class FlowTransform(Transform):
    """z = φ(x; c) as `torch.distributions` has it: with ``inv``, shapes and Jacobians.

    It broadcasts against the batch shape of its distribution. Pushing the base forward by its
    ``inv`` gives the distribution again.

    Shapes: x is (..., *event_shape), z is (..., *base shape), log-determinants are (...).

    Source: section 4.2.3.

    Args:
        distribution: whose φ and c these are.

    Example:
        >>> from darboux.density import LogitTransform, NormalizingFlow, StandardNormal
        >>> transform = NormalizingFlow(LogitTransform(0.0), StandardNormal(1))().transform
        >>> transform(torch.tensor([0.5])), transform.inv(torch.tensor([0.0]))
        (tensor([0.]), tensor([0.5000]))
    """

    bijective = True

    def __init__(self, distribution: FlowDistribution) -> None:
        super().__init__()
        self.distribution = distribution

    @property
    def domain(self) -> constraints.Constraint:  # type: ignore[override]
        """Where x may lie."""
        return self.distribution.support

    @property
    def codomain(self) -> constraints.Constraint:  # type: ignore[override]
        """Where z lies: all reals."""
        return constraints.independent(constraints.real, len(self._shapes()[1]))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return log|det Dφ(x)|, (...)."""
        del y  # φ(x) is found again with it
        return self.distribution.normalized(x)[1]

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return φ(x) and log|det Dφ(x)|, by one evaluation."""
        return self.distribution.normalized(x)

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """Return the shape of φ(x) for x of a shape."""
        event, base = self._shapes()
        return torch.Size([*shape[: len(shape) - len(event)], *base])

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """Return the shape of φ⁻¹(z) for z of a shape."""
        event, base = self._shapes()
        return torch.Size([*shape[: len(shape) - len(base)], *event])

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.normalized(x)[0]

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.generated(y)[0]

    def _shapes(self) -> tuple[torch.Size, torch.Size]:
        return self.distribution.event_shape, self.distribution.flow.base.shape
