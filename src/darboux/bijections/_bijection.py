"""The abstract bijection: forward, inverse, log-determinant, and how it is undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from darboux.gradients import gradients_of
from darboux.solvers._transforms import without_autocast
from darboux.structure import (
    BiLipschitz,
    Claim,
    Claims,
    Gap,
    Invertible,
    Isometric,
    Kind,
    LogDeterminant,
    Premise,
    VolumePreserving,
    claims_of,
)
from darboux.structure._arguments import checked
from darboux.structure._module import Module, check_features
from darboux.structure._rules import by_class

WIDE = (torch.float32, torch.float64)

Pulled = tuple[Tensor, tuple[Tensor | None, ...]]

Pull = Callable[[Tensor, Tensor | None, Sequence[Tensor]], Pulled]


class Bijection(Module, ABC):
    """An invertible layer y = φ(x) with log|det Dφ(x)|, one number for each sample.

    A bijection may be conditioned on a `context` c of each sample; then it is invertible in
    x for every c. Bijections without `context_features` ignore it, so that one context can be
    given to a whole chain.

    Shapes: x and y are (batch, channels, *space); log-determinants are (batch,); a context
    is (batch, context_features), or has the space of x as well.

    Source: sections 4.1 and 4.2.3.
    """

    context_features: int | None = None
    shape: torch.Size | None = None  # of one x, where the bijection takes no other

    @property
    def support(self) -> constraints.Constraint:
        """Where an entry of x may lie: all reals, unless a class says otherwise."""
        return constraints.real

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ(x)."""
        return self.forward_and_log_det(x, context)[0]

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ⁻¹(y)."""
        return self.inverse_and_log_det(y, context)[0]

    @abstractmethod
    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return φ(x) and log|det Dφ(x)|, (batch,)."""

    @abstractmethod
    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x = φ⁻¹(y) and log|det Dφ⁻¹(y)| = -log|det Dφ(x)|, (batch,)."""

    @abstractmethod
    def claims(self) -> Claims:
        """Return what holds: `Invertible`, and what else there is to say."""

    def inversion(self) -> Claims:
        """Return whether the layer can be inverted, without the numbers that cost something."""
        return self.claims()

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the maps that it consists of, with names, in order; none where it is one map."""
        return []

    def push(
        self, x: Tensor, context: Tensor | None, *, log_det: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return φ(x), and log|det| or None, without graph; x may be overwritten.

        This is the forward pass of a chain that keeps no activations, in no_grad mode. A class
        overrides it where it can work in place.
        """
        return self.forward_and_log_det(x, context) if log_det else (self(x, context), None)

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Return x = φ⁻¹(y) without graph, and what pulls gradients back; y may be overwritten.

        This is the backward pass of a chain that keeps no activations, in no_grad mode. The
        general way inverts, and evaluates again with derivatives when it pulls. A class
        overrides it where one evaluation of what is costly serves both.

        Returns:
            x, and a function (gradient, log_det_gradient, wanted) -> (gradient with respect to
            x, gradients with respect to `wanted`), called at most once, which may overwrite the
            gradient. `wanted` are parameters, and the context where it has a gradient;
            log_det_gradient is (batch,), or None where the loss does not use log|det|.
        """
        x = self.inverse(y, context)

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            return pull_back(self, x, gradient, weight, wanted, context)

        return x, pull


def _all_claims(module: nn.Module, reason: str) -> Claims:
    del reason
    return claims_of(module)


@by_class(_all_claims, method="inversion")
def inversion_of(module: nn.Module) -> Claims:
    """Return what `Bijection.inversion` says of a module, or all that it claims."""
    return module.inversion() if isinstance(module, Bijection) else claims_of(module)


@checked
def bijective(
    reason: str,
    *,
    bounds: BiLipschitz | None = None,
    kind: Kind = Kind.CONSTRUCTION,
    bounds_kind: Kind = Kind.BOUND,
    volume: bool = False,
    isometric: bool = False,
    log_det: bool = True,
    premises: Sequence[Premise] = (),
    gap: str | None = None,
) -> Claims:
    """Return the claims of a bijection: `Invertible`, `LogDeterminant`, and how stable it is.

    What a class returns from `claims`. `darboux.certify` attacks everything that is claimed.

    Source: section 4.1; Behrmann et al. 2021 for bi-Lipschitz bounds as a measure of stability.

    Args:
        reason: why the map is invertible, in words.
        bounds: how much distances shrink and grow at most, where that is known.
        kind: how invertibility and the log-determinant are known.
        bounds_kind: how the bounds are known.
        volume: whether |det| = 1 everywhere; adds `VolumePreserving`.
        isometric: whether distances stay; adds `Isometric`, with the bounds 1 and 1.
        log_det: whether log-determinants are exact, not estimates.
        premises: what all of it rests on, to be attacked as well.
        gap: what is not claimed, and why; None where nothing is missing.

    Example:
        >>> from darboux.structure import BiLipschitz, Invertible
        >>> found = bijective("every entry is doubled", bounds=BiLipschitz(2.0, 2.0))
        >>> [type(claim.structure).__name__ for claim in found.claims]
        ['Invertible', 'BiLipschitz', 'LogDeterminant']
        >>> found.find(Invertible).reason
        'every entry is doubled'
    """
    premises = tuple(premises)
    found = [Claim(Invertible(), kind, reason, premises)]
    if volume:
        found.append(Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, premises))
    if isometric:
        found.append(Claim(Isometric(), Kind.CONSTRUCTION, reason, premises))
        bounds, bounds_kind = BiLipschitz(1.0, 1.0), Kind.CONSTRUCTION
    if bounds is not None:
        found.append(Claim(bounds, bounds_kind, reason, premises))
    if log_det:
        found.append(Claim(LogDeterminant(), kind, reason, premises))
    return Claims(tuple(found), () if gap is None else (Gap("", gap),))


