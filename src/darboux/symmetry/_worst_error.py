"""The largest equivariance error over a group, and the claim that it allows."""

from __future__ import annotations

import math
from collections.abc import Iterator

from darboux.linear._conv import StencilMap
from darboux.linear._stencil import Stencil
from darboux.structure._arguments import checked
from darboux.structure._claim import Claim, Kind
from darboux.structure._near_equivariance import NearlyEquivariant
from darboux.symmetry._equivariance_error import (
    check_types,
    commutator,
    stencil_of,
    symbol_sum,
)
from darboux.symmetry._exponential_sum import Bracket, rate_for, with_slack
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Element, Group
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._limits import Band

_ROUNDING = 1e-15

_EXACT = 1e-10  # of the size of the map: what commutes to that is left out of the search


@checked
def worst_equivariance_error(
    convolution: Stencil | StencilMap, source: Feature, target: Feature, *, band: Band
) -> Bracket:
    """Return bounds of the largest `equivariance_error` over all elements of the group.

    With H the elements of the grid with which A commutes, only one g of every double coset HgH,
    and of g and g⁻¹, has to be looked at: [A, π(gh)] = [A, π(g)] π(h) + π(g) [A, π(h)]. All
    elements of a finite group are. Of rotations of the plane equispaced angles are, and for
    those between them the entries of Â(Mξ) ρ(g) - ρ'(g) Â(ξ) are, up to a small rest,
    trigonometric polynomials in the angle, as they are in ξ.

    Source: section 5.3.3.

    Args:
        convolution: A, a map with a stencil, or the stencil itself.
        source: the type of f.
        target: the type of A f.
        band: ω > 0, the largest frequency, in radians per pixel.

    Returns:
        (lower, upper).

    Raises:
        ValueError: if channels, axes, groups or the band do not fit.
        TypeError: if the map has no stencil, or the group is infinite and not SO2 or O2.

    Example:
        >>> from darboux.linear import Conv
        >>> from darboux.symmetry import Cyclic, Feature
        >>> conv, scalar = Conv(1, 1, kernel_size=3, dim=2), Feature(Cyclic(8), ["trivial"])
        >>> found = worst_equivariance_error(conv, scalar, scalar, band=1.0)
        >>> 0 < found.lower <= found.upper
        True
    """
    stencil = stencil_of(convolution)
    check_types(stencil, source, target)
    group = source.group
    if isinstance(group, FiniteGroup):
        return _finite(stencil, source, target, group, band)
    if isinstance(group, (SO2, O2)):
        return _planar(stencil, source, target, group, band)
    msg = (
        f"Expected a finite group, SO2() or O2(); got {group.describe()}. Use equivariance_error "
        "for single elements."
    )
    raise TypeError(msg)


def _finite(
    stencil: Stencil, source: Feature, target: Feature, group: FiniteGroup, band: float
) -> Bracket:
    exact, size = _commuting(stencil, source, target)
    lower, upper = 0.0, 0.0
    for g in _representatives(group, exact):
        found = commutator(stencil, source, target, g).supremum(band=band)
        lower, upper = max(lower, found.lower), max(upper, found.upper)
    return Bracket(lower, upper + size)


def _planar(
    stencil: Stencil, source: Feature, target: Feature, group: SO2 | O2, band: float
) -> Bracket:
    exact, size = _commuting(stencil, source, target)
    symmetric = set(group.grid_elements()) <= set(exact)
    symbol = symbol_sum(stencil)
    charge = max(_charge(source), _charge(target))
    found = [
        commutator(stencil, source, target, g).supremum(band=band, axes=1)
        for g in _angles(group, 8 * (1 + charge), symmetric=symmetric)
    ]
    lower = max(each.lower for each in found)
    degree, rest = symbol.degree(band, share=max(0.003 * lower, _ROUNDING * symbol.triangle()))
    degree += charge
    n = 8 * math.ceil(rate_for(3) * degree / 8)
    found = [
        commutator(stencil, source, target, g).supremum(band=band, axes=1)
        for g in _angles(group, n, symmetric=symmetric)
    ]
    upper = with_slack(max(each.upper for each in found), rest, degree / n)
    return Bracket(max(lower, *(each.lower for each in found)), upper + size)


