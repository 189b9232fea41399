"""The claim of approximate equivariance that a convolution can make."""

from __future__ import annotations

import math

from darboux.linear._conv import StencilMap
from darboux.linear._stencil import Stencil
from darboux.structure._claim import Claim, Kind
from darboux.structure._near_equivariance import NearlyEquivariant
from darboux.symmetry._approximate.symbols import check_band, stencil_of, symbol_sum
from darboux.symmetry._approximate.worst_error import worst_equivariance_error
from darboux.symmetry._feature import Feature


def near_claim(
    convolution: Stencil | StencilMap,
    source: Feature | None = None,
    target: Feature | None = None,
    *,
    band: float = math.pi / 2,
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
    gain = symbol_sum(stencil_of(convolution)).supremum(band=check_band(band))
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
