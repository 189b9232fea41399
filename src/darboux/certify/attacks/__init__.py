"""Attacks on structures, one family per file; importing this registers them."""

from darboux.certify.attacks import (
    averaged,
    bilipschitz,
    energy,
    equivariant,
    growth,
    invertible,
    isometric,
    lipschitz,
    log_determinant,
    nearly_equivariant,
    nearly_scale_equivariant,
    reversible,
    symplectic,
    volume,
)

__all__ = [
    "averaged",
    "bilipschitz",
    "energy",
    "equivariant",
    "growth",
    "invertible",
    "isometric",
    "lipschitz",
    "log_determinant",
    "nearly_equivariant",
    "nearly_scale_equivariant",
    "reversible",
    "symplectic",
    "volume",
]
