"""The three laws of couplings, with conditioners of the right size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from torch import nn

from darboux.bijections import AdditiveCoupling, AffineCoupling, Bijection, SplineCoupling

Law = Literal["spline", "affine", "additive"]


def coupling_of(
    name: str,
    law: Law,
    channels: int,
    network: Callable[[int, int], nn.Module],
    *,
    swap: bool,
    context_features: int | None,
    **options: Any,
) -> Bijection:
    """Return a coupling of halves.

    Args:
        name: who asks, for messages.
        law: "spline", "affine" or "additive".
        channels: of both halves together.
        network: (inputs, outputs) -> the conditioner.
        swap: whether the first half is moved.
        context_features: of the context, or None.
        **options: of the coupling.

    Raises:
        ValueError: if the law is unknown, or there are not two channels.

    Example:
        >>> def network(inputs, outputs):
        ...     return nn.Linear(inputs, outputs)
        >>> layer = coupling_of("example", "affine", 3, network, swap=False, context_features=None)
        >>> layer.network
        Linear(in_features=1, out_features=4, bias=True)
    """
    if law not in get_args(Law):
        known = ", ".join(repr(one) for one in get_args(Law))
        msg = f"{name}: expected law to be one of {known}; got {law!r}."
        raise ValueError(msg)
    if channels < 2:
        msg = (
            f"{name}: expected two features at least, one of which moves the other; got "
            f"{channels}. Use residual_flow for one."
        )
        raise ValueError(msg)
    first = channels // 2
    moved, kept = (first, channels - first) if swap else (channels - first, first)
    inputs = kept + (context_features or 0)
    if law == "additive":
        return AdditiveCoupling(
            network(inputs, moved), swap=swap, context_features=context_features, **options
        )
    if law == "affine":
        return AffineCoupling(
            network(inputs, 2 * moved), swap=swap, context_features=context_features, **options
        )
    numbers = 3 * options.get("bins", 8) - 1
    return SplineCoupling(
        network(inputs, numbers * moved), swap=swap, context_features=context_features, **options
    )
