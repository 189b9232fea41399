"""What bijections say of themselves, in few words."""

from __future__ import annotations

from darboux.structure import (
    BiLipschitz,
    Claim,
    Claims,
    Gap,
    Invertible,
    Isometric,
    Kind,
    LogDeterminant,
    Premise,
    VolumePreserving,
)


def bijective(
    reason: str,
    *,
    bounds: BiLipschitz | None = None,
    kind: Kind = Kind.CONSTRUCTION,
    bounds_kind: Kind = Kind.BOUND,
    volume: bool = False,
    isometric: bool = False,
    log_det: bool = True,
    premises: tuple[Premise, ...] = (),
    gap: str | None = None,
) -> Claims:
    """Return the claims of a bijection: invertible, its log-determinant, and how stable it is.

    Args:
        reason: why it can be undone.
        bounds: bi-Lipschitz bounds, where there are any.
        kind: how invertibility is known.
        bounds_kind: how the bounds are known.
        volume: whether it preserves volume.
        isometric: whether it preserves distances; bounds are then (1, 1), by construction.
        log_det: whether the log-determinant is exact.
        premises: what the claims rest on.
        gap: why there are no bounds, where there are none.

    Example:
        >>> [type(c.structure).__name__ for c in bijective("a shear", volume=True)]
        ['Invertible', 'VolumePreserving', 'LogDeterminant']
    """
    found = [Claim(Invertible(), kind, reason, premises)]
    if volume:
        found.append(Claim(VolumePreserving(), Kind.CONSTRUCTION, reason, premises))
    if isometric:
        found.append(Claim(Isometric(), Kind.CONSTRUCTION, reason, premises))
        bounds, bounds_kind = BiLipschitz(1.0, 1.0), Kind.CONSTRUCTION
    if bounds is not None:
        found.append(Claim(bounds, bounds_kind, reason, premises))
    if log_det:
        found.append(Claim(LogDeterminant(), kind, reason, premises))
    return Claims(tuple(found), () if gap is None else (Gap("", gap),))
