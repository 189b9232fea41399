"""Attacks on structures, one family per file; importing this registers them."""

from darboux.certify.attacks import (
    averaged,
    energy,
    growth,
    invertible,
    isometric,
    lipschitz,
    reversible,
    symplectic,
    volume,
)

__all__ = [
    "averaged",
    "energy",
    "growth",
    "invertible",
    "isometric",
    "lipschitz",
    "reversible",
    "symplectic",
    "volume",
]