def undo(
    bijection: Bijection,
    y: Tensor,
    gradient: Tensor,
    log_det_gradient: Tensor | None,
    wanted: Sequence[Tensor],
    context: Tensor | None = None,
) -> tuple[Tensor, Tensor, tuple[Tensor | None, ...]]:
    """Return x, the gradient with respect to x, and those with respect to `wanted`."""
    with torch.no_grad():
        x, pull = bijection.retrace(y.clone(), context)
        return (x, *pull(gradient.clone(), log_det_gradient, wanted))


def pull_back(
    bijection: Bijection,
    x: Tensor,
    gradient: Tensor,
    log_det_gradient: Tensor | None,
    wanted: Sequence[Tensor],
    context: Tensor | None = None,
) -> Pulled:
    """Return the gradients with respect to x and `wanted`, by one evaluation at x."""
    with torch.enable_grad():
        start = x.detach().requires_grad_()
        if log_det_gradient is None:
            outputs, cotangents = [bijection(start, context)], [gradient]
        else:
            outputs = list(bijection.forward_and_log_det(start, context))
            cotangents = [gradient, log_det_gradient]
    first, *rest = gradients_of(outputs, [start, *wanted], cotangents)
    return torch.zeros_like(x) if first is None else first, tuple(rest)


def zeros(x: Tensor) -> Tensor:
    """Return (batch,) zeros: the log-determinants of a map that preserves volume."""
    return x.new_zeros(x.shape[0])


def wide(x: Tensor) -> Tensor:
    """Return x in float32 at least: constraints and solves lose too much in fewer digits."""
    return x if x.dtype in WIDE else x.float()


def in_wide(
    module: nn.Module, x: Tensor, function: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Return function(x) without autocast, in float32 at least, and so the module's weights.

    The results have the dtype of x again, or stay wide under autocast.
    """
    check_features(type(module).__name__, x)
    autocast = not x.is_meta and torch.is_autocast_enabled(x.device.type)
    with without_autocast(x):
        start = wide(x)
        if start is x:
            return function(x)
        values = (*module.named_parameters(), *module.named_buffers())
        narrow = {
            f"module.{name}": wide(value)
            for name, value in values
            if value.is_floating_point() and value.dtype not in WIDE
        }
        found = torch.func.functional_call(_Calling(module), narrow, (function, start))
    return found if autocast else tuple(part.to(x.dtype) for part in found)


class _Calling(nn.Module):
    """A module around another one, whose weights `functional_call` replaces in any function."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(
        self, function: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor
    ) -> tuple[Tensor, ...]:
        """Return function(x)."""
        return function(x)
