"""The equivariance error of a convolution at one element of a group."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.linear._conv import StencilMap
from darboux.linear._frequencies import kernel_offsets
from darboux.linear._stencil import Stencil
from darboux.structure._arguments import checked
from darboux.symmetry._exponential_sum import Bracket, ExponentialSum
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.group import Element
from darboux.symmetry._limits import Band


def stencil_of(what: Stencil | StencilMap) -> Stencil:
    """Return the kernel of a map, in float64, without derivatives."""
    stencil = what.stencil() if isinstance(what, StencilMap) else what
    if not stencil.dim:
        msg = "Expected a convolution; got a dense map, which acts on no plane."
        raise ValueError(msg)
    return Stencil(stencil.weight.detach().double().cpu(), stencil.origin, stencil.padding_mode)


def symbol_sum(stencil: Stencil) -> ExponentialSum:
    """Return Â(ξ) = Σ_t K(t) e^{iξ·t}: A maps v e^{iξ·p} to Â(ξ) v e^{iξ·p}."""
    offsets = kernel_offsets(stencil.kernel_size) + torch.tensor(stencil.origin)
    return ExponentialSum(offsets.double(), stencil.weight.flatten(2).movedim(2, 0))


def _point_action(feature: Feature, g: Element, dim: int) -> Tensor:
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


@checked
def equivariance_error(
    convolution: Stencil | StencilMap,
    source: Feature,
    target: Feature,
    g: Element,
    *,
    band: Band,
) -> Bracket:
    """Return bounds of the equivariance error of a convolution at g, on band-limited functions.

    The error is the smallest ε with ‖A π(g) f - π'(g) A f‖ <= ε ‖f‖ for all square-integrable
    functions f of the plane whose frequencies are at most ω = `band` radians per pixel; g moves
    points by any orthogonal M, whether or not it maps the grid of pixels to itself. Of
    f = v e^{iξ·p}, π(g) makes ρ(g) v e^{iMξ·p} and A makes Â(ξ) v e^{iξ·p}, so that

        ε = sup over |ξ| <= ω of ‖Â(Mξ) ρ(g) - ρ'(g) Â(ξ)‖₂.

    The lower bound is attained at a sample; the upper one is rigorous and at most about 10 %
    larger, as long as the error is not of the size of rounding.

    Source: section 5.3.3.

    Args:
        convolution: A, a map with a stencil, or the stencil itself; its padding does not matter.
        source: the type of f.
        target: the type of A f.
        g: an element of the group of both.
        band: ω > 0. Samples at the pixels determine f where ω < π.

    Returns:
        (lower, upper).

    Raises:
        ValueError: if channels, axes, groups or the band do not fit.
        TypeError: if the map has no stencil.

    Example:
        >>> from darboux.linear import Conv
        >>> from darboux.symmetry import Cyclic, Feature
        >>> conv, scalar = Conv(1, 1, kernel_size=3, dim=2), Feature(Cyclic(8), ["trivial"])
        >>> equivariance_error(conv, scalar, scalar, 0, band=1.0)
        Bracket(lower=0.0, upper=0.0)
    """
    stencil = stencil_of(convolution)
    check_types(stencil, source, target)
    return commutator(stencil, source, target, g).supremum(band=band)


def commutator(stencil: Stencil, source: Feature, target: Feature, g: Element) -> ExponentialSum:
    """Return Â(Mξ) ρ(g) - ρ'(g) Â(ξ) as a sum of plane waves: Mξ·t = ξ·Mᵀt."""
    symbol, before, after = symbol_sum(stencil), source.matrix(g), target.matrix(g)
    moved = symbol.points @ _point_action(source, g, stencil.dim)  # rows are (Mᵀt)ᵀ
    first = ExponentialSum(moved, symbol.matrices @ before)
    second = ExponentialSum(symbol.points, -(after @ symbol.matrices))
    return first.plus(second)