def _commuting(
    stencil: Stencil, source: Feature, target: Feature
) -> tuple[tuple[Element, ...], float]:
    """Return the elements of the grid with which A commutes, and how well it does."""
    # The supremum of a sum of plane waves is at most the sum of the norms of its matrices.
    limit = _EXACT * symbol_sum(stencil).triangle()
    found = {
        g: commutator(stencil, source, target, g).triangle() for g in source.group.grid_elements()
    }
    exact = tuple(g for g, error in found.items() if error <= limit)
    return exact, 2 * max((found[g] for g in exact), default=0.0)


def _representatives(group: FiniteGroup, exact: tuple[int, ...]) -> Iterator[int]:
    """Yield one element of every HgH, and of g and g⁻¹."""
    seen: set[int] = set()
    members = exact or (0,)
    for g in group.elements():
        if g in seen:
            continue
        yield g
        for a in members:
            for b in members:
                near = group.compose(group.compose(a, g), b)
                seen.update((near, group.inverse(near)))


def _angles(group: Group, n: int, *, symmetric: bool) -> Iterator[Element]:
    """Yield the elements at n equispaced angles, those left out that symmetry makes superfluous."""
    # Rotations by β, -β and β + π/2 have one error where quarter turns commute; a reflection that
    # commutes, too, adds no other.
    last = n // 8 if symmetric else n // 2
    for k in range(last + 1):
        angle = 2 * math.pi * k / n
        if not isinstance(group, O2):
            yield angle
            continue
        yield (angle, False)
        if not symmetric:
            yield from ((angle, True), (-angle, True))


def _charge(feature: Feature) -> int:
    """Return the largest frequency of the angle in ρ."""
    names = [name for field in feature.fields for name in field.content]
    return max(int(name.rstrip("+-")) for name in names)


@checked
def near_claim(
    convolution: Stencil | StencilMap,
    source: Feature | None = None,
    target: Feature | None = None,
    *,
    band: Band = math.pi / 2,
) -> Claim:
    """Return the claim that a convolution is nearly equivariant, for all elements of the group.

    ‖A π(g) f - π'(g) A f‖ <= ε ‖f‖ for all g and all functions f of the plane with frequencies of
    at most `band`: ε is the upper bound of `worst_equivariance_error`, and the gain the upper
    bound of the norm of A on such functions.

    Source: section 5.3.3.

    Args:
        convolution: A, a map with a stencil, or the stencil itself.
        source: the type of f; None for what ``equivariant()`` of the map says.
        target: the type of A f; None for the same.
        band: the largest frequency, in radians per pixel.

    Raises:
        ValueError: if channels, axes, groups or the band do not fit.
        TypeError: if the map has no stencil or no known type, or the group is infinite and
            not SO2 or O2.

    Example:
        >>> from darboux.linear import Conv
        >>> from darboux.symmetry import Cyclic, Feature
        >>> scalar = Feature(Cyclic(8), ["trivial"])
        >>> near_claim(Conv(1, 1, kernel_size=3, dim=2), scalar, scalar, band=1.0).kind.name
        'BOUND'
    """
    source, target = _types(convolution, source, target)
    error = worst_equivariance_error(convolution, source, target, band=band)
    gain = symbol_sum(stencil_of(convolution)).supremum(band=band)
    structure = NearlyEquivariant(
        source.group, source, target, band=float(band), error=error.upper, gain=gain.upper
    )
    reason = (
        f"sup ‖Â(Mξ) ρ(g) - ρ'(g) Â(ξ)‖₂ over all g and |ξ| <= {band:.4g} lies in "
        f"[{error.lower:.3g}, {error.upper:.3g}]"
    )
    return Claim(structure, Kind.BOUND, reason)


def _types(
    convolution: Stencil | StencilMap, source: Feature | None, target: Feature | None
) -> tuple[Feature, Feature]:
    """Return the types, asked from the map where they are not given."""
    if source is not None and target is not None:
        return source, target
    ask = getattr(convolution, "equivariant", None)
    known = None if ask is None else ask()
    types = (source or getattr(known, "source", None), target or getattr(known, "target", None))
    if not (isinstance(types[0], Feature) and isinstance(types[1], Feature)):
        msg = (
            f"Expected a map that knows its types; got {type(convolution).__name__}. Give source "
            "and target, or use EquivariantConv."
        )
        raise TypeError(msg)
    return types[0], types[1]
