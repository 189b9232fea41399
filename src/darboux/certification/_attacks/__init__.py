"""Attacks on structures, one family per file; importing this registers them."""

from darboux.certification._attacks import (
    convexity,
    energy,
    equivariant,
    invertible,
    lipschitz,
    nearly_equivariant,
    nearly_scale_equivariant,
    on_manifold,
    phase,
)

__all__ = [
    "convexity",
    "energy",
    "equivariant",
    "invertible",
    "lipschitz",
    "nearly_equivariant",
    "nearly_scale_equivariant",
    "on_manifold",
    "phase",
]
