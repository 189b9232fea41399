"""The normalising flow: a bijection, and the simple density that it pulls back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from darboux.bijections import Bijection
from darboux.density._arguments import batch_shape_of
from darboux.density._base import Base, StandardNormal
from darboux.density._flow_distribution import FlowDistribution
from darboux.structure._arguments import Count, checked


@final
class NormalizingFlow(nn.Module):
    """The density p(x) = q(φ(x)) |det Dφ(x)| of a bijection φ and a base q, perhaps conditioned.

    Calling it with a context c returns p(· | c) as a `torch.distributions.Distribution`; see
    `FlowDistribution` for its batch shape. Training minimises `negative_log_likelihood` (49).

    The log-density is as right as the log-determinants of φ: where those are estimates, by
    random numbers or by the discretisation of an ODE, so is it. The claims of φ say so.

    Shapes: x is (..., *shape) and a context (..., *context_shape).

    Source: section 4.2.3, equations (48) and (49).

    Args:
        bijection: φ, which maps data to noise: a `Bijection`, a `Chain` that ends with one
            tensor, or any module with ``forward_and_log_det`` and ``inverse_and_log_det``.
        base: q, of the shape of φ(x); standard normal of `shape` if None.
        shape: the shape of one x; that of the bijection or the base if None.
        context_shape: the shape of one context; (context_features,) of the layers if None.
        support: where x may lie; the interval that the first layer takes, or all reals, if None.

    Raises:
        TypeError: if the bijection or the base is none.
        ValueError: if the shape is not known, or layers want contexts of different sizes.

    Example:
        >>> import darboux as dx
        >>> coupling = dx.bijections.AdditiveCoupling(torch.nn.Linear(1, 1))
        >>> flow = NormalizingFlow(coupling, StandardNormal(2))
        >>> flow().log_prob(torch.zeros(5, 2)).shape, flow().sample((3, 4)).shape
        (torch.Size([5]), torch.Size([3, 4, 2]))
    """

    @checked
    def __init__(
        self,
        bijection: nn.Module,
        base: Base | None = None,
        *,
        shape: Sequence[Count] | None = None,
        context_shape: Sequence[Count] | None = None,
        support: constraints.Constraint | None = None,
    ) -> None:
        super().__init__()
        _check_bijection(bijection)
        self.bijection = cast("Bijection", bijection)  # or another module with its methods
        self.shape = _shape(bijection, base, shape)
        self.base = StandardNormal(*self.shape) if base is None else base
        found = _context_shape(bijection) if context_shape is None else torch.Size(context_shape)
        self.context_shape = found
        if support is None:
            support = bijection.support if isinstance(bijection, Bijection) else constraints.real
        self.support = support

    def forward(
        self, context: Tensor | None = None, *, validate_args: bool | None = None
    ) -> FlowDistribution:
        """Return the distribution, given a context where there is one.

        Args:
            context: (*batch_shape, *context_shape); None for a flow without context.
            validate_args: whether values are looked at; they are if None.

        Raises:
            ValueError: if a context is missing, unexpected, of another size or not finite.
        """
        return FlowDistribution(
            self.bijection,
            self.base,
            context,
            batch_shape=batch_shape_of(self.context_shape, context),
            shape=self.shape,
            support=self.support,
            validate_args=validate_args,
        )

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return log p(x | c), one number for each sample."""
        return self(context).log_prob(x)

    def negative_log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the mean of -log p(x | c) over all samples, in nats."""
        return -self.log_prob(x, context).mean()


def _check_bijection(bijection: nn.Module) -> None:
    for method in ("forward_and_log_det", "inverse", "inverse_and_log_det"):
        if not callable(getattr(bijection, method, None)):
            msg = (
                f"NormalizingFlow: expected a module with {method}(x, context); got "
                f"{type(bijection).__name__}. Use a darboux.bijections.Bijection, or a Chain."
            )
            raise TypeError(msg)


def _shape(bijection: nn.Module, base: Base | None, shape: Sequence[int] | None) -> torch.Size:
    """Return the shape of one x."""
    if shape is not None:
        return torch.Size(shape)
    if isinstance(bijection, Bijection) and bijection.shape is not None:
        return bijection.shape
    if base is None:
        msg = (
            "NormalizingFlow: expected a base or the shape of a sample; got neither. Use "
            "NormalizingFlow(bijection, StandardNormal(2)) for two features."
        )
        raise ValueError(msg)
    return base.shape


def _context_shape(bijection: nn.Module) -> torch.Size | None:
    """Return the shape of one context, which all conditioned layers share."""
    layers = [part for part in bijection.modules() if isinstance(part, Bijection)]
    own = getattr(bijection, "context_features", None)  # of another module than a Bijection, too
    sizes = {own, *(layer.context_features for layer in layers)} - {None, 0}
    if len(sizes) > 1:
        msg = (
            f"NormalizingFlow: expected layers that share one context; got context_features "
            f"{sorted(map(str, sizes))}. Build them with equal context_features."
        )
        raise ValueError(msg)
    return torch.Size([int(n) for n in sizes if n is not None]) if sizes else None
