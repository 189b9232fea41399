"""The distribution of a normalising flow, given a context, and its transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.distributions import Distribution, Transform, constraints

from darboux.bijections import Bijection
from darboux.density._arguments import (
    check_values,
    checked_log_det,
    checked_value,
    leading_shape,
    moved_inside,
)
from darboux.density._base import Base

_OF_BASE = "the base: give it the shape of φ(x)"
_OF_FLOW = "the flow: give shape= to NormalizingFlow"


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
        bijection: φ, which maps data to noise.
        base: q, of the shape of φ(x).
        context: c, (*batch_shape, *context_shape), or None.
        batch_shape: how many distributions there are; one, of batch shape (), by default.
        shape: the event shape, of one x; that of the base if None.
        support: where an entry of x may lie.
        validate_args: whether values are looked at, which costs a synchronisation on a GPU. They
            are if None, whatever PyTorch's default is: `torch.compile` changes that one. If not,
            the log-density is -∞ outside of the support, and nan where x is.

    Raises:
        ValueError: if a context has another batch shape or is not finite; in a call, if x has
            another shape or is not finite.

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
        bijection: Bijection,
        base: Base,
        context: Tensor | None = None,
        *,
        batch_shape: Sequence[int] = (),
        shape: Sequence[int] | None = None,
        support: constraints.Constraint = constraints.real,
        validate_args: bool | None = None,
    ) -> None:
        batch, event = torch.Size(batch_shape), base.shape if shape is None else torch.Size(shape)
        super().__init__(batch, event, validate_args=validate_args is not False)
        self.bijection = bijection
        self.base = base
        self.context = context
        self._entries = support
        if context is not None:
            _check_batch(context, batch)
            if self._validate_args:
                check_values("a context", context)

    @property
    def support(self) -> constraints.Constraint:
        """Where x may lie."""
        return constraints.independent(self._entries, len(self.event_shape))

    @property
    def transform(self) -> FlowTransform:
        """φ given the context, from x to z; its ``inv`` makes samples of those of the base."""
        return FlowTransform(self)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(x | c), (..., *batch_shape); -∞ outside of the support if allowed."""
        if self._validate_args:
            return self._log_density(value)
        leading_shape("x", value, self.event_shape, self.batch_shape)
        x, inside = moved_inside(value, self._entries, axes=len(self.event_shape))
        return torch.where(inside, self._log_density(x), -torch.inf)

    def _log_density(self, x: Tensor) -> Tensor:
        z, log_det = self.normalized(x)
        return self.base.log_prob(z.reshape(-1, *self.base.shape)).reshape(log_det.shape) + log_det

    def rsample(
        self,
        sample_shape: Sequence[int] = (),
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return samples (*sample_shape, *batch_shape, *event_shape), with their gradient."""
        return self.restored(self._noise(sample_shape, generator))

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
        log_q = self.base.log_prob(z.reshape(-1, *self.base.shape))
        # log|det Dφ(x)| = -log|det Dφ⁻¹(z)|
        return x, log_q.reshape(log_det.shape) - log_det

    def expand(
        self, batch_shape: Sequence[int], _instance: Distribution | None = None
    ) -> FlowDistribution:
        """Return the distribution with its batch repeated, without copies."""
        del _instance  # the class is final
        context = self.context
        if context is not None:
            context = context.expand(*batch_shape, *context.shape[len(self.batch_shape) :])
        return FlowDistribution(
            self.bijection,
            self.base,
            context,
            batch_shape=batch_shape,
            shape=self.event_shape,
            support=self._entries,
            validate_args=self._validate_args,
        )

    def normalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return φ(x), (..., *base shape), and log|det Dφ(x)|, (...)."""
        flat, lead = self._flat_values(x)
        z, log_det = self.bijection.forward_and_log_det(flat, self._contexts(lead))
        checked_log_det(log_det, len(flat))
        return self._of_base(z, lead), log_det.reshape(lead)

    def transformed(self, x: Tensor) -> Tensor:
        """Return φ(x), (..., *base shape), without the cost of its determinant."""
        flat, lead = self._flat_values(x)
        return self._of_base(self.bijection(flat, self._contexts(lead)), lead)

    def generated(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return φ⁻¹(z), (..., *event_shape), and log|det Dφ⁻¹(z)|, (...)."""
        flat, lead = self._flat_noise(z)
        x, log_det = self.bijection.inverse_and_log_det(flat, self._contexts(lead))
        checked_log_det(log_det, len(flat))
        return self._of_flow(x, lead), log_det.reshape(lead)

    def restored(self, z: Tensor) -> Tensor:
        """Return φ⁻¹(z), (..., *event_shape), without the cost of its determinant."""
        flat, lead = self._flat_noise(z)
        return self._of_flow(self.bijection.inverse(flat, self._contexts(lead)), lead)

    def _flat_values(self, x: Tensor) -> tuple[Tensor, torch.Size]:
        """Return samples x in one axis, checked, and the shape of that axis."""
        lead = leading_shape("x", x, self.event_shape, self.batch_shape)
        if self._validate_args:
            check_values("x", x, self._entries)
        return x.expand(*lead, *self.event_shape).reshape(-1, *self.event_shape), lead

    def _flat_noise(self, z: Tensor) -> tuple[Tensor, torch.Size]:
        """Return points z in one axis, and the shape of that axis."""
        lead = leading_shape("z", z, self.base.shape, self.batch_shape)
        return z.expand(*lead, *self.base.shape).reshape(-1, *self.base.shape), lead

    def _of_base(self, z: object, lead: torch.Size) -> Tensor:
        shape = self.base.shape
        return checked_value("φ(x)", _OF_BASE, z, shape, lead.numel()).reshape(*lead, *shape)

    def _of_flow(self, x: object, lead: torch.Size) -> Tensor:
        shape = self.event_shape
        return checked_value("φ⁻¹(z)", _OF_FLOW, x, shape, lead.numel()).reshape(*lead, *shape)

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
        z = self.base.sample(lead.numel(), generator=generator)
        return z.reshape(*lead, *self.base.shape)


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
        return self.distribution.transformed(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.restored(y)

    def _shapes(self) -> tuple[torch.Size, torch.Size]:
        return self.distribution.event_shape, self.distribution.base.shape


def _check_batch(context: Tensor, batch: torch.Size) -> None:
    if context.shape[: len(batch)] != batch:
        msg = (
            f"FlowDistribution: expected a context that begins with the batch shape {tuple(batch)};"
            f" got {tuple(context.shape)}. Give batch_shape= the axes before those of one context."
        )
        raise ValueError(msg)
