"""What nonlinearities of features claim, and which activations act alike on all channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.structure import Claim, Equivariant, Kind
from darboux.symmetry._feature import Feature


def equivariant_claim(
    source: Feature, target: Feature, reason: str, *, on_grid: bool = False
) -> Claim:
    """Return the claim that a map commutes with the actions on source and target."""
    promise = Equivariant(source.group, source, target, grid=on_grid, translations=(1, 1))
    return Claim(promise, Kind.CONSTRUCTION, reason)


def one_function(name: str, activation: object) -> None:
    """Refuse an activation that mixes entries, or acts differently on different channels."""
    if not isinstance(activation, Activation):
        msg = f"{name}: expected an activation such as ReLU(); got {activation!r}."
        raise TypeError(msg)
    if not activation.separable:
        msg = (
            f"{name}: expected an activation that acts on each entry alone; got {activation!r}, "
            "which mixes channels, and does not commute with moving them. Use ReLU() or Clip()."
        )
        raise ValueError(msg)
    if not activation.uniform:
        msg = (
            f"{name}: expected the same function on every channel; got {activation!r} with "
            "thresholds per channel, which moving the channels would exchange. Use one for all, "
            "Clip()."
        )
        raise ValueError(msg)


def exact(constant: Tensor) -> Tensor:
    """Return a buffer with the bits of a float64 constant: ``.to(dtype)`` casts no integers."""
    # So ``module.float().double()`` computes with the constant itself, not with what single
    # precision left of it; it moves between devices like any buffer, and is no state.
    bits = constant.detach().to(torch.float64).contiguous().view(torch.int64)
    return nn.Buffer(bits, persistent=False)


def value(bits: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the constant of `exact`, rounded to a number format."""
    return bits.view(torch.float64).to(dtype)
