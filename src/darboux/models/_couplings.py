"""Couplings of flows, and the initialisation of their normalisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from darboux.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Bijection,
    Chain,
    Coupling,
    SplineCoupling,
)
from darboux.density import NormalizingFlow
from darboux.gradients import Stack
from darboux.structure._arguments import checked

Law = Literal["spline", "affine", "additive"]

_COUPLINGS: dict[Law, Callable[..., Coupling]] = {
    "spline": SplineCoupling,
    "affine": AffineCoupling,
    "additive": AdditiveCoupling,
}


def coupling_of(
    law: Law,
    channels: int,
    network: Callable[[int, int], nn.Module],
    *,
    swap: bool,
    context_features: int | None,
    **options: Any,
) -> Bijection:
    """Return a coupling of halves."""
    first = channels // 2
    moved, kept = (first, channels - first) if swap else (channels - first, first)
    inputs = kept + (context_features or 0)
    coupling = _COUPLINGS[law]
    numbers = coupling(nn.Identity(), **options).law.parameters_per_feature
    return coupling(
        network(inputs, numbers * moved), swap=swap, context_features=context_features, **options
    )


@checked
@torch.no_grad()
def initialise(
    model: NormalizingFlow | Bijection, x: Tensor | Stack, context: Tensor | None = None
) -> None:
    """Set every `ActNorm` of a model, in order, so that its output has mean 0 and variance 1.

    Data runs through the layers one after another; nothing else is changed, and nothing happens
    at any later call of the model. Layers behave as in the model's mode, train() or eval().

    Args:
        model: a normalising flow, or a chain, also of chains.
        x: a batch of data.
        context: of each sample.

    Raises:
        ValueError: if a normalisation lies inside another layer, where data does not reach it.

    Source: section 4.1.3; Kingma and Dhariwal 2018, Glow.

    Example:
        >>> import darboux as dx
        >>> flow, x = dx.models.coupling_flow(2, layers=1, normalize=True), 9 + torch.randn(99, 2)
        >>> initialise(flow, x)
        >>> bool(flow.bijection.layers[0](x).mean().abs() < 1e-4)
        True
    """
    bijection = model.bijection if isinstance(model, NormalizingFlow) else model
    found = bijection if isinstance(bijection, Chain) else Chain([bijection])
    links = found.links()
    reached = {link.module for link in links}
    hidden = [m for m in found.modules() if isinstance(m, ActNorm) and m not in reached]
    if hidden:
        msg = (
            f"initialise: expected normalisations to be layers of chains; {len(hidden)} of them "
            "are inside other layers. Call their own initialise with what reaches them."
        )
        raise ValueError(msg)
    stack = (x,) if isinstance(x, Tensor) else tuple(x)
    done: set[nn.Module] = set()
    for link in links:
        if isinstance(link.module, ActNorm) and link.module not in done:
            link.module.initialise(stack[0])
            done.add(link.module)
        stack, _ = link.apply(stack, context, log_det=False)
