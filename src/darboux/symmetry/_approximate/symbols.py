"""The symbol of a convolution on plane waves of the whole plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from darboux.linear._conv import StencilMap
from darboux.linear._frequencies import kernel_offsets
from darboux.linear._stencil import Stencil
from darboux.symmetry._approximate.exponential_sum import ExponentialSum
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups import Element


def stencil_of(what: Stencil | StencilMap) -> Stencil:
    """Return the kernel of a map, in float64, without derivatives."""
    stencil: object = what.stencil() if isinstance(what, StencilMap) else what
    if not isinstance(stencil, Stencil):
        msg = (
            f"Expected a stencil or a convolution; got {type(what).__name__}. Frequencies are "
            "passed on one by one by translation-invariant linear maps only."
        )
        raise TypeError(msg)
    if not stencil.dim:
        msg = "Expected a convolution; got a dense map, which acts on no plane."
        raise ValueError(msg)
    return Stencil(stencil.weight.detach().double().cpu(), stencil.origin, stencil.padding_mode)


def symbol_sum(stencil: Stencil) -> ExponentialSum:
    """Return Â(ξ) = Σ_t K(t) e^{iξ·t}: A maps v e^{iξ·p} to Â(ξ) v e^{iξ·p}."""
    offsets = kernel_offsets(stencil.kernel_size) + torch.tensor(stencil.origin)
    return ExponentialSum(offsets.double(), stencil.weight.flatten(2).movedim(2, 0))


def point_action(feature: Feature, g: Element, dim: int) -> Tensor:
    """Return the matrix by which g moves the points of the plane, (dim, dim)."""
    # A group that acts on features only moves none.
    group = feature.group
    return group.action(g) if group.dim else torch.eye(dim, dtype=torch.float64)


def check_types(stencil: Stencil, source: Feature, target: Feature) -> None:
    """Refuse features that are not those of a map."""
    if source.group != target.group:
        msg = (
            f"Expected source and target of one group; got {source.group.describe()} and "
            f"{target.group.describe()}. Restrict one of them."
        )
        raise ValueError(msg)
    out, into = stencil.weight.shape[:2]
    if (into, out) != (source.channels, target.channels):
        msg = (
            f"Expected a map {source.channels} -> {target.channels} channels, {source!r} -> "
            f"{target!r}; got {into} -> {out}. Use the types with which it was built."
        )
        raise ValueError(msg)
    if source.group.dim not in (0, stencil.dim):
        msg = (
            f"Expected {source.group.dim} spatial axes, on which {source.group.describe()} acts; "
            f"got a map with {stencil.dim}. Use a group of that space."
        )
        raise ValueError(msg)


def check_band(band: float) -> float:
    """Return the band, or refuse one that is none."""
    if not (isinstance(band, (int, float)) and math.isfinite(band) and band > 0):
        msg = (
            f"Expected a band > 0, the largest frequency in radians per pixel; got {band!r}. Use, "
            "for instance, π/2."
        )
        raise ValueError(msg)
    return float(band)
