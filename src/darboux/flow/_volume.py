"""What bijections of flows share: the log-determinant of what preserves volume."""

from __future__ import annotations

from darboux.structure import Claim, Claims, LogDeterminant, VolumePreserving


def with_log_det(claims: Claims) -> Claims:
    """Return the claims, and that log|det| = 0 is right where volume is preserved."""
    volume = claims.find(VolumePreserving)
    if volume is None:
        return claims
    found = Claim(LogDeterminant(), volume.kind, volume.reason, volume.premises)
    return Claims((*claims.claims, found), claims.gaps)


def require_volume(claims: Claims) -> None:
    """Refuse log-determinants where volume is not known to be preserved."""
    if claims.find(VolumePreserving) is None:
        msg = (
            "log-determinant: expected a flow that preserves volume; this one does not claim to, "
            "and its log-determinant is not known. Use forward() and inverse(), a divergence-free "
            "or separable field, or darboux.density.ContinuousFlow."
        )
        raise TypeError(msg)
