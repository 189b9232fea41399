"""The error of a dilation on a convolution at several scales, and the claim that it allows."""

from __future__ import annotations

import math

import torch

from darboux.structure._arguments import checked
from darboux.structure._claim import Claim, Kind
from darboux.structure._near_equivariance import NearlyScaleEquivariant
from darboux.symmetry._equivariance_error import stencil_of, symbol_sum
from darboux.symmetry._exponential_sum import Bracket, ExponentialSum
from darboux.symmetry._limits import Band
from darboux.symmetry._scale_conv import ScaleConv


@checked
def scale_error(convolution: ScaleConv, *, band: Band) -> Bracket:
    """Return bounds of the error of a dilation by one factor, on band-limited functions.

    With D f = f(·/s), s the factor, and S the shift of channels by one scale, the error is the
    smallest ε with ‖(A D f - S D A f)_k, k >= 1‖ <= ε ‖D f‖ for all functions f of the plane with
    frequencies of at most `band`; where f itself has scales, D also shifts them, and the last
    one of f is zero, so that nothing leaves the window. Of f = v e^{iξ·p}, D makes
    v e^{i(ξ/s)·p}, so that for a lifting map

        ε = sup over |ξ| <= ω of ‖(Â_k(ξ/s) - Â_{k-1}(ξ))_{k >= 1}‖₂.

    Source: slides, symmetry; section 5.3.3.

    Args:
        convolution: A.
        band: ω > 0, in radians per pixel, of f; D f has the smaller ω/s.

    Returns:
        (lower, upper).

    Raises:
        TypeError: if the map is no ScaleConv.
        ValueError: if there is one scale only, or the band is not positive.

    Example:
        >>> found = scale_error(ScaleConv(1, 1, scales=2, kernel_size=9, lifting=True), band=0.5)
        >>> found.lower <= found.upper
        True
    """
    return _commutator(convolution).supremum(band=band)


@checked
def near_scale_claim(convolution: ScaleConv, *, band: Band = math.pi / 2) -> Claim:
    """Return the claim that a convolution at several scales nearly commutes with a dilation.

    Args:
        convolution: A.
        band: the largest frequency, in radians per pixel.

    Raises:
        TypeError: if the map is no ScaleConv.
        ValueError: if there is one scale only, or the band is not positive.

    Example:
        >>> conv = ScaleConv(1, 1, scales=2, kernel_size=9, lifting=True)
        >>> near_scale_claim(conv, band=0.5).kind.name
        'BOUND'
    """
    error = scale_error(convolution, band=band)
    structure = NearlyScaleEquivariant(
        factor=convolution.scalings.factor,
        scales=convolution.scalings.count,
        lifting=convolution.lifting,
        band=float(band),
        error=error.upper,
    )
    reason = (
        f"the symbols of neighbouring scales differ for |ξ| <= {band:.4g} by at most a number in "
        f"[{error.lower:.3g}, {error.upper:.3g}]"
    )
    return Claim(structure, Kind.BOUND, reason)


def _commutator(convolution: ScaleConv) -> ExponentialSum:
    """Return Â(ξ/s) S - S Â(ξ), rows of the first scale and columns that leave dropped."""
    count = convolution.scalings.count
    if count < 2:
        msg = "scale_error: expected at least 2 scales; got 1, which no dilation moves."
        raise ValueError(msg)
    symbol = symbol_sum(stencil_of(convolution))
    matrices = symbol.matrices.unflatten(1, (-1, count))
    dilated, plain = matrices[:, :, 1:].flatten(1, 2), matrices[:, :, :-1].flatten(1, 2)
    if not convolution.lifting:
        dilated = dilated.unflatten(2, (-1, count))[..., 1:].flatten(2)
        plain = plain.unflatten(2, (-1, count))[..., :-1].flatten(2)
    first = ExponentialSum(symbol.points / convolution.scalings.factor, dilated)
    return first.plus(ExponentialSum(symbol.points, torch.neg(plain)))
