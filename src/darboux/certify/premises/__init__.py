"""Attacks on premises, one family per file; importing this registers them."""

from darboux.certify.premises import (
    adjoint,
    equivariant,
    fields,
    gradient,
    isometry,
    nonnegative,
    norm,
    one_sided,
    passive,
    phase,
    rows,
    slopes,
    step,
    volume,
)

__all__ = [
    "adjoint",
    "equivariant",
    "fields",
    "gradient",
    "isometry",
    "nonnegative",
    "norm",
    "one_sided",
    "passive",
    "phase",
    "rows",
    "slopes",
    "step",
    "volume",
]
