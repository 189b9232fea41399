"""Attacks on premises, one family per file; importing this registers them."""

from darboux.certify.premises import (
    adjoint,
    fields,
    gradient,
    isometry,
    nonnegative,
    norm,
    rows,
    slopes,
    step,
)

__all__ = [
    "adjoint",
    "fields",
    "gradient",
    "isometry",
    "nonnegative",
    "norm",
    "rows",
    "slopes",
    "step",
]
