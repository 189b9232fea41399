"""The distribution of a normalising flow, given a context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, final

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from darboux.density._arguments import (
    batch_shape_of,
    checked_log_det,
    checked_noise,
    checked_sample,
    leading_shape,
    require_finite,
    require_within,
)
from darboux.density._flow_transform import FlowTransform

if TYPE_CHECKING:
    from darboux.density._normalizing_flow import NormalizingFlow


@final
class FlowDistribution(Distribution):
    """The density p(x | c) = q(φ(x; c)) |det Dφ(x; c)|, as PyTorch wants distributions.

    A context (*batch_shape, *context_shape) makes a batch of distributions; without one the
    batch shape is (). `log_prob` broadcasts x against the batch shape, as every distribution
    of PyTorch does: a batch of contexts and x of shape (*batch_shape, *event_shape) are pairs.

    `sample` has no gradient; `rsample` and `rsample_and_log_prob` have one, in the parameters
    and the context. Random numbers come from PyTorch's global source unless a generator is
    given.

    Shapes: x is (..., *batch_shape, *event_shape), log-densities are (..., *batch_shape).

    Source: section 4.2.3, equation (48).

    Args:
        flow: the bijection and the base.
        context: c, or None.
        batch_shape: a larger batch shape that the context's broadcasts to; that of the context
            if None.
        validate_args: whether values are looked at, which costs a synchronisation on a GPU. They
            are if None, whatever PyTorch's default is: `torch.compile` changes that one.

    Raises:
        ValueError: if a context is missing, unexpected, of another size or not finite; in a
            call, if x has another shape or is not finite.

    Example:
        >>> from darboux.density import LogitTransform, NormalizingFlow, StandardNormal
        >>> p = NormalizingFlow(LogitTransform(0.0), StandardNormal(1))()
        >>> p.event_shape, p.log_prob(torch.tensor([[0.5]]))  # log 4 - log 2π / 2
        (torch.Size([1]), tensor([0.4674]))
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(
        self,
        flow: NormalizingFlow,
        context: Tensor | None = None,
        *,
        batch_shape: Sequence[int] | None = None,
        validate_args: bool | None = None,
    ) -> None:
        own = batch_shape_of(flow.context_shape, context)
        batch = own if batch_shape is None else torch.Size(batch_shape)
        super().__init__(batch, flow.shape, validate_args=validate_args is not False)
        self.flow = flow
        self.context: Tensor | None = None
        if context is not None:
            self.context = context.expand(*batch, *context.shape[len(own) :])
            if self._validate_args:
                require_finite("a context", context)

    @property
    def support(self) -> constraints.Constraint:
        """Where x may lie."""
        return constraints.independent(self.flow.support, len(self.event_shape))

    @property
    def transform(self) -> FlowTransform:
        """φ given the context, from x to z; its ``inv`` makes samples of those of the base."""
        return FlowTransform(self)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(x | c), (..., *batch_shape)."""
        z, log_det = self.normalized(value)
        log_q = self.flow.base.log_prob(z.reshape(-1, *self.flow.base.shape))
        return log_q.reshape(log_det.shape) + log_det

    def rsample(
        self,
        sample_shape: Sequence[int] = (),
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return samples (*sample_shape, *batch_shape, *event_shape), with their gradient."""
        return self.generated(self._noise(sample_shape, generator))[0]

    def sample(
        self,
        sample_shape: Sequence[int] = (),
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return samples (*sample_shape, *batch_shape, *event_shape), without gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    def rsample_and_log_prob(
        self,
        sample_shape: Sequence[int] = (),
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return samples and their log-densities, by one evaluation of φ⁻¹."""
        z = self._noise(sample_shape, generator)
        x, log_det = self.generated(z)
        log_q = self.flow.base.log_prob(z.reshape(-1, *self.flow.base.shape))
        # log|det Dφ(x)| = -log|det Dφ⁻¹(z)|
        return x, log_q.reshape(log_det.shape) - log_det

    def expand(
        self, batch_shape: Sequence[int], _instance: Distribution | None = None
    ) -> FlowDistribution:
        """Return the distribution with its batch repeated, without copies."""
        del _instance  # the class is final
        return FlowDistribution(
            self.flow, self.context, batch_shape=batch_shape, validate_args=self._validate_args
        )

    def normalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return φ(x), (..., *base shape), and log|det Dφ(x)|, (...)."""
        event, base = self.event_shape, self.flow.base.shape
        lead = leading_shape("x", x, event, self.batch_shape)
        if self._validate_args:
            require_finite("x", x)
            require_within(self.flow.support, x)
        flat = x.expand(*lead, *event).reshape(-1, *event)
        z, log_det = self.flow.bijection.forward_and_log_det(flat, self._contexts(lead))
        z, log_det = checked_noise(z, base, len(flat)), checked_log_det(log_det, len(flat))
        return z.reshape(*lead, *base), log_det.reshape(lead)

    def generated(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return φ⁻¹(z), (..., *event_shape), and log|det Dφ⁻¹(z)|, (...)."""
        event, base = self.event_shape, self.flow.base.shape
        lead = leading_shape("z", z, base, self.batch_shape)
        flat = z.expand(*lead, *base).reshape(-1, *base)
        x, log_det = self.flow.bijection.inverse_and_log_det(flat, self._contexts(lead))
        x, log_det = checked_sample(x, event, len(flat)), checked_log_det(log_det, len(flat))
        return x.reshape(*lead, *event), log_det.reshape(lead)

    def __repr__(self) -> str:
        """Return the shapes."""
        return (
            f"FlowDistribution(batch_shape={tuple(self.batch_shape)}, "
            f"event_shape={tuple(self.event_shape)})"
        )

    def _contexts(self, lead: torch.Size) -> Tensor | None:
        """Return one context for each of the samples in one axis."""
        if self.context is None:
            return None
        shape = self.context.shape[len(self.batch_shape) :]
        return self.context.expand(*lead, *shape).reshape(-1, *shape)

    def _noise(self, sample_shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
        """Return samples of the base, (*sample_shape, *batch_shape, *base shape)."""
        lead = torch.Size([*sample_shape, *self.batch_shape])
        z = self.flow.base.sample(lead.numel(), generator=generator)
        return z.reshape(*lead, *self.flow.base.shape)
