"""Small networks: the conditioners of couplings and the blocks of classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, final, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Bijection,
    Chain,
    SplineCoupling,
)
from darboux.density import NormalizingFlow
from darboux.gradients import Stack
from darboux.structure import Claim, Claims, Equivariant, Isometric, Kind
from darboux.symmetry._feature import Feature

Build = Callable[[], nn.Module]

Normalization = Literal["instance", "batch"]

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}

UP = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}

POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}

MEAN = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}

_NORM: dict[str, dict[int, Callable[..., nn.Module]]] = {
    "instance": {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
    "batch": {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
}


def dense_network(
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int] = (64, 64),
    activation: Build = nn.ReLU,
    zero: bool = True,
) -> nn.Sequential:
    """Return affine maps with activations in between."""
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for here, there in pairwise(widths):
        layers += [nn.Linear(here, there), activation()]
    return nn.Sequential(*layers, _last(nn.Linear(widths[-1], outputs), zero=zero))


def convolutional_network(
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int],
    dim: int = 2,
    kernels: Sequence[int] | None = None,
    activation: Build = nn.ReLU,
    normalization: Normalization | None = None,
    dropout: float = 0.0,
    zero: bool = True,
) -> nn.Sequential:
    """Return convolutions, each but the last with normalisation, activation and dropout."""
    widths = [inputs, *hidden]
    sizes = [3] * (len(hidden) + 1) if kernels is None else list(kernels)
    layers: list[nn.Module] = []
    for here, there, kernel in zip(widths, hidden, sizes, strict=False):
        free = normalization is None  # a normalisation brings a bias of its own
        layers.append(CONV[dim](here, there, kernel, padding=kernel // 2, bias=free))
        layers += [*normalizations(normalization, there, dim=dim), activation()]
        layers += [nn.Dropout(dropout)] if dropout else []
    last = CONV[dim](widths[-1], outputs, sizes[-1], padding=sizes[-1] // 2)
    return nn.Sequential(*layers, _last(last, zero=zero))


def normalizations(kind: Normalization | None, channels: int, *, dim: int) -> list[nn.Module]:
    """Return a list with the normalisation, empty for None."""
    if kind is None:
        return []
    if kind not in _NORM:
        known = ", ".join(repr(name) for name in get_args(Normalization))
        msg = f"Expected normalization to be one of {known} or None; got {kind!r}. Use one of them."
        raise ValueError(msg)
    return [_NORM[kind][dim](channels, affine=True)]


def _last(layer: nn.Module, *, zero: bool) -> nn.Module:
    if zero:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    return layer


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
    """Return a coupling of halves."""
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


@final
class Wide(nn.Module):
    """The identity, which under autocast turns half precision into float32."""

    # What a chain adds up step after step, and takes off again, needs more digits than the
    # sub-networks that autocast lets run in few.

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in float32 at least where autocast is on."""
        return x.float() if torch.is_autocast_enabled(x.device.type) and _half(x) else x


def _half(x: Tensor) -> bool:
    return x.dtype in (torch.float16, torch.bfloat16)


@final
class MoreFields(nn.Module):
    """The isometry x -> (x, 0) into a feature that begins with the fields of x."""

    # A small kernel takes scalars to low frequencies only; fields of higher ones begin at zero.

    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__()
        if source.group != target.group or target.fields[: len(source.fields)] != source.fields:
            msg = (
                f"MoreFields: expected a target that begins with {source.describe()}; got "
                f"{target.describe()}. Put the new fields last."
            )
            raise ValueError(msg)
        self.source, self.target = source, target

    def forward(self, x: Tensor) -> Tensor:
        """Return (x, 0)."""
        more = self.target.channels - self.source.channels
        return F.pad(x, (*(0,) * (2 * x.ndim - 4), 0, more))

    def claims(self) -> Claims:
        """Return that the map is isometric and equivariant."""
        reason = "the fields of x are kept, and zero is zero for every g"
        type_ = Equivariant(self.source.group, self.source, self.target, translations=(1, 1))
        return Claims(
            (
                Claim(Isometric(), Kind.CONSTRUCTION, reason),
                Claim(type_, Kind.CONSTRUCTION, reason),
            )
        )

    def extra_repr(self) -> str:
        """Return the features."""
        return f"{self.source!r} -> {self.target!r}"


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
