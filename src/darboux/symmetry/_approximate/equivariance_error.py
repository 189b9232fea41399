"""How far a convolution is from commuting with one element of a group."""

from __future__ import annotations

from darboux.linear._conv import StencilMap
from darboux.linear._stencil import Stencil
from darboux.symmetry._approximate.exponential_sum import ExponentialSum
from darboux.symmetry._approximate.largest import Bracket
from darboux.symmetry._approximate.symbols import (
    check_band,
    check_types,
    point_action,
    stencil_of,
    symbol_sum,
)
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups import Element


def equivariance_error(
    convolution: Stencil | StencilMap,
    source: Feature,
    target: Feature,
    g: Element,
    *,
    band: float,
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
    return commutator(stencil, source, target, g).supremum(band=check_band(band))


def commutator(stencil: Stencil, source: Feature, target: Feature, g: Element) -> ExponentialSum:
    """Return Â(Mξ) ρ(g) - ρ'(g) Â(ξ) as a sum of plane waves: Mξ·t = ξ·Mᵀt."""
    symbol = symbol_sum(stencil)
    moved = symbol.points @ point_action(source, g, stencil.dim)  # rows are (Mᵀt)ᵀ
    first = ExponentialSum(moved, symbol.matrices @ source.matrix(g))
    second = ExponentialSum(symbol.points, -(target.matrix(g) @ symbol.matrices))
    return first.plus(second)
